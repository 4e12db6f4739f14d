#!/usr/bin/env python3
"""The gate and the echo example as clients see them, byte by byte."""
import os
import pathlib
import random
import socket
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from node import (NodeTest, connect, for_each_mode, frame, free_port, receive_all,  # noqa: E402
                  receive_exactly, wait_until)

SEED = int(os.environ.get("SKYLOOM_TEST_SEED", random.randrange(1 << 32)))


def receive_frame(connection, header=2):
    return receive_exactly(connection, int.from_bytes(receive_exactly(connection, header), "big"))


class GateTest(NodeTest):
    def start_gate(self, header="S", maximum=100, **settings):
        """A gate whose watchdog echoes: (node, port)."""
        port = free_port()
        node = self.start(bootstrap=f"gate_user {header} {port} {maximum}", **settings)
        node.wait_for_line("gate user: ready")
        return node, port

    def assert_splits_arrive(self, port, header, payloads):
        """The stream of all frames, split in two at every byte boundary, and in single bytes."""
        stream = b"".join(frame(payload, header) for payload in payloads)
        expected = b"".join(frame(payload, header) for payload in payloads if payload)
        with connect(port) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for cut in range(len(stream) + 1):
                for part in (stream[:cut], stream[cut:]):
                    connection.sendall(part)
                self.assertEqual(receive_exactly(connection, len(expected)), expected, f"cut at {cut}")
            for byte in stream:
                connection.sendall(bytes([byte]))
            self.assertEqual(receive_exactly(connection, len(expected)), expected, "single bytes")

    @for_each_mode
    def test_frames_split_at_every_byte_reach_the_agent_whole_and_in_order(self, net_threads):
        node, port = self.start_echo(net_threads=net_threads)
        self.assert_splits_arrive(port, 2, [b"a", b"", b"second frame", bytes(range(256)), b"x" * 3])
        self.assert_stops(node)

    @for_each_mode
    def test_frames_split_at_every_byte_reach_the_watchdog_whole_and_in_order(self, net_threads):
        for header, letter in ((2, "S"), (4, "L")):
            with self.subTest(header=header):
                node, port = self.start_gate(letter, net_threads=net_threads)
                self.assert_splits_arrive(port, header, [b"one", b"", b"\0\0\0", b"y" * 100])
                self.assert_stops(node)

    @for_each_mode
    def test_frames_of_every_size_near_a_limit_come_back(self, net_threads):
        node, port = self.start_echo(net_threads=net_threads)
        with connect(port) as connection:
            for size in (1, 2, 255, 256, 4095, 4096, 16383, 16384, 65534, 65535):
                payload = bytes((size + i) & 0xff for i in range(size))
                connection.sendall(frame(payload))
                self.assertEqual(receive_frame(connection), payload, f"{size} bytes")
        self.assert_stops(node)

    @for_each_mode
    def test_a_random_stream_in_random_pieces_comes_back(self, net_threads):
        print(f"seed {SEED}", flush=True)
        chance = random.Random(SEED)
        node, port = self.start_echo(net_threads=net_threads)
        payloads = [chance.randbytes(chance.choice((1, 3, 60, 1000, 20000))) for _ in range(300)]
        stream = b"".join(map(frame, payloads))
        with connect(port) as connection:
            def write():
                at = 0
                while at < len(stream):
                    count = chance.choice((1, 2, 3, 100, 5000, 70000))
                    connection.sendall(stream[at:at + count])
                    at += count

            writer = threading.Thread(target=write)
            writer.start()
            received = receive_exactly(connection, len(stream))
            writer.join()
        self.assertEqual(received, stream, f"seed {SEED}")
        self.assert_stops(node)

    @for_each_mode
    def test_a_frame_above_the_limit_closes_its_client_with_a_reason_and_costs_nothing(self, net_threads):
        node, port = self.start_gate("L", net_threads=net_threads)
        with connect(port) as good:
            good.sendall(frame(b"before", 4))
            self.assertEqual(receive_frame(good, 4), b"before")
            resident = node.rss_kib()
            for length in (0x1000000, 0x7fffffff, 0x80000000, 0xffffffff):
                with connect(port) as bad:
                    bad.sendall(length.to_bytes(4, "big") + b"some bytes of it")
                    try:
                        self.assertEqual(receive_all(bad), b"", hex(length))
                    except ConnectionResetError:
                        pass
            node.wait_for_line(r"Recv socket message > 16M", count=4)
            node.wait_for_line(r"gate user: \d+ close", count=4)
            good.sendall(frame(b"after", 4))
            self.assertEqual(receive_frame(good, 4), b"after")
            self.assertLess(node.rss_kib() - resident, 4096)
        self.assert_stops(node)

    @for_each_mode
    def test_announced_bytes_cost_nothing_before_they_arrive(self, net_threads):
        node, port = self.start_gate("L", net_threads=net_threads)
        with connect(port) as first:
            first.sendall(frame(b"warm", 4))
            receive_frame(first, 4)
            resident = node.rss_kib()
            clients = [connect(port) for _ in range(50)]
            for client in clients:
                client.sendall((0xfffffe).to_bytes(4, "big") + b"x")
            node.wait_for_line(r"gate user: \d+ open", count=51)
            first.sendall(frame(b"still here", 4))
            self.assertEqual(receive_frame(first, 4), b"still here")
            self.assertLess(node.rss_kib() - resident, 8192, "50 x 16 MiB were announced")
            for client in clients:
                client.close()
        self.assert_stops(node)

    @for_each_mode
    def test_clients_above_the_maximum_are_closed_and_others_served(self, net_threads):
        node, port = self.start_gate("S", maximum=3, net_threads=net_threads)
        served = [connect(port) for _ in range(3)]
        for client in served:
            client.sendall(frame(b"hello"))
            self.assertEqual(receive_frame(client), b"hello")
        with connect(port) as surplus:
            try:
                self.assertEqual(receive_all(surplus), b"")
            except ConnectionResetError:
                pass
        served.pop().close()
        node.wait_for_line(r"gate user: \d+ close")
        with connect(port) as next_client:
            next_client.sendall(frame(b"a place is free"))
            self.assertEqual(receive_frame(next_client), b"a place is free")
        for client in served:
            client.close()
        self.assert_stops(node)

    @for_each_mode
    def test_an_agent_that_kicks_its_client_ends_and_so_does_the_connection(self, net_threads):
        node, port = self.start_echo(net_threads=net_threads)
        with connect(port) as client:
            client.sendall(frame(b"one") + frame(b"two") + frame(b"quit") + frame(b"never seen"))
            expected = frame(b"one") + frame(b"two")
            self.assertEqual(receive_exactly(client, len(expected)), expected)
            node.wait_for_line("quits after 2 frames")
            node.wait_for_line(r"KILL :[0-9a-f]+")
        self.assert_stops(node)

    @for_each_mode
    def test_clients_that_leave_take_their_agents_with_them(self, net_threads):
        node, port = self.start_echo(net_threads=net_threads)
        descriptors = node.fd_count()
        for ending in ("fin", "reset", "half a frame"):
            clients = [connect(port) for _ in range(20)]
            for client in clients:
                client.sendall(frame(b"hello"))
                self.assertEqual(receive_frame(client), b"hello")
                if ending == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                if ending == "half a frame":
                    client.sendall(b"\x00\x10half")
                client.close()
        node.wait_for_line(r"KILL :[0-9a-f]+", count=60)
        wait_until(lambda: node.fd_count() <= descriptors, "all descriptors are closed")
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main(verbosity=2)
