#!/usr/bin/env python3
"""What a gate's listener may be asked for, as clients see it: proxies, unix sockets, families, shared ports."""
import os
import pathlib
import signal
import socket
import struct
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from node import (DEADLINE, NodeTest, connect, for_each_mode, frame, free_port, full_or,  # noqa: E402
                  receive_all, receive_exactly, wait_until)

V1 = b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V2 = SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 12) + bytes([192, 0, 2, 1, 198, 51, 100, 2]) + struct.pack(
    "!HH", 56324, 443)
V2_IPV6 = SIGNATURE + struct.pack("!BBH", 0x21, 0x21, 36) + socket.inet_pton(
    socket.AF_INET6, "2001:db8::1") + socket.inet_pton(socket.AF_INET6, "::1") + struct.pack("!HH", 56324, 443)
LOCAL = SIGNATURE + struct.pack("!BBH", 0x20, 0, 0)
HELLO = frame(b"hello")


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


def unix_client(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(DEADLINE)
    client.connect(path)
    return client


def is_closed(client):
    """By the end of the stream or by a reset, without a byte."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


class ListenerTest(NodeTest):
    def start_gate(self, words="", address=None, wait=True, **settings):
        """A gate whose watchdog echoes: (node, port)."""
        port = free_port()
        if address is not None:
            settings["gate_address"] = address.replace("PORT", str(port))
        node = self.start(bootstrap=f"gate_user S {port} 10000 {words}", **settings)
        if wait:
            node.wait_for_line("gate user: ready")
        return node, port

    def assert_echo(self, client, head=b""):
        client.sendall(head + HELLO)
        self.assertEqual(receive_exactly(client, len(HELLO)), HELLO)

    @for_each_mode
    def test_clients_behind_a_proxy_have_their_own_address_in_both_versions(self, net_threads):
        node, port = self.start_gate("proxy=any", net_threads=net_threads)
        for head, address in ((V1, "192.0.2.1:56324"), (V2, "192.0.2.1:56324"),
                              (V2_IPV6, "2001:db8::1:56324"), (LOCAL, None)):
            with connect(port) as client:
                self.assert_echo(client, head)  # header and payload in one packet
                own = "%s:%d" % client.getsockname()
                node.wait_for_line(rf"gate user: \d+ open \d+ {address or own}:0")
        with connect(port) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in V2:
                client.sendall(bytes([byte]))
            self.assert_echo(client)
        self.assert_stops(node)

    @for_each_mode
    def test_garbage_the_other_version_and_silence_are_closed_and_harm_nobody(self, net_threads):
        node, port = self.start_gate("proxy=v2 handshake_timeout=500", net_threads=net_threads)
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", V1, SIGNATURE + b"\x21\x12\0\0", bytes(100)):
            with connect(port) as client:
                client.sendall(garbage)
                self.assertTrue(is_closed(client), garbage)
        with connect(port) as client:  # it says nothing
            self.assertTrue(is_closed(client))
        with connect(port) as client:
            self.assert_echo(client, V2)
        node.wait_for_line("bad PROXY header")
        node.wait_for_line(" open ")
        self.assertEqual(node.log().count(" open "), 1, node.log())
        self.assert_stops(node)

    @for_each_mode
    def test_many_half_headers_end_at_their_deadline_while_others_are_served(self, net_threads):
        node, port = self.start_gate("proxy=any handshake_timeout=2000", net_threads=net_threads)
        node_descriptors = node.fd_count()
        slow = [connect(port) for _ in range(full_or(900, 200))]
        for index, client in enumerate(slow):
            client.sendall((V1 if index % 2 else V2)[:10])
        with connect(port) as client:
            self.assert_echo(client, V1)
        for client in slow:
            self.assertTrue(is_closed(client))
            client.close()
        wait_until(lambda: node.fd_count() <= node_descriptors, "all descriptors are back")
        node.wait_for_line("PROXY header not there in time")
        self.assertLess(node.log().count("PROXY header not there in time"), len(slow) // 2, "the log is not flooded")
        self.assert_stops(node)

    @for_each_mode
    def test_an_optional_header_lets_other_clients_in_with_all_their_bytes(self, net_threads):
        node, port = self.start_gate("proxy=any proxy_optional=1", net_threads=net_threads)
        with connect(port) as client:
            self.assert_echo(client)
        with connect(port) as client:
            self.assert_echo(client, V1)
        node.wait_for_line(r"open \d+ 192\.0\.2\.1:56324:0")
        self.assert_stops(node)

    @for_each_mode
    def test_a_unix_socket_serves_and_its_file_goes_with_the_node(self, net_threads):
        node, _ = self.start_gate("file_mode=600", address="unix:FOLDER/gate", net_threads=net_threads)
        path = str(node.folder / "gate")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with unix_client(path) as client:
            self.assert_echo(client)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(client), b"")
        self.assert_stops(node)
        self.assertFalse(os.path.exists(path))

    def test_the_file_of_a_killed_node_is_replaced_and_that_of_a_living_one_is_in_use(self):
        first, _ = self.start_gate(address="unix:FOLDER/gate")
        path = str(first.folder / "gate")
        second, _ = self.start_gate(address=f"unix:{path}", wait=False)
        self.assertEqual(second.wait(), 1, second.story())
        self.assertIn("Address already in use", second.log())
        with unix_client(path) as client:
            self.assert_echo(client)
        first.signal(signal.SIGKILL)
        first.wait()
        self.assertTrue(os.path.exists(path))
        third, _ = self.start_gate(address=f"unix:{path}")
        with unix_client(path) as client:
            self.assert_echo(client)
        self.assert_stops(third)

    def test_an_abstract_name_needs_no_file(self):
        name = f"skyloom-test-{os.getpid()}-{time.monotonic_ns()}"
        node, _ = self.start_gate(address=f"unix:@{name}")
        with unix_client(f"\0{name}") as client:
            self.assert_echo(client)
        self.assert_stops(node)

    @unittest.skipUnless(has_ipv6(), "this machine has no IPv6")
    def test_the_ipv6_wildcard_hears_both_families_unless_it_is_told_not_to(self):
        node, port = self.start_gate(address="[::]:PORT")
        for host, shown in (("127.0.0.1", r"::ffff:127\.0\.0\.1"), ("::1", "::1")):
            with socket.create_connection((host, port), timeout=DEADLINE) as client:
                self.assert_echo(client)
                node.wait_for_line(rf"open \d+ {shown}:{client.getsockname()[1]}:0")
        self.assert_stops(node)
        node, port = self.start_gate("v6_only=1", address="[::]:PORT")
        with socket.create_connection(("::1", port), timeout=DEADLINE) as client:
            self.assert_echo(client)
        self.assertRaises(ConnectionRefusedError, connect, port)
        self.assert_stops(node)

    def test_two_processes_share_a_port_that_both_of_them_offer(self):
        first, port = self.start_gate("reuse_port=1")
        second, _ = self.start_gate("reuse_port=1", address=f"127.0.0.1:{port}")
        third, _ = self.start_gate(address=f"127.0.0.1:{port}", wait=False)
        self.assertEqual(third.wait(), 1, third.story())
        clients = []
        while first.log().count(" open ") == 0 or second.log().count(" open ") == 0:
            self.assertLess(len(clients), 500, "all clients go to one of the two")
            clients.append(connect(port))
            self.assert_echo(clients[-1])
        self.assert_stops(first)
        with connect(port) as client:  # the other one has all of them now
            self.assert_echo(client)
        for client in clients:
            client.close()
        self.assert_stops(second)

    def test_a_word_that_a_gate_does_not_know_ends_the_start_and_is_named(self):
        for word in ("nodelayed=1", "proxy=v3"):
            node, _ = self.start_gate(word, wait=False)
            self.assertEqual(node.wait(), 1, node.story())
            self.assertIn(word.split("=")[0], node.log())


if __name__ == "__main__":
    unittest.main(verbosity=2)
