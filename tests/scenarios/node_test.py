#!/usr/bin/env python3
"""The scenarios that belong to a whole node, through the program, with real clients.

Each runs with workers that poll (net_threads 0), with one network thread and with four, on every backend
that this machine has.
"""
import os
import pathlib
import random
import re
import resource
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from node import (BUILD, SANITIZE, Node, NodeTest, connect, config_text, cuts_near_ends, frame, free_port,  # noqa: E402
                  full_or, receive_all, receive_exactly, run_skyloom, wait_until)

NET_THREADS = (0, 1, 4)
BACKENDS = [line for line in os.environ.get("SKYLOOM_BACKENDS", "").split(",") if line]


def backends():
    """Those that the program accepts and this kernel has."""
    if not BACKENDS:
        for name in ("epoll", "io_uring"):
            with_it = run_skyloom("--check", config_file(io_backend=name))
            if with_it.returncode == 0:
                BACKENDS.append(name)
    return BACKENDS


def config_file(**settings):
    path = pathlib.Path(f"/tmp/skyloom_scenario_{os.getpid()}")
    path.write_text(config_text({**Node.DEFAULTS, **settings}))
    return path


def in_every_arrangement(test):
    """Runs a test per backend and number of network threads; it gets them as settings of a node."""
    def run(self):
        for backend in backends():
            for net_threads in NET_THREADS:
                with self.subTest(io_backend=backend, net_threads=net_threads):
                    test(self, {"io_backend": backend, "net_threads": net_threads})
    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def close_waits(node):
    """Sockets of the process whose peer has ended and which it still holds."""
    return len(node.tcp_sockets("08"))


