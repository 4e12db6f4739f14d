#!/usr/bin/env python3
"""Size and hostility: what a node must hold, survive and give back. Each test prints its figures.

SKYLOOM_FULL=1 (./dev scale) asks for the figures of a release; otherwise a slice of them.
SKYLOOM_IO names the backends to run on, for example "epoll io_uring".
"""
import concurrent.futures
import contextlib
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from node import (BUILD, IS_FULL, SANITIZE, NodeTest, connect, free_port, full_or, is_asleep,  # noqa: E402
                  receive_exactly, wait_until)

HELD = full_or(19000, 500 if SANITIZE else 2000)
CYCLES = full_or(1000000, 1000 if SANITIZE else 10000)
WARM_UP_CYCLES = full_or(100000, 1000 if SANITIZE else 5000)
GROWTH_KIB = 1024  # of the full run: what a million connections may leave behind
NEVER_READ = full_or(1000, 50 if SANITIZE else 200)
PARTINGS = full_or(20000, 100 if SANITIZE else 600)
FLOOD_RATE = full_or(200000, 5000 if SANITIZE else 50000)
SECONDS = full_or(10, 1.5)
IO = os.environ.get("SKYLOOM_IO", "epoll").split()
SETTINGS = [(io, net_threads) for io in IO for net_threads in (0, 1)]


def for_each_setting(test):
    """Runs a test once per backend and arrangement of network threads."""
    def run(self):
        for io, net_threads in SETTINGS:
            with self.subTest(io=io, net_threads=net_threads):
                test(self, io_backend=io, net_threads=net_threads)
    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def say(what, settings):
    print(f"  {settings['io_backend']}, net_threads {settings['net_threads']}: {what}", flush=True)


def expected(size, cache={}):
    """The bytes that the module `parting` sends."""
    if not cache:
        cache[0] = bytes(i % 251 for i in range(300000 + 251))
    return cache[0][:size]


def read_parting(connection, piece):
    """Reads one parting message in pieces and the end of the stream; None, or what was wrong."""
    received = bytearray()
    try:
        while part := connection.recv(piece):
            received += part
    except OSError as error:
        return f"{error} after {len(received)} bytes"
    size = int.from_bytes(received[:4], "big") if len(received) >= 4 else -1
    if len(received) != size + 4:
        return f"{len(received)} bytes came of {size + 4}"
    return None if received[4:] == expected(size) else f"wrong bytes among {size}"


