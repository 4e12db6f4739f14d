#!/usr/bin/env python3
"""The end of a node: orderly, at once, from inside; and what its clients have by then."""
import os
import pathlib
import re
import signal
import socket
import struct
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from node import (SANITIZE, NodeTest, connect, for_each_mode, frame,  # noqa: E402
                  receive_all, receive_exactly, run_skyloom, wait_until)

BURST = (16 if SANITIZE else 32) << 20  # bytes to each of the slow readers


def burst(count):
    """What the burst service sends."""
    block = bytes((i * 131) & 0xff for i in range(1 << 16))
    stream = bytearray()
    turned = {}
    for number in range((count + 0xffff) >> 16):
        add = number & 0xff
        if add not in turned:
            turned[add] = bytes((byte + add) & 0xff for byte in block)
        stream += turned[add]
    return bytes(stream[:count])


class StopTest(NodeTest):
    @for_each_mode
    def test_sigterm_loses_no_byte_that_send_accepted(self, net_threads):
        """Slow readers get all of it after the signal, although the kernel held little of it then."""
        node = self.start(bootstrap="burst", net_threads=net_threads, burst_bytes=BURST,
                          net_wbuffer_max="512M")
        port = int(node.wait_for_line(r"burst: port (\d+)")[1])
        clients = []
        for _ in range(3):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
            client.settimeout(60)
            client.connect(("127.0.0.1", port))
            client.sendall(b"!")
            clients.append(client)
        node.wait_for_line(rf"burst: accepted {BURST} of {BURST}", count=3)
        node.signal(signal.SIGTERM)
        expected = burst(BURST)
        for client in clients:
            received = receive_all(client)
            self.assertEqual(len(received), len(expected), node.story())
            self.assertTrue(received == expected, "wrong bytes")
            client.close()
        self.assertEqual(node.wait(), 0, node.story())

    @for_each_mode
    def test_close_after_a_large_send_loses_no_byte(self, net_threads):
        node = self.start(bootstrap="burst", net_threads=net_threads, burst_bytes=4 << 20, burst_close=1)
        port = int(node.wait_for_line(r"burst: port (\d+)")[1])
        with connect(port) as client:
            client.sendall(b"!" * 1000)  # unread input must not destroy what is still to be sent
            self.assertTrue(receive_all(client) == burst(4 << 20), "wrong bytes")
        self.assert_stops(node)

    @for_each_mode
    def test_an_answer_after_the_clients_end_arrives_whole(self, net_threads):
        node = self.start(bootstrap="half_close", net_threads=net_threads, answer_bytes=5 << 20)
        port = int(node.wait_for_line(r"half close: port (\d+)")[1])
        with connect(port) as client:
            client.sendall(b"the question")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(len(receive_all(client)), 5 << 20)
        self.assert_stops(node)

    @for_each_mode
    def test_sigterm_during_load_ends_every_stream_behind_a_whole_reply(self, net_threads):
        """Replies come in order and none is torn: what a client has is whole frames, then the end."""
        node, port = self.start_echo(net_threads=net_threads, logger="/dev/null")
        results = []
        busy = threading.Barrier(9)

        def talk(number):
            sent = 0
            received = bytearray()
            with connect(port) as client:
                client.settimeout(60)
                try:
                    for i in range(1 << 30):
                        client.sendall(frame(struct.pack(">II", number, i) + b"z" * (i % 500)))
                        sent = i + 1
                        if i >= 8:  # eight in flight
                            length = receive_exactly_into(client, received)
                            if length is None:
                                break
                        if i == 50:
                            busy.wait(60)
                except OSError:
                    pass
                try:
                    received += receive_all(client)
                except OSError:
                    pass
            results.append((number, sent, bytes(received)))

        threads = [threading.Thread(target=talk, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        busy.wait(60)
        self.assertEqual(node.stop(), 0, node.story())
        for thread in threads:
            thread.join(60)
        self.assertEqual(len(results), 8)
        for number, sent, received in results:
            replies = 0
            while received:
                length = int.from_bytes(received[:2], "big")
                body = received[2:2 + length]
                self.assertEqual(len(body), length, "a torn reply")
                self.assertEqual(struct.unpack(">II", body[:8]), (number, replies))
                received = received[2 + length:]
                replies += 1
            self.assertGreaterEqual(replies, 43)  # read before the node was told to stop
            self.assertLessEqual(replies, sent)

    @for_each_mode
    def test_sigint_stops_as_sigterm_does(self, net_threads):
        node, _ = self.start_raw_echo(net_threads=net_threads)
        node.signal(signal.SIGINT)
        self.assertEqual(node.wait(), 0, node.story())

    @for_each_mode
    def test_a_stop_accepts_no_more_clients(self, net_threads):
        node = self.start(bootstrap="burst", net_threads=net_threads, burst_bytes=BURST)
        port = int(node.wait_for_line(r"burst: port (\d+)")[1])
        with connect(port) as slow:
            slow.sendall(b"!")
            node.wait_for_line("burst: accepted")
            node.signal(signal.SIGTERM)

            def is_refused():
                try:
                    connect(port).close()
                except ConnectionError:
                    return True
                return False

            wait_until(is_refused, "connects are refused")
            self.assertTrue(node.is_running(), "the slow reader is still served")
            self.assertEqual(len(receive_all(slow)), BURST)
        self.assertEqual(node.wait(), 0, node.story())

    @for_each_mode
    def test_a_second_signal_ends_at_once(self, net_threads):
        node = self.start(bootstrap="burst", net_threads=net_threads, burst_bytes=BURST)
        port = int(node.wait_for_line(r"burst: port (\d+)")[1])
        with connect(port) as never_reads:
            never_reads.sendall(b"!")
            node.wait_for_line("burst: accepted")
            node.signal(signal.SIGTERM)

            def is_refused():
                try:
                    connect(port).close()
                except ConnectionError:
                    return True
                return False

            wait_until(is_refused, "the stop has begun")
            begun = time.monotonic()
            node.signal(signal.SIGTERM)
            self.assertNotEqual(node.wait(), None)
            self.assertLess(time.monotonic() - begun, 10, "far below shutdown_timeout")

    @for_each_mode
    def test_a_peer_that_never_reads_delays_the_stop_to_its_deadline_only(self, net_threads):
        node = self.start(bootstrap="burst", net_threads=net_threads, burst_bytes=BURST,
                          shutdown_timeout=1000)
        port = int(node.wait_for_line(r"burst: port (\d+)")[1])
        with connect(port) as never_reads:
            never_reads.sendall(b"!")
            node.wait_for_line("burst: accepted")
            node.signal(signal.SIGTERM)
            self.assertEqual(node.wait(30), 0, node.story())
        self.assertIn("shutdown_timeout", node.errors())

    @for_each_mode
    def test_a_stop_with_idle_clients_is_quick(self, net_threads):
        node, port = self.start_echo(net_threads=net_threads)
        clients = [connect(port) for _ in range(50)]
        node.wait_for_line("LAUNCH echo_agent", count=50)
        begun = time.monotonic()
        self.assertEqual(node.stop(), 0, node.story())
        self.assertLess(time.monotonic() - begun, 10)
        for client in clients:
            self.assertEqual(receive_all(client), b"")
            client.close()

    @for_each_mode
    def test_sighup_reopens_the_log_file(self, net_threads):
        node = self.start(bootstrap="raw_echo", net_threads=net_threads, logger="FOLDER/log",
                          net_warn_size=0)
        log, old = node.folder / "log", node.folder / "log.old"
        wait_until(lambda: log.exists() and "raw echo: port" in log.read_text(), "the log is written")
        self.assertRegex(log.read_text(),
                         r"(?m)^\d\d/\d\d/\d\d \d\d:\d\d:\d\d\.\d\d \[:[0-9a-f]{8}\] raw echo: port \d+$")
        os.rename(log, old)
        node.signal(signal.SIGHUP)
        wait_until(log.exists, "the log file is there again")
        before = old.read_text()
        self.assertEqual(node.stop(), 0, node.story())
        self.assertEqual(old.read_text(), before, "nothing goes to the old file any more")

    @for_each_mode
    def test_abort_ends_with_0_and_every_line_that_was_logged_before(self, net_threads):
        for _ in range(5):
            node = self.start(bootstrap="abort", net_threads=net_threads)
            self.assertEqual(node.wait(), 0, node.story())
            lines = re.findall(r"abort: line (\d+)", node.log())
            self.assertEqual(lines, [str(i) for i in range(1000)], node.story())

    def test_a_pid_file_guards_a_daemon(self):
        node = self.start(bootstrap="raw_echo", daemon="FOLDER/pid", logger="FOLDER/log")
        self.assertEqual(node.wait(), 0, node.story())  # the parent
        pid_file, log = node.folder / "pid", node.folder / "log"
        wait_until(lambda: pid_file.exists() and pid_file.read_text().strip().isdigit(), "the pid is written")
        pid = int(pid_file.read_text())
        try:
            wait_until(lambda: log.exists() and "raw echo: port" in log.read_text(), "the daemon works")
            again = run_skyloom(node.config)
            self.assertEqual(again.returncode, 1, again)
            self.assertRegex(again.stderr, str(pid))
        finally:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not pid_file.exists(), "the pid file is removed")
        wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "the daemon is gone")


def receive_exactly_into(client, received):
    """One frame, added to `received`; None at the end of the stream."""
    try:
        header = receive_exactly(client, 2)
        received += header
        received += receive_exactly(client, int.from_bytes(header, "big"))
        return len(received)
    except (AssertionError, OSError):
        return None


if __name__ == "__main__":
    unittest.main(verbosity=2)