class ScenarioTest(NodeTest):
    def expect_echo(self, client, payload=b"are you there"):
        client.sendall(payload)
        self.assertEqual(receive_exactly(client, len(payload)), payload)

    # --- K11

    @in_every_arrangement
    def test_K11_messages_up_to_the_limit_arrive_and_those_above_are_refused(self, arrangement):
        for limit in (1000, 65536):
            node = self.start(bootstrap=f"scenario limit {limit}", message_max=limit, **arrangement)
            told = node.wait_for_line(r"limit: (\d+) of (\d+) delivered, (\d+) wrong")
            self.assertEqual(told[1], told[2], node.story())
            self.assertEqual(told[3], "0", node.story())
            self.assertGreater(int(told[1]), 0)
            self.assert_stops(node)

    def test_K11_a_limit_beyond_16_MiB_holds(self):
        limit = (16 << 20) + 5
        node = self.start(bootstrap=f"scenario limit {limit}", message_max=limit, thread=1)
        told = node.wait_for_line(r"limit: (\d+) of (\d+) delivered, (\d+) wrong")
        self.assertEqual((told[1], told[3]), (told[2], "0"), node.story())
        self.assert_stops(node)

    # --- K17

    @in_every_arrangement
    def test_K17_no_descriptor_is_left_behind_whoever_closes_first(self, arrangement):
        rounds = full_or(10_000, 60)
        for kind in ("raw echo", "gate", "agents"):
            if kind == "raw echo":
                node, port = self.start_raw_echo(**arrangement)
            elif kind == "gate":
                port = free_port()
                node = self.start(bootstrap=f"gate_user S {port} 100", logger="FOLDER/log", **arrangement)
                node.wait_for_port(port)
            else:
                node, port = self.start_echo(logger="/dev/null", **arrangement)
            with connect(port) as client:
                self.expect_echo(client, frame(b"hello"))
            wait_until(lambda: close_waits(node) == 0, "the first one is gone")
            before = node.fd_count()
            for count in range(rounds):
                with connect(port) as client:
                    self.expect_echo(client, frame(b"hello"))
                    if kind == "agents" and count % 2 == 1:  # the server closes first
                        client.sendall(frame(b"quit"))
                        receive_all(client)
            wait_until(lambda: close_waits(node) == 0, "no socket stays in CLOSE_WAIT")
            wait_until(lambda: node.fd_count() <= before, "all descriptors are closed")
            self.assert_stops(node)

    # --- K21

    @in_every_arrangement
    def test_K21_without_descriptors_the_established_are_served(self, arrangement):
        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))

        node, _ = self.start_raw_echo(preexec=limit, **arrangement)
        port = int(node.wait_for_line(r"raw echo: port (\d+)")[1])
        established = [connect(port) for _ in range(8)]
        for client in established:
            self.expect_echo(client)
        begin, cpu = time.monotonic(), node.cpu_seconds()
        surplus = []
        for count in range(full_or(5_000, 300)):
            client = socket.socket()
            client.settimeout(30)
            client.connect(("127.0.0.1", port))
            surplus.append(client)
            if count % 20 == 0:
                self.expect_echo(established[count // 20 % 8])
            if len(surplus) > 500:
                surplus.pop(0).close()
        for client in established:
            self.expect_echo(client)
        node.wait_for_line("Too many open files")
        seconds = time.monotonic() - begin
        errors = len(re.findall("Too many open files", node.log()))
        self.assertLessEqual(errors, seconds + 2, node.story())
        # Nothing happens any more: no processor time is used on those who wait.
        cpu = node.cpu_seconds()
        quiet = time.monotonic() + 1
        wait_until(lambda: time.monotonic() > quiet, "a second passes")
        self.assertLess(node.cpu_seconds() - cpu, 0.5)
        for client in surplus:
            client.close()

        def is_served():
            with connect(port) as late:
                late.settimeout(5)
                try:
                    late.sendall(b"late")
                    return late.recv(4) == b"late"
                except OSError:
                    return False

        wait_until(is_served, "descriptors are free again")
        for client in established:
            client.close()
        self.assert_stops(node)

    # --- K26

    @in_every_arrangement
    def test_K26_hanging_lookups_delay_nobody_and_fail_at_their_deadline(self, arrangement):
        environment = {"LD_PRELOAD": f"{BUILD}/tests/modules/hanging_names.so",
                       "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        node = self.start(bootstrap="dial_names", dns_timeout=1500, environment=environment, **arrangement)
        echo = connect(int(node.wait_for_line(r"raw echo: port (\d+)")[1]))
        dialler = connect(int(node.wait_for_line(r"dial names: port (\d+)")[1]))
        for _ in range(100):
            self.expect_echo(echo)
        dialler.sendall(b"x")
        node.wait_for_line(r"dial names: 100 under way")
        done = 0
        while "dns timeout" not in node.log():  # served all the while
            self.expect_echo(echo)
            done += 1
        self.assertGreater(done, 10, "the lookups were in the way")
        node.wait_for_line(r"dial names: end 100: dns timeout")
        self.expect_echo(echo)
        echo.close()
        dialler.close()
        self.assert_stops(node)

    # --- K35

    @in_every_arrangement
    def test_K35_the_death_of_a_service_answers_everybody_and_gives_its_memory_back(self, arrangement):
        lives = full_or(1_000, 4)
        node = self.start(bootstrap=f"scenario deaths {lives}", mailbox_warn=1 << 20, **arrangement)
        told = node.wait_for_line(r"deaths: (\d+) lives, memory (\d+) then (\d+)", deadline=full_or(900, 120))
        self.assertEqual(int(told[1]), lives, node.story())
        self.assertNotIn("answered twice", node.log())
        if not SANITIZE:  # whose allocators count nothing
            self.assertLess(int(told[3]), int(told[2]) + (24 << 20), node.story())
        wait_until(lambda: len(node.listening_ports()) == 0, "the listeners are closed")
        self.assert_stops(node)

    # --- K37

    @in_every_arrangement
    def test_K37_abort_in_the_middle_of_a_mass_launch_ends_with_status_0(self, arrangement):
        node = self.start(bootstrap="scenario launches", logger="FOLDER/log", **arrangement)
        self.assertEqual(node.wait(), 0, node.story())
        self.assertIn("launches: abort", (node.folder / "log").read_text())

    # --- K39

    @in_every_arrangement
    def test_K39_every_stop_ends_soon_with_status_0(self, arrangement):
        for _ in range(full_or(1_000 // 6, 5)):
            node, port = self.start_raw_echo(**arrangement)
            with connect(port) as client:
                self.expect_echo(client)
                begin = time.monotonic()
                self.assert_stops(node)
                self.assertLess(time.monotonic() - begin, 5 * (6 if SANITIZE else 1))

    def test_K39_a_bad_configuration_names_its_key_and_ends_at_once(self):
        for key, value in (("thread", 0), ("thread", -1), ("thread", "text"), ("thread", 1_000_000),
                           ("net_threads", -1), ("net_threads", "text"), ("net_threads", 1_000_000),
                           ("mailbox_max", "text"), ("harbor", 1_000_000), ("io_backend", "nothing")):
            done = run_skyloom(config_file(bootstrap="raw_echo", **{key: value}))
            self.assertNotEqual(done.returncode, 0, (key, value, done))
            self.assertIn(key, done.stderr, (key, value, done))
        # Without a first service of ours: the default's, which is Lua and not in that folder.
        done = run_skyloom(config_file(), cwd="/")
        self.assertEqual(done.returncode, 1)
        self.assertIn("bootstrap", done.stderr)
        self.assertIn("Can't load ./lualib/loader.lua", done.stdout)

    # --- K41

    @in_every_arrangement
    def test_K41_a_full_disk_keeps_no_worker_waiting(self, arrangement):
        node = self.start(bootstrap=f"scenario many chatter 4 {full_or(250_000, 4_000)}",
                          logger="/dev/full", **arrangement)
        port = wait_until(lambda: next(iter(node.listening_ports()), None), "raw echo listens")
        with connect(port) as client:
            for _ in range(200):
                self.expect_echo(client)
        self.assert_stops(node)

    @in_every_arrangement
    def test_K41_a_pipe_that_nobody_reads_loses_lines_and_counts_them(self, arrangement):
        folder = pathlib.Path(f"/tmp/skyloom_scenario_fifo_{os.getpid()}")
        folder.unlink(missing_ok=True)
        os.mkfifo(folder)
        self.addCleanup(lambda: folder.unlink(missing_ok=True))
        reader = os.open(folder, os.O_RDONLY | os.O_NONBLOCK)
        lines = full_or(250_000, 4_000)
        os.environ["TZ"] = "UTC-9"
        self.addCleanup(os.environ.pop, "TZ", None)
        node = self.start(bootstrap=f"scenario many chatter 4 {lines}", logger=str(folder), log_queue_max=1000,
                          **arrangement)
        port = wait_until(lambda: next(iter(node.listening_ports()), None), "raw echo listens")
        with connect(port) as client:
            for _ in range(200):
                self.expect_echo(client)
        text = bytearray()
        stopped = threading.Event()

        def drain():
            while not stopped.is_set():
                try:
                    piece = os.read(reader, 1 << 16)
                    if piece:
                        text.extend(piece)
                        continue
                except BlockingIOError:
                    pass
                stopped.wait(0.01)

        drainer = threading.Thread(target=drain)
        drainer.start()
        try:
            wait_until(lambda: re.search(rb"\d+ log lines dropped", bytes(text)), "the lost lines are told",
                       deadline=120)
            self.assert_stops(node)
        finally:
            stopped.set()
            drainer.join()
            try:
                while piece := os.read(reader, 1 << 16):  # what it said last
                    text.extend(piece)
            except BlockingIOError:
                pass
            os.close(reader)
        told = bytes(text).decode(errors="replace")
        dropped = sum(int(count) for count in re.findall(r"(\d+) log lines dropped", told))
        written = len(re.findall(r"chatter: line \d+", told)) + len(re.findall(r"LLLLLLLL", told)) // (1 << 30)
        self.assertGreater(dropped, 0)
        self.assertLessEqual(written, 4 * lines)
        self.assertGreaterEqual(written + dropped, 4 * lines - 4 * lines // 1000 - 10)
        # The hour is that of the time zone, from whichever thread.
        hours = set(re.findall(r"^\S+ (\d\d):\d\d:\d\d", told, re.MULTILINE))
        local = {time.strftime("%H", time.gmtime(time.time() + 9 * 3600 - ago)) for ago in (0, 600)}
        self.assertTrue(hours and hours <= local, (hours, local))

    # --- K42

    def test_K42_any_allocator_may_serve_the_whole_process(self):
        settings = [{}, {"MALLOC_PERTURB_": "165"}, {"MALLOC_ARENA_MAX": "1"},
                    {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}]
        if not SANITIZE:  # an allocator of its own is already in place there
            settings.append({"LD_PRELOAD": f"{BUILD}/tests/modules/tagging_malloc.so"})
        for environment in settings:
            with self.subTest(**environment):
                node = self.start(bootstrap="raw_echo localhost 0", environment=environment)  # a lookup
                port = int(node.wait_for_line(r"raw echo: port (\d+)")[1])
                with socket.create_connection(("localhost", port), timeout=30) as client:
                    for size in (1, 100, 70_000):
                        self.expect_echo(client, bytes(size))
                self.assert_stops(node)
                node = self.start(bootstrap="scenario deaths 2", mailbox_warn=1 << 20, environment=environment)
                node.wait_for_line(r"deaths: 2 lives")
                self.assert_stops(node)

    # --- K43

    @in_every_arrangement
    def test_K43_children_inherit_nothing_and_leave_no_zombie(self, arrangement):
        each = full_or(10_000 // 6 // 8, 4)
        node = self.start(bootstrap=f"scenario many children 8 {each}", thread=8, **arrangement)
        port = int(node.wait_for_line(r"raw echo: port (\d+)")[1])
        with connect(port) as client:
            while len(re.findall(r"children: \d+ done", node.log())) < 8:
                self.expect_echo(client, bytes(3000))
        for done in re.findall(r"children: (\d+) done", node.log()):
            self.assertEqual(int(done), each, node.story())
        self.assertNotIn("children: one failed", node.log())
        inherited = re.findall(r"children: inherited (.*)", node.log())
        if "undefined" in SANITIZE:
            # UBSan asks whether memory can be read by a pipe that any child inherits. The node has none.
            inherited = [what for what in inherited if "-> pipe:" not in what]
        self.assertEqual(inherited, [])
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            self.assertFalse(fields[0] == "Z" and int(fields[1]) == node.pid, "a zombie")
        self.assert_stops(node)

    # --- K44, K45, K49

    @in_every_arrangement
    def test_K44_frames_split_anywhere_pass_the_gate_as_unsplit(self, arrangement):
        for letter, header, sizes in (("S", 2, (0, 1, 65534, 65535)), ("L", 4, (0, 1, 65534, 65535, 65536))):
            port = free_port()
            node = self.start(bootstrap=f"gate_user {letter} {port} 100", **arrangement)
            node.wait_for_line("gate user: ready")
            with connect(port) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for size in sizes:
                    payload = bytes(i * 7 & 0xff for i in range(size))
                    stream = frame(payload, header) * 3
                    expected = stream if size else b""
                    for cut in cuts_near_ends(len(stream) // 3):
                        for part in (stream[:cut], stream[cut:]):
                            client.sendall(part)
                        self.assertEqual(receive_exactly(client, len(expected)), expected, (size, cut))
                    if size < 2:
                        for byte in stream:
                            client.sendall(bytes([byte]))
                        self.assertEqual(receive_exactly(client, len(expected)), expected, (size, "bytes"))
            self.assert_stops(node)

    @in_every_arrangement
    def test_K45_a_handler_that_waits_keeps_the_order_of_each_connection(self, arrangement):
        port = free_port()
        node = self.start(bootstrap=f"scenario yields {port}", **arrangement)
        node.wait_for_port(port)
        frames = [frame(b"%d %s" % (i, b"w" if i % 7 == 0 else b"-")) for i in range(full_or(1000, 60))]
        clients = [connect(port) for _ in range(5)]
        for begin in range(0, len(frames), 20):  # bursts, more while the handler waits
            for client in clients:
                client.sendall(b"".join(frames[begin:begin + 20]))
        expected = b"".join(frames)
        for client in clients:
            self.assertEqual(receive_exactly(client, len(expected)), expected)
            client.close()
        self.assert_stops(node)

    @in_every_arrangement
    def test_K49_hostile_bytes_close_their_connection_and_disturb_nobody(self, arrangement):
        seed = int(os.environ.get("SKYLOOM_TEST_SEED", random.randrange(1 << 32)))
        print(f"seed {seed}", flush=True)
        chance = random.Random(seed)
        port = free_port()
        node = self.start(bootstrap=f"gate_user L {port} 100", **arrangement)
        node.wait_for_line("gate user: ready")
        valid = frame(b"a valid frame", 4)
        greetings = [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-scanner\r\n", b"EHLO x\r\n",
                     b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"*1\r\n$4\r\nPING\r\n", bytes(64)]
        greetings += [valid[:length] for length in range(len(valid))]
        greetings += [chance.randbytes(chance.randrange(1, 400)) for _ in range(full_or(2000, 40))]
        with connect(port) as good:
            self.expect_echo(good, valid)
            resident, lines = node.rss_kib(), len(node.log().splitlines())
            for greeting in greetings:
                with connect(port) as bad:
                    bad.sendall(greeting)
                self.expect_echo(good, valid)
            node.wait_for_line(r"gate user: \d+ close", count=len(greetings))
            # One for the opening and one for the end of each, and at most one with a reason.
            self.assertLessEqual(len(node.log().splitlines()) - lines, 3 * len(greetings) + 5)
            if not SANITIZE:
                self.assertLess(node.rss_kib() - resident, 8192)
        self.assert_stops(node)


if __name__ == "__main__":
    only = os.environ.get("SKYLOOM_TEST_ONLY")  # one scenario
    unittest.main(verbosity=2, argv=sys.argv + (["-k", only] if only else []))
