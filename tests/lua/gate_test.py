#!/usr/bin/env python3
"""The Lua gate and snax.gateserver."""
import contextlib
import re
import resource
import socket
import struct
import unittest

from lua_node import LuaTest
from node import connect, for_each_mode, frame, free_port, receive_all, receive_exactly, wait_until


def end_of(client):
    """What comes until the end, be it a reset."""
    try:
        return receive_all(client)
    except ConnectionResetError:
        return b""


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def answers(port):
    with connect(port) as client:
        client.shutdown(socket.SHUT_WR)
        return end_of(client) == frame(b"goodbye")


class GateTest(LuaTest):
    @for_each_mode
    def test_every_command_and_report_of_the_gate_is_as_it_should_be(self, net_threads):
        node = self.run_script("gate_script", net_threads=net_threads)
        node.wait_for_line(r"Listen on 0\.0\.0\.0:0$")
        node.wait_for_line(r"gateserver: the handler needs a function `message`")
        self.assert_stops(node)

    def start_gate(self, maxclient=100, **settings):
        node = self.start_lua("gate_probe", maxclient=maxclient, **settings)
        return node, int(node.wait_for_line(r"gate on (\d+)$")[1])

    @for_each_mode
    def test_exactly_maxclient_are_admitted_of_many_at_once(self, net_threads):
        node, port = self.start_gate(20, net_threads=net_threads)
        for round_number in (1, 2):
            with contextlib.ExitStack() as stack:
                clients = [stack.enter_context(connect(port)) for _ in range(60)]
                for client in clients[20:]:
                    self.assertEqual(end_of(client), b"")
                for client in clients[:20]:
                    client.sendall(frame(b"hello"))
                node.wait_for_line(r"watchdog: data \d+ hello$", count=20 * round_number)
                for client in clients[:20]:
                    client.shutdown(socket.SHUT_WR)
                    self.assertEqual(end_of(client), frame(b"goodbye"))
            node.wait_for_line(r"watchdog: close \d+$", count=20 * round_number)
        self.assertEqual(len(re.findall(r"watchdog: open", node.log())), 40, node.story())
        self.assert_stops(node)

    def test_a_full_descriptor_table_ends_nothing_but_the_newcomers(self):
        node, port = self.start_gate(preexec=few_descriptors)
        with connect(port) as served, contextlib.ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(connect(port))  # the kernel answers, whoever accepts
            node.wait_for_line(r"gateserver accept error: Too many open files$")
            served.sendall(frame(b"still here"))
            node.wait_for_line(r"watchdog: data \d+ still here$")
            stack.close()
            wait_until(lambda: answers(port), "newcomers are admitted again")
        self.assert_stops(node)

    def test_a_client_that_ended_its_side_still_hears_what_is_written(self):
        _, port = self.start_gate()
        with connect(port) as client:
            client.sendall(frame(b"last words"))
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(client), frame(b"goodbye"))

    def test_a_reset_is_reported_with_its_text_and_ends_in_one_close(self):
        node, port = self.start_gate(1)
        for count in (1, 2, 3):
            client = connect(port)
            fd = node.wait_for_line(r"watchdog: open (\d+) 127\.0\.0\.1:\d+$", count=count)[1]
            client.sendall(frame(b"hello"))
            node.wait_for_line(rf"watchdog: data {fd} hello$")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            node.wait_for_line(rf"watchdog: error {fd} Connection reset by peer$")
            node.wait_for_line(rf"watchdog: close {fd}$")
        self.assertEqual(len(re.findall(r"watchdog: close", node.log())), 3)
        self.assert_stops(node)

    # Servers in the field give their gate this tag; to refuse it was to refuse them. The payloads look like events.
    def test_frames_of_the_c_gate_reach_a_script_as_messages_of_the_type_of_sockets(self):
        port = free_port()
        node = self.start_lua("socket_tag", gate_port=port)
        node.wait_for_port(port)
        for payload in (b"x", struct.pack("<iiiiQ", 1, 1, 8, 0, 0x4141414141414141), b"y" * 65535):
            for _ in range(2):
                with connect(port) as client:
                    client.sendall(frame(payload) + frame(payload))
                    self.assertEqual(receive_exactly(client, 2 * len(frame(payload))), 2 * frame(payload))
        self.assert_stops(node)

    def test_a_client_that_cannot_be_written_to_is_closed_at_once(self):
        node = self.start_lua("gate_probe", maxclient=1, gate_address="unix:FOLDER/gate")
        node.wait_for_line(r"gate on 0$")
        for count in (1, 2):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(node.folder / "gate"))
                client.shutdown(socket.SHUT_RD)  # its writing side stays open: nothing else ends the connection
                client.sendall(frame(b"speak"))
                node.wait_for_line(r"watchdog: error \d+ Broken pipe$", count=count)
                node.wait_for_line(r"watchdog: close \d+$", deadline=10, count=count)
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main()
