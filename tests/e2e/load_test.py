#!/usr/bin/env python3
"""Load on a node: no error, no wrong byte, and afterwards no descriptor and no memory more than before."""
import pathlib
import re
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from node import (SANITIZE, NodeTest, connect, for_each_mode, frame, full_or,  # noqa: E402
                  receive_exactly, wait_until)

DURATION = full_or(10, 1.5)
IDLE = full_or(10000, 500 if SANITIZE else 2000)
CYCLES = full_or(50000, 1500 if SANITIZE else 5000)
LIVES = full_or(10000, 300 if SANITIZE else 1000)
# What the allocator may keep between two equal rounds.
GROWTH_KIB = 6 * 1024


class LoadTest(NodeTest):
    def settle(self, node, descriptors):
        wait_until(lambda: node.fd_count() <= descriptors,
                   f"{node.fd_count()} descriptors return to {descriptors}")

    def assert_leaves_nothing(self, node, port, rounds):
        """Runs the rounds twice: the second time ends where the first one ended."""
        descriptors = node.fd_count()
        resident = []
        for _ in range(2):
            for arguments in rounds:
                self.load(port, *arguments)
            self.settle(node, descriptors)
            resident.append(node.rss_kib())
        if not SANITIZE:  # a sanitizer keeps freed memory on purpose
            limit = max(GROWTH_KIB, resident[0] // 10)
            self.assertLessEqual(resident[1] - resident[0], limit, f"{resident} KiB\n{node.story()}")
        self.assert_stops(node)

    @for_each_mode
    def test_raw_echo_of_100_and_1000_connections(self, net_threads):
        node, port = self.start_raw_echo(net_threads=net_threads)
        self.assert_leaves_nothing(node, port, [
            ("--connections", 100, "--size", 64, "--duration", DURATION),
            ("--connections", 1000, "--size", 64, "--duration", DURATION)])

    @for_each_mode
    def test_agents_echo_small_large_and_pipelined_frames(self, net_threads):
        node, port = self.start_echo(net_threads=net_threads, logger="/dev/null")
        framed = ("--framing", 2)
        self.assert_leaves_nothing(node, port, [
            (*framed, "--connections", 100, "--size", 64, "--duration", DURATION),
            (*framed, "--connections", 20, "--size", 16384, "--duration", DURATION),
            (*framed, "--connections", 50, "--size", 64, "--pipeline", 32, "--duration", DURATION),
            (*framed, "--connections", 8, "--size", "1-65535", "--duration", DURATION)])

    @for_each_mode
    def test_many_idle_connections_stay_open_beside_busy_ones(self, net_threads):
        node, port = self.start_raw_echo(net_threads=net_threads)
        self.assert_leaves_nothing(node, port, [
            ("--idle", IDLE, "--connections", 10, "--size", 64, "--duration", DURATION)])

    @for_each_mode
    def test_connections_that_come_and_go_leave_nothing(self, net_threads):
        node, port = self.start_raw_echo(net_threads=net_threads)
        self.assert_leaves_nothing(node, port, [
            ("--churn", CYCLES, "--connections", 50, "--size", 64)])

    @for_each_mode
    def test_agents_that_come_and_go_leave_nothing(self, net_threads):
        node, port = self.start_echo(net_threads=net_threads, logger="/dev/null")
        self.assert_leaves_nothing(node, port, [
            ("--framing", 2, "--churn", CYCLES // 5, "--connections", 20, "--size", 64)])

    @for_each_mode
    def test_an_idle_node_does_not_wake_up(self, net_threads):
        node, port = self.start_echo(net_threads=net_threads, monitor_interval=600000)
        clients = [connect(port) for _ in range(20)]
        for client in clients:
            client.sendall(frame(b"hello"))
            self.assertEqual(receive_exactly(client, 7), frame(b"hello"))

        def is_asleep():  # for two seconds
            before, begun = node.wake_ups(), time.monotonic()
            wait_until(lambda: time.monotonic() > begun + 2, "two seconds pass")
            return node.wake_ups() - before <= 2

        wait_until(is_asleep, "no thread wakes up without work")
        for client in clients:
            client.close()
        self.assert_stops(node)

    @for_each_mode
    def test_services_that_are_killed_with_all_they_own_leave_nothing(self, net_threads):
        node = self.start(bootstrap="short_lives", net_threads=net_threads, lives=LIVES,
                          logger="FOLDER/log")
        log = node.folder / "log"
        wait_until(lambda: log.exists() and "short lives: half" in log.read_text(), "half of them lived")
        resident = node.rss_kib()
        wait_until(lambda: "short lives: all" in log.read_text(), "all of them lived")
        lived = re.search(r"short lives: all (\d+), (\d+) answers", log.read_text())
        self.assertEqual(int(lived[1]), LIVES)
        self.assertEqual(int(lived[2]), LIVES * 10, "every message was answered")
        if not SANITIZE:
            self.assertLessEqual(node.rss_kib() - resident, GROWTH_KIB)
        wait_until(lambda: not node.listening_ports(), "no listener is left")
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main(verbosity=2)
