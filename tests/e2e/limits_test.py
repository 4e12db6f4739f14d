#!/usr/bin/env python3
"""Limits that one listener has in place of its node's, at one below, at, and one above: by the words of a gate
(and with them the C++ interface) and by the C interface."""
import pathlib
import socket
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from node import DEADLINE, NodeTest, frame, free_port, receive_exactly, wait_until  # noqa: E402

HELLO = frame(b"hello")
BIG = frame(bytes(60000))
POLICIES = {"close": 1, "refuse": 2, "drop_low": 3}


def for_each_face(test):
    """Runs a test once per interface, each with its own arrangement of network threads; it gets
    start(words, **settings): (node, port). In the words 0 is no limit."""
    def run(self):
        for face, net_threads in ((self.start_gate, 0), (self.start_c, 1)):
            with self.subTest(face=face.__name__):
                test(self, lambda words, **settings: face(words, net_threads=net_threads, **settings))
    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def for_c(word):
    """A gate's word for the C struct, in which -1 is no limit and policies are numbers."""
    key, value = word.split("=")
    return f"{key}={POLICIES.get(value, '-1' if value == '0' else value)}"


def wait_end(client):
    """Until the other side has ended the connection; what came before is dropped."""
    client.settimeout(DEADLINE)
    try:
        while client.recv(1 << 20):
            pass
    except ConnectionResetError:
        pass


