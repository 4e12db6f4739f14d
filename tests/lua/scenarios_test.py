#!/usr/bin/env python3
"""The regression scenarios that belong to the Lua layer, with clients and servers of the test's own."""
import contextlib
import fcntl
import hashlib
import socket
import struct
import termios
import threading
import unittest

from lua_node import LuaTest, full_or
from node import SANITIZE, connect, cuts_near_ends, for_each_mode, frame, receive_all, receive_exactly, wait_until


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def lines_of(connection):
    with connection.makefile("rb") as stream:
        yield from stream


def unsent(client):
    """Bytes that the other side's system has not confirmed yet."""
    return struct.unpack("i", fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)))[0]


class GateTest(LuaTest):
    def start_gate(self, net_threads):
        node = self.start_lua("scenario_gate", net_threads=net_threads)
        return (node, int(node.wait_for_line(r"gate on (\d+)$")[1]),
                int(node.wait_for_line(r"Start debug console at 127\.0\.0\.1:(\d+)$")[1]))

    def go_through_gate(self, port, way):
        with connect(port) as client:
            client.sendall(frame(b"hello") + (frame(b"leave") if way == "leave" else b""))
            self.assertEqual(receive_exactly(client, 7), frame(b"hello"))
            if way == "reset":
                reset(client)
            elif way == "leave":
                self.assertEqual(receive_all(client), b"")

    def go_through_console(self, port, way):
        with connect(port) as client:
            if way == "request":
                client.sendall(b"GET /list HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertIn(b"<CMD OK>", receive_all(client))
            else:
                client.sendall(b"list\n")
                while b"<CMD OK>" not in client.recv(4096):
                    pass
                if way == "reset":
                    reset(client)

    @for_each_mode
    def test_K17_gate_and_console_leave_no_descriptor_whoever_ends_the_connection(self, net_threads):
        node, gate, console = self.start_gate(net_threads)
        before = node.fd_count()
        for _ in range(full_or(200, 10)):
            for way in ("end", "reset", "leave"):
                self.go_through_gate(gate, way)
            for way in ("end", "reset", "request"):
                self.go_through_console(console, way)
        wait_until(lambda: node.fd_count() == before, f"{before} descriptors, as before the clients")
        self.assert_stops(node)

    @for_each_mode
    def test_K44_frames_split_anywhere_pass_the_gate_as_unsplit(self, net_threads):
        node, port, _ = self.start_gate(net_threads)
        with connect(port) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for size in (1, 2, 255, 256, 65534, 65535):
                stream = frame(bytes(i * 7 & 0x3f for i in range(size))) * 3
                for cut in cuts_near_ends(len(stream) // 3):
                    for part in (stream[:cut], stream[cut:]):
                        client.sendall(part)
                    self.assertEqual(receive_exactly(client, len(stream)), stream, (size, cut))
                if size < 256:
                    for byte in stream:
                        client.sendall(bytes([byte]))
                    self.assertEqual(receive_exactly(client, len(stream)), stream, (size, "bytes"))
        self.assert_stops(node)

    @for_each_mode
    def test_K45_a_handler_that_waits_in_a_burst_keeps_the_order_of_each_connection(self, net_threads):
        node, port, _ = self.start_gate(net_threads)
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(connect(port)) for _ in range(5)]
            frames = [frame(b"%d %s" % (i, b"w" if i % 7 == 0 else b"-")) for i in range(full_or(2000, 210))]
            for begin in range(0, len(frames), 30):  # bursts, more while the handler waits
                for client in clients:
                    client.sendall(b"".join(frames[begin:begin + 30]))
            expected = b"".join(frames)
            for client in clients:
                self.assertEqual(receive_exactly(client, len(expected)), expected)
        self.assert_stops(node)


class FlowTest(LuaTest):
    READINGS = ("read", "small", "large", "lines", "all", "block")
    # Around what pauses a socket (128 KiB) and what a read may be (65,536 of small ones are slow under a sanitizer).
    SIZES = (1, (128 << 10) - 1, 128 << 10, (128 << 10) + 1, 3 << 20)

    def send_slowly(self, client, text):
        """In pieces, each after the node's side has taken the last one."""
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        step = max(1, len(text) // 7)
        for begin in range(0, len(text), step):
            client.sendall(text[begin:begin + step])
            wait_until(lambda: unsent(client) == 0, "the piece arrives")

    def expect_digest(self, client, text, what):
        client.shutdown(socket.SHUT_WR)
        expected = f"{len(text)} {hashlib.md5(text).hexdigest()}\n".encode()
        self.assertEqual(receive_all(client), expected, what)

    def release(self, port, socket_id):
        with connect(port) as client:
            client.sendall(b"%d\n" % socket_id)
            self.assertEqual(receive_all(client), b"")

    @for_each_mode
    def test_K46_each_way_to_read_gets_every_byte_and_the_end(self, net_threads):
        node = self.start_lua("scenario_reader", net_threads=net_threads)
        port, release_port = map(int, node.wait_for_line(r"reader on (\d+) (\d+)$").groups())
        sizes = self.SIZES + full_or((64 << 20,), () if SANITIZE else (20 << 20,))
        held = 0
        for size in sizes:
            line = b"0123456789" * 6 + b"\n"
            long_line = b"x" * min(size, 300000) + b"\n"
            text = (long_line + line * (size // len(line) + 1))[:size]
            for kind in self.READINGS:
                if kind == "small" and size > 4 << 20:
                    continue
                with connect(port) as client:
                    client.sendall(kind.encode() + b"\n")
                    self.send_slowly(client, text)
                    self.expect_digest(client, text, (kind, size, "slow sender"))
                with connect(port) as client:
                    client.sendall(kind.encode() + b" late\n")
                    held += 1
                    socket_id = int(node.wait_for_line(r"holding (\d+)$", count=held)[1])
                    sender = threading.Thread(target=client.sendall, args=(text,))
                    sender.start()
                    if size > 256 << 10:
                        node.wait_for_line(rf"Pause socket \({socket_id}\) size : \d+$")
                    self.release(release_port, socket_id)
                    sender.join()
                    self.expect_digest(client, text, (kind, size, "late reader"))
        self.assert_stops(node)


class Server:
    """What the channel connects to. It goes wrong at the step that `fails_at` names, and counts who comes."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.fails_at = None
        self.connections = 0
        self.open = set()
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, ValueError), connection:
            if self.fails_at == "accept":
                return
            self.open.add(connection)
            for line in lines_of(connection):
                word, number = line.split()
                if word == b"hello":
                    answer = b"%b welcome\n" % number
                    step = "login"
                else:
                    answer = b"%b answer %b\n" % (number, number)
                    step = "answer"
                if self.fails_at == step:
                    return
                if self.fails_at == f"{step} in the middle":
                    connection.sendall(answer[:-4])
                    return
                if self.fails_at == f"{step} reset":
                    reset(connection)
                    return
                if self.fails_at == f"{step} by a stranger":
                    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                    continue
                if self.fails_at == f"{step} is no":
                    connection.sendall(b"%b no\n" % number)
                    continue
                connection.sendall(answer)

    def drop_all(self):
        """Ends what is connected."""
        while self.open:
            with contextlib.suppress(OSError):
                self.open.pop().shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class ChannelTest(LuaTest):
    STEPS = ("accept", "login", "login in the middle", "login reset", "login by a stranger", "login is no",
             "answer", "answer in the middle", "answer reset", "answer by a stranger")

    def check_mode(self, mode, net_threads):
        first, backup = Server(), Server()
        self.addCleanup(backup.close)
        node = self.start_lua("scenario_channel", net_threads=net_threads, channel_mode=mode,
                              channel_port=first.port, channel_backup=backup.port)
        with connect(int(node.wait_for_line(r"channel on (\d+)$")[1])) as control:
            answers = lines_of(control)
            numbers = iter(range(1, 1000000))

            def ask(count):
                wanted = [next(numbers) for _ in range(count)]
                control.sendall(b"".join(b"%d\n" % number for number in wanted))
                got = sorted((next(answers).split(maxsplit=1) for _ in wanted), key=lambda a: int(a[0]))
                self.assertEqual([int(number) for number, _ in got], wanted, node.story())
                return [what.strip() for _, what in got], [b"ok answer %d" % number for number in wanted]

            def is_well():
                got, wanted = ask(5)
                return got == wanted

            def expect_recovery():  # the first may find the old connection in ruins
                wait_until(is_well, "the channel has recovered")

            expect_recovery()
            for step in self.STEPS:
                first.fails_at = backup.fails_at = step
                first.drop_all()
                ask(5)  # some may have been sent before the end was seen
                before = first.connections + backup.connections
                for _ in range(3):
                    got, _ = ask(5)
                    self.assertTrue(all(what == b"failed" for what in got), (step, got))
                # A failed request may cost one try of each host, and no more.
                self.assertLessEqual(first.connections + backup.connections - before, 2 * 3 * 5, step)
                first.fails_at = backup.fails_at = None
                expect_recovery()
            before = backup.connections
            first.close()
            first.drop_all()
            expect_recovery()
            self.assertGreater(backup.connections, before)
        self.assert_stops(node)

    @for_each_mode
    def test_K47_every_request_in_order_ends_whatever_step_goes_wrong(self, net_threads):
        self.check_mode("order", net_threads)

    @for_each_mode
    def test_K47_every_request_by_session_ends_whatever_step_goes_wrong(self, net_threads):
        self.check_mode("session", net_threads)


if __name__ == "__main__":
    unittest.main()
