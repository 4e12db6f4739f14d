#!/usr/bin/env python3
"""Clients and services that misbehave: the others are served, memory stays bounded, nothing ends."""
import os
import pathlib
import random
import resource
import socket
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from node import (SANITIZE, NodeTest, connect, for_each_mode, frame, free_port,  # noqa: E402
                  receive_all, receive_exactly, wait_until)

SEED = int(os.environ.get("SKYLOOM_TEST_SEED", random.randrange(1 << 32)))


class HostileTest(NodeTest):
    def assert_serves(self, port, payload=b"are you there"):
        with connect(port) as client:
            client.sendall(payload)
            self.assertEqual(receive_exactly(client, len(payload)), payload)

    def assert_serves_frames(self, port):
        self.assert_serves(port, frame(b"are you there"))

    @for_each_mode
    def test_a_client_that_never_reads_is_cut_at_the_limit_and_others_are_served(self, net_threads):
        node, port = self.start_raw_echo(net_threads=net_threads, net_wbuffer_max="4M")
        self.assert_serves(port)
        resident = node.rss_kib()
        with connect(port) as greedy:
            greedy.settimeout(60)
            with self.assertRaises(ConnectionError):
                for _ in range(2000):  # 128 MB, far more than the limit and all kernels' buffers
                    greedy.sendall(b"x" * (64 << 10))
            self.assert_serves(port)
        node.wait_for_line(r"raw echo: \d+ has \d+ KiB queued")
        if not SANITIZE:
            self.assertLess(node.rss_kib() - resident, 24 << 10)
        self.assert_serves(port)
        self.assert_stops(node)

    @for_each_mode
    def test_a_client_that_floods_a_service_that_never_returns_is_not_read_for_ever(self, net_threads):
        node = self.start(bootstrap="deaf", net_threads=net_threads, net_inflight_max=1 << 20,
                          shutdown_timeout=500)
        client = connect(int(node.wait_for_line(r"deaf: port (\d+)")[1]))
        client.settimeout(3)  # far longer than the node needs to take what it will take
        limit = 64 << 20  # the node's megabyte and what the kernel holds are a fraction of it
        sent = 0
        try:
            while sent < limit:
                sent += client.send(bytes(1 << 16))
        except TimeoutError:
            pass
        self.assertLess(sent, limit, "everything was taken: reading did not pause")
        client.close()

    @for_each_mode
    def test_clients_that_never_write_cost_nothing(self, net_threads):
        node, port = self.start_echo(net_threads=net_threads)
        silent = [connect(port) for _ in range(100)]
        node.wait_for_line("LAUNCH echo_agent", count=100)
        self.assert_serves_frames(port)
        before = node.cpu_seconds()
        end = time.monotonic() + 1
        wait_until(lambda: time.monotonic() > end, "a second passes")
        self.assertLess(node.cpu_seconds() - before, 0.5, "nobody has anything to do")
        for client in silent:
            client.close()
        self.assert_stops(node)

    @for_each_mode
    def test_garbage_ends_nothing(self, net_threads):
        print(f"seed {SEED}", flush=True)
        chance = random.Random(SEED)
        node, port = self.start_echo(net_threads=net_threads)
        for i in range(100):
            with connect(port) as client:
                try:
                    client.sendall(chance.randbytes(chance.choice((1, 2, 3, 100, 10000))))
                    if i % 3 == 0:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    if i % 3 == 1:
                        client.shutdown(socket.SHUT_WR)
                        receive_all(client)
                except ConnectionError:
                    pass
        for greeting in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"\xff" * 65537):
            with connect(port) as client:
                client.sendall(greeting)
        self.assert_serves_frames(port)
        self.assert_stops(node)

    @for_each_mode
    def test_garbage_to_a_gate_with_long_headers_ends_nothing(self, net_threads):
        gate_port = free_port()
        node = self.start(bootstrap=f"gate_user L {gate_port} 100", net_threads=net_threads)
        node.wait_for_line("gate user: ready")
        chance = random.Random(SEED)
        for _ in range(60):
            with connect(gate_port) as client:
                try:
                    client.sendall(chance.randbytes(chance.choice((1, 3, 4, 5, 2000))))
                except ConnectionError:
                    pass
        node.wait_for_line(r"gate user: \d+ close", count=60)
        self.assert_serves(gate_port, frame(b"hello", 4))
        self.assert_stops(node)

    @for_each_mode
    def test_resets_at_any_moment_leave_no_descriptor(self, net_threads):
        node, port = self.start_raw_echo(net_threads=net_threads)
        self.assert_serves(port)
        descriptors = node.fd_count()
        for i in range(200):
            client = connect(port)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            if i % 2:
                client.sendall(b"y" * (i * 500))
            client.close()
        self.assert_serves(port)
        wait_until(lambda: node.fd_count() <= descriptors, "all descriptors are closed")
        self.assert_stops(node)

    @for_each_mode
    def test_a_full_descriptor_table_refuses_newcomers_and_serves_the_others(self, net_threads):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

        node, port = self.start_raw_echo(preexec=limit, net_threads=net_threads)
        served = [connect(port) for _ in range(4)]
        for client in served:
            client.sendall(b"first")
            self.assertEqual(receive_exactly(client, 5), b"first")
        crowd = []
        for _ in range(150):
            crowd.append(connect(port))  # the kernel answers, whoever accepts
        node.wait_for_line(r"raw echo: error of \d+: ")
        for client in served:
            client.sendall(b"again")
            self.assertEqual(receive_exactly(client, 5), b"again")
        before = node.cpu_seconds()
        end = time.monotonic() + 1
        wait_until(lambda: time.monotonic() > end, "a second passes")
        self.assertLess(node.cpu_seconds() - before, 0.5, "no busy loop around accept")
        for client in crowd:
            client.close()
        wait_until(lambda: self.is_served(port), "accepting again once descriptors are free")
        self.assertLess(node.log().count("raw echo: error of"), 30)
        self.assert_stops(node)

    def is_served(self, port):
        try:
            self.assert_serves(port)
            return True
        except (OSError, AssertionError):
            return False

    @for_each_mode
    def test_a_service_that_never_returns_stops_nobody_else(self, net_threads):
        node = self.start(bootstrap="stuck", net_threads=net_threads, monitor_interval=200,
                          shutdown_timeout=1000)
        node.wait_for_line("stuck: for ever")
        port = int(node.wait_for_line(r"raw echo: port (\d+)")[1])
        for _ in range(50):
            self.assert_serves(port)
        node.wait_for_line(r"error: A message from \[ :[0-9a-f]{8} \] to \[ :[0-9a-f]{8} \] maybe in an "
                           r"endless loop \(version = \d+\)", count=2)
        node.process.terminate()
        status = node.wait(30)
        self.assertGreaterEqual(status, 0, "ends by itself, not by a signal")


if __name__ == "__main__":
    unittest.main(verbosity=2)