class LimitsTest(NodeTest):
    def start_gate(self, words, **settings):
        port = free_port()
        node = self.start(bootstrap=f"gate_user S {port} 10000 {words}", **settings)
        node.wait_for_line("gate user: ready")
        return node, port

    def start_c(self, words, **settings):
        port = free_port()
        node = self.start(bootstrap=f"limited_echo {port} {' '.join(map(for_c, words.split()))}", **settings)
        node.wait_for_line("limited echo: ready")
        return node, port

    def client(self, port, source="127.0.0.1"):
        client = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE, source_address=(source, 0))
        self.addCleanup(client.close)
        return client

    def is_served(self, client, message=HELLO):
        """False: the connection has ended instead."""
        try:
            client.sendall(message)
            return receive_exactly(client, len(message)) == message
        except (AssertionError, ConnectionError):
            return False

    def assert_ends_after(self, millis, began, client):
        wait_end(client)
        self.assert_past(millis, began)

    def assert_past(self, millis, began):
        """The engine counts in whole milliseconds."""
        self.assertGreaterEqual(time.monotonic() - began, (millis - 1) / 1000, "it ended before its time")

    @for_each_face
    def test_max_per_listener_admits_exactly_so_many_in_place_of_the_nodes_number(self, start):
        node, port = start("max_per_listener=3", net_max_per_listener=1)
        clients = [self.client(port) for _ in range(3)]
        self.assertTrue(all(map(self.is_served, clients)))
        self.assertFalse(self.is_served(self.client(port)))
        node.wait_for_line("net_max_per_listener = 3")
        clients.pop().close()
        wait_until(lambda: self.is_served(self.client(port)), "the place is free again")
        self.assert_stops(node)

    @for_each_face
    def test_max_per_ip_admits_exactly_so_many_of_each_address(self, start):
        node, port = start("max_per_ip=2", net_max_per_ip=1)
        clients = [self.client(port) for _ in range(2)]
        self.assertTrue(all(map(self.is_served, clients)))
        self.assertFalse(self.is_served(self.client(port)))
        self.assertTrue(self.is_served(self.client(port, "127.0.0.2")))
        node.wait_for_line("net_max_per_ip = 2")
        self.assert_stops(node)

    @for_each_face
    def test_a_limit_of_the_node_can_be_switched_off_for_one_listener(self, start):
        node, port = start("max_per_ip=0 max_per_listener=0", net_max_per_ip=1, net_max_per_listener=1)
        clients = [self.client(port) for _ in range(5)]
        self.assertTrue(all(map(self.is_served, clients)))
        self.assert_stops(node)

    @for_each_face
    def test_other_limits_of_the_node_stay_and_are_shared_when_one_is_replaced(self, start):
        node, port = start("idle_timeout=3600000", net_max_per_ip=1)
        client = self.client(port)
        self.assertTrue(self.is_served(client))
        self.assertFalse(self.is_served(self.client(port)))
        self.assert_stops(node)

    @for_each_face
    def test_connections_above_the_accept_rate_wait_and_are_served(self, start):
        node, port = start("accept_rate=3")
        clients = [self.client(port) for _ in range(2)]
        self.assertTrue(all(map(self.is_served, clients)))
        self.assertNotIn("net_accept_rate", node.log())
        self.assertTrue(self.is_served(self.client(port)))  # with the last one it may be reached
        for _ in range(10):  # more than three of them come within one second
            clients = [self.client(port) for _ in range(4)]
            self.assertTrue(all(map(self.is_served, clients)))
            if "net_accept_rate" in node.log():
                break
        node.wait_for_line("net_accept_rate = 3 reached")
        self.assert_stops(node)

    @for_each_face
    def test_who_says_nothing_ends_at_the_first_byte_timeout_and_not_before(self, start):
        node, port = start("first_byte_timeout=400")
        talker = self.client(port)
        self.assertTrue(self.is_served(talker))
        began = time.monotonic()
        self.assert_ends_after(400, began, self.client(port))
        self.assertTrue(self.is_served(talker))
        self.assert_stops(node)

    @for_each_face
    def test_an_idle_connection_ends_at_its_timeout_and_not_before(self, start):
        node, port = start("idle_timeout=400", net_idle_timeout=3600000)
        client = self.client(port)
        began = time.monotonic()
        self.assertTrue(self.is_served(client))
        self.assert_ends_after(400, began, client)
        self.assert_stops(node)

    @for_each_face
    def test_half_a_frame_ends_its_connection_at_the_frame_timeout_and_not_before(self, start):
        node, port = start("frame_timeout=400")
        client = self.client(port)
        self.assertTrue(self.is_served(client))
        began = time.monotonic()
        client.sendall(HELLO[:3])
        self.assert_ends_after(400, began, client)
        self.assert_stops(node)

    @for_each_face
    def test_a_frame_of_one_byte_more_than_frame_max_ends_its_connection(self, start):
        node, port = start("frame_max=10")
        client = self.client(port)
        self.assertTrue(self.is_served(client, frame(bytes(9))))
        self.assertTrue(self.is_served(client, frame(bytes(10))))
        self.assertFalse(self.is_served(client, frame(bytes(11))))
        self.assert_stops(node)

    @for_each_face
    def test_output_of_one_byte_more_than_wbuffer_max_follows_the_policy(self, start):
        for policy in ("close", "refuse", "drop_low"):
            node, port = start(f"wbuffer_max=1000 wbuffer_policy={policy}",
                               net_wbuffer_policy="refuse" if policy == "close" else "close")
            client = self.client(port)
            self.assertTrue(self.is_served(client, frame(bytes(997))))
            self.assertTrue(self.is_served(client, frame(bytes(998))))  # two bytes more with its length
            if policy == "close":
                self.assertFalse(self.is_served(client, frame(bytes(999))))
            else:
                client.sendall(frame(bytes(999)))
                self.assertTrue(self.is_served(client), "only that one frame is missing")
            self.assert_stops(node)

    def clog(self, port):
        """A client that sends more than it reads, until the echo is stuck or has been given up."""
        client = self.client(port)
        self.assertTrue(self.is_served(client))
        try:
            for _ in range(400):  # 24 MB: more than the system keeps for both sides
                client.sendall(BIG)
        except ConnectionError:
            pass
        return client

    @for_each_face
    def test_output_without_progress_ends_at_the_write_timeout(self, start):
        node, port = start("write_timeout=400", net_write_timeout=3600000)
        self.assertTrue(self.is_served(self.client(port)))
        descriptors = node.fd_count()
        began = time.monotonic()
        client = self.clog(port)
        wait_until(lambda: node.fd_count() == descriptors, "the stuck connection ends")
        self.assert_past(400, began)
        client.close()
        self.assert_stops(node)

    @for_each_face
    def test_a_closing_connection_without_progress_ends_at_the_linger_timeout(self, start):
        node, port = start("linger_timeout=400", net_linger_timeout=3600000)
        self.assertTrue(self.is_served(self.client(port)))  # whatever belongs to a start is over
        descriptors = node.fd_count()
        client = self.clog(port)
        self.assertGreater(node.fd_count(), descriptors)
        began = time.monotonic()
        client.shutdown(socket.SHUT_WR)
        wait_until(lambda: node.fd_count() == descriptors, "the closing connection ends")
        self.assert_past(400, began)
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main(verbosity=2)