class ScaleTest(NodeTest):
    def echo_port(self, node):
        return int(node.wait_for_line(r"raw echo: port (\d+)")[1])

    def settle(self, node, descriptors):
        wait_until(lambda: node.fd_count() <= descriptors,
                   f"{node.fd_count()} descriptors return to {descriptors}")

    @for_each_setting
    def test_many_connections_are_held_beside_busy_ones(self, **settings):
        node, port = self.start_raw_echo(**settings)
        descriptors, before = node.fd_count(), node.rss_kib()
        idle = subprocess.Popen(
            [str(BUILD / "skyloom-load"), "--port", str(port), "--idle", str(HELD), "--connections", "10",
             "--duration", str(SECONDS), "--json", "--quiet", "--connect-timeout", "60"],
            stdout=subprocess.PIPE, text=True)
        wait_until(lambda: node.fd_count() >= descriptors + HELD or idle.poll() is not None, "all are there")
        held, memory = node.fd_count() - descriptors, node.rss_kib() - before
        out, _ = idle.communicate(timeout=300)
        self.assertEqual(idle.returncode, 0, out)
        self.assertGreaterEqual(held, HELD)
        say(f"{held} connections held, {memory * 1024 // held} bytes each, busy ones without error", settings)
        self.settle(node, descriptors)
        self.assert_stops(node)

    @for_each_setting
    def test_connections_that_come_and_go_leave_no_descriptor_and_no_memory(self, **settings):
        node, port = self.start_raw_echo(**settings)
        descriptors = node.fd_count()
        arguments = ("--connections", 50, "--size", 64)
        self.load(port, "--churn", WARM_UP_CYCLES, *arguments)
        self.settle(node, descriptors)
        before = node.rss_kib()
        figures = self.load(port, "--churn", CYCLES, *arguments, deadline=1800)
        self.settle(node, descriptors)
        gained = node.rss_kib() - before
        say(f"{CYCLES} connections came and went at {figures['connections_made'] / figures['seconds']:.0f} a second, "
            f"{gained} KiB gained, {node.fd_count() - descriptors} descriptors gained", settings)
        if not SANITIZE:
            self.assertLessEqual(gained, GROWTH_KIB, node.story())
        self.assert_stops(node)

    def percentiles(self, port, seconds=SECONDS, connections=20, rate=1000):
        return self.load(port, "--connections", connections, "--rate", rate,
                         "--duration", seconds, "--warmup", 0.3)["latency_us"]

    def audience(self, port, count, until, receive_buffer=None):
        clients = []
        for _ in range(count):
            client = until.enter_context(socket.socket())
            if receive_buffer:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            client.connect(("127.0.0.1", port))
            clients.append(client)
        return clients

    def broadcast_under(self, policy, settings):
        # What is not read costs the system's memory for TCP until its client is gone, and that is short
        # for everybody then: those of one policy must not be there under the next.
        with contextlib.ExitStack() as until:
            self.broadcast_to(policy, settings, until)

    def broadcast_to(self, policy, settings, until):
        per_socket, total = 256 * 1024, 32 << 20
        node = self.start(bootstrap="broadcast", broadcast_bytes=65536, net_wbuffer_max=per_socket,
                          net_wbuffer_total=total, net_wbuffer_policy=policy,
                          shutdown_timeout=500, **settings)  # nobody will read what is left
        port, echo_port = int(node.wait_for_line(r"broadcast: port (\d+)")[1]), self.echo_port(node)
        readers = self.audience(port, 5, until)
        stop = threading.Event()

        def drain(client):
            while not stop.is_set():
                if set(receive_exactly(client, 65536)) != {ord("b")}:
                    raise AssertionError("a torn broadcast")

        with concurrent.futures.ThreadPoolExecutor(len(readers)) as pool:
            drains = [pool.submit(drain, reader) for reader in readers]
            quiet = self.percentiles(echo_port)
            before = node.rss_kib()
            self.audience(port, NEVER_READ, until, receive_buffer=4096)
            node.wait_for_line(r"clients, \d+ refused, [1-9]\d* closed" if policy == "close" else
                               r"clients, [1-9]\d* refused")
            hostile = self.percentiles(echo_port)
            # The caps bound the payload; sockets and the allocator come on top.
            grown = node.rss_kib() - before
            for future in drains:
                self.assertFalse(future.done(), "a client that reads lost its connection")
            stop.set()
            for future in drains:
                future.result(timeout=60)
        say(f"{NEVER_READ} clients never read under broadcast, policy {policy}: {grown} KiB more, "
            f"p99 of the others {quiet['p99']:.0f} -> {hostile['p99']:.0f} us", settings)
        if not SANITIZE:
            self.assertLess(grown, (total + NEVER_READ * 4096) // 1024 + 8192)
        if IS_FULL:
            self.assertLessEqual(hostile["p99"], max(2 * quiet["p99"], 2000))
        self.assert_stops(node)

    @for_each_setting
    def test_clients_that_never_read_cost_what_the_caps_say(self, **settings):
        policies = ("close", "refuse", "drop_low")
        for policy in policies if IS_FULL else policies[settings["net_threads"]:][:1]:
            with self.subTest(policy=policy):
                self.broadcast_under(policy, settings)

    @for_each_setting
    def test_name_lookups_that_hang_delay_nobody_else(self, **settings):
        preload = {"LD_PRELOAD": str(BUILD / "tests/modules/hanging_names.so")}
        if "address" in SANITIZE:
            preload["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        quiet, during = [], []
        # One p99.9 is the pauses of a shared machine: many windows, around and beside the lookups.
        for _ in range(full_or(12, 1)):
            node = self.start(environment=preload, bootstrap="dial_names", dns_timeout=full_or(1800, 1000), **settings)
            port, echo_port = int(node.wait_for_line(r"dial names: port (\d+)")[1]), self.echo_port(node)
            seconds = full_or(3, 1.5)
            threads, descriptors = set(node.cpu_nanoseconds()), node.fd_count() + 1

            def lookups():
                return {thread: spent for thread, spent in node.cpu_nanoseconds().items() if thread not in threads}

            with connect(port) as client, concurrent.futures.ThreadPoolExecutor(1) as pool:
                quiet.append(self.percentiles(echo_port, seconds)["p99_9"])
                self.settle(node, descriptors)
                window = pool.submit(self.percentiles, echo_port, seconds)
                wait_until(lambda: node.fd_count() > descriptors, "the load is there")
                client.sendall(b"!")
                node.wait_for_line("dial names: 100 under way")
                wait_until(lambda: len(lookups()) == 100 and is_asleep(node.pid, lookups()), "100 threads hang")
                hanging = lookups()
                during.append(window.result()["p99_9"])
                last = node.wait_for_line(r"dial names: end 100: (.*)")
            self.assertEqual(last[1], "dns timeout")
            quiet.append(self.percentiles(echo_port, seconds)["p99_9"])
            self.assertEqual(lookups(), hanging, "a lookup that hangs took a processor")
            self.assert_stops(node)
        upper_quartile = sorted(quiet)[len(quiet) * 3 // 4]
        say(f"100 lookups hang: p99.9 of the echo {statistics.median(quiet):.0f} us without them (a quarter of the windows "
            f"above {upper_quartile:.0f}), {statistics.median(during):.0f} us beside them, which took "
            f"{sum(hanging.values()) / 1e5:.0f} us of a processor each to start; each ended with 'dns timeout'", settings)
        if IS_FULL:
            self.assertLessEqual(statistics.median(during), upper_quartile)

    @for_each_setting
    def test_a_flood_of_datagrams_does_not_hold_up_tcp(self, **settings):
        udp_port = free_port(socket.SOCK_DGRAM)
        node = self.start(bootstrap="udp_sink", udp_port=udp_port, **settings)
        port, echo_port = int(node.wait_for_line(r"udp sink: port (\d+)")[1]), self.echo_port(node)
        quiet = self.percentiles(echo_port, 2, connections=100)
        flood = subprocess.Popen([str(BUILD / "tests/udp_flood"), str(udp_port), str(FLOOD_RATE),
                                  str(SECONDS + 2)], stdout=subprocess.PIPE, text=True)
        during = self.percentiles(echo_port, SECONDS, connections=100)
        sent, seconds = flood.communicate(timeout=120)[0].split()
        connect(port).close()
        taken = int(node.wait_for_line(r"udp sink: (\d+) datagrams")[1])
        rate = int(sent) / float(seconds)
        say(f"{rate:.0f} datagrams a second, {int(sent) - taken} of {sent} dropped: worst TCP echo "
            f"{quiet['max']:.0f} -> {during['max']:.0f} us, p99 {during['p99']:.0f}", settings)
        self.assertGreater(taken, 0)
        if IS_FULL:
            self.assertGreaterEqual(rate, FLOOD_RATE * 0.95)
            self.assertLess(during["max"], 10000)
        self.assert_stops(node)

    def partings(self, port, visit):
        """Runs visit(connection) -> None or a complaint, PARTINGS / 2 times, some at once."""
        def once(index):
            with connect(port) as connection:
                return visit(connection, index)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            complaints = [c for c in pool.map(once, range(PARTINGS // 2)) if c]
        self.assertEqual(complaints[:5], [])

    @for_each_setting
    def test_what_was_accepted_before_a_close_arrives(self, **settings):
        node = self.start(bootstrap="parting", **settings)
        port = int(node.wait_for_line(r"parting: port (\d+)")[1])
        descriptors = node.fd_count()
        junk = bytes(100000)

        def with_unread_input(connection, index):
            connection.setblocking(False)
            try:  # what the node will never read
                connection.send(junk[:1 + index * 37 % 100000])
            except BlockingIOError:
                pass
            connection.settimeout(60)
            return read_parting(connection, 65536)

        def slowly(connection, index):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
            return read_parting(connection, 1000 + index * 97 % 5000)

        self.partings(port, with_unread_input)
        self.partings(port, slowly)
        say(f"{PARTINGS} sends and closes at once, with unread input and with slow readers: every byte came",
            settings)
        self.settle(node, descriptors)
        self.assert_stops(node)

    @for_each_setting
    def test_what_was_sent_before_a_connection_was_there_arrives_although_it_was_closed(self, **settings):
        complaints = []
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
            port = listener.getsockname()[1]
            node = self.start(bootstrap=f"parting dial {port} {PARTINGS}", **settings)

            def one(connection):
                with connection:
                    return read_parting(connection, 65536)

            listener.settimeout(60)
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                results = []
                for _ in range(PARTINGS):
                    connection, _ = listener.accept()
                    connection.settimeout(60)
                    results.append(pool.submit(one, connection))
                complaints = [c for c in (r.result(timeout=120) for r in results) if c]
        self.assertEqual(complaints[:5], [])
        node.wait_for_line("parting: dialled all")
        self.assertIsNone(re.search("error|refused|failed", node.log()), node.story())
        say(f"{PARTINGS} sends and closes while still connecting: every byte came", settings)
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main(verbosity=2)
