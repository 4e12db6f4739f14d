#!/usr/bin/env python3
"""skynet.socketdriver and skynet.netpack through the real binary, without a Lua library: a probe service
runs the code that the tests send it (service/socketdriver_probe.lua) and writes down what happens."""
import os
import re
import socket
import unittest

from lua_node import LuaTest, SETTINGS
from node import BUILD, DEADLINE, SANITIZE, connect, free_port, receive_all, receive_exactly, wait_until

UDP_V4 = (socket.AF_INET, "127.0.0.1")
UDP_V6 = (socket.AF_INET6, "::1")


class Probe:
    """One connection to the probe: Lua in, text out."""

    def __init__(self, port):
        self.connection = connect(port)
        self.lines = self.connection.makefile("r")

    def __call__(self, code):
        self.connection.sendall(code.encode() + b"\n")
        return self.lines.readline().rstrip("\n")

    def wait(self, socket_id, expected):
        """Until what happened to the socket is `expected` (a regular expression); then its match."""
        happened = ""

        def look():
            nonlocal happened
            more = self(f"return take({socket_id})")
            happened += ("|" if happened and more else "") + more
            return re.fullmatch(expected, happened)

        try:
            return wait_until(look, f"socket {socket_id}: {expected}", DEADLINE / 4)
        except AssertionError as error:
            raise AssertionError(f"{error}; {happened!r}") from None


class SocketdriverTest(LuaTest):
    def setUp(self):
        self.node = self.start(**{**SETTINGS, "bootstrap": "snlua socketdriver_probe"})
        port = int(self.node.wait_for_line(r"probe: port (\d+)")[1])
        self.probe = Probe(port)
        self.addCleanup(self.probe.connection.close)
        self.addCleanup(self.probe.lines.close)

    def listen(self, options=""):
        """A listener of the probe that accepts: (id, port)."""
        listener = int(self.probe(f"listener = driver.listen('127.0.0.1', 0{options}) return listener"))
        port = int(self.probe.wait(listener, r"2 (\d+) 127\.0\.0\.1")[1])
        self.probe("driver.start(listener)")
        self.probe.wait(listener, "2 0 start")
        return listener, port

    def accept(self, listener, port):
        """A client and its id, started."""
        client = connect(port)
        self.addCleanup(client.close)
        own_port = client.getsockname()[1]
        accepted = int(self.probe.wait(listener, rf"4 (\d+) 127\.0\.0\.1:{own_port}")[1])
        self.probe(f"driver.start({accepted})")
        self.probe.wait(accepted, "2 0 start")
        return client, accepted

    def test_a_connection_is_accepted_read_written_and_closed(self):
        client, accepted = self.accept(*self.listen())
        client.sendall(b"hello")
        self.probe.wait(accepted, "1 5 hello")
        self.assertEqual(self.probe(f"return driver.send({accepted}, 'world')"), "true")
        self.assertEqual(receive_exactly(client, 5), b"world")
        self.probe(f"driver.close({accepted})")
        self.assertEqual(receive_all(client), b"")
        self.probe.wait(accepted, "3 0 ")
        self.assertEqual(self.probe(f"return driver.send({accepted}, 'late')"), "false")

    def test_data_leaves_in_every_form_and_in_order(self):
        client, accepted = self.accept(*self.listen(", 7"))
        for data in ("'string'", "'number '", "42", "netpack.pack('frame')", "driver.str2p('pointer')",
                     "{ 'a', 'table', ' of ', 4 }", "{}", "''", "core.pack('packed')"):
            self.assertEqual(self.probe(f"return driver.send({accepted}, {data})"), "true", data)
        expected = b"stringnumber 42\0\5framepointeratable of 4" + b"\x34packed"
        self.assertEqual(receive_exactly(client, len(expected)), expected)
        self.assertEqual(self.probe(f"return driver.lsend({accepted}, 'low'), driver.lsend({accepted}, {{'lo','w'}})"),
                         "true true")
        self.assertEqual(receive_exactly(client, 6), b"lowlow")
        large = 3_000_000
        self.probe(f"driver.send({accepted}, {{ ('x'):rep({large}), ('y'):rep({large}) }})")
        self.assertEqual(receive_exactly(client, 2 * large), b"x" * large + b"y" * large)
        # More than fits: a warning, and one that it is over.
        self.assertRegex(self.probe.wait(accepted, r"7 \d+ \|7 0 ")[0], "7")

    def test_shutdown_drops_and_the_peers_end_is_a_close(self):
        listener, port = self.listen()
        client, accepted = self.accept(listener, port)
        self.probe(f"driver.shutdown({accepted})")
        self.probe.wait(accepted, "3 0 ")
        self.assertEqual(client.recv(1), b"")
        client, accepted = self.accept(listener, port)
        client.shutdown(socket.SHUT_WR)
        self.probe.wait(accepted, "3 0 ")
        self.probe(f"driver.send({accepted}, 'bye') driver.close({accepted})")
        self.assertEqual(receive_all(client), b"bye")

    def test_pause_stops_data_until_start(self):
        client, accepted = self.accept(*self.listen())
        self.probe(f"driver.pause({accepted})")
        # Commands of one caller keep their order: when this one is done, so is the pause.
        self.probe(f"driver.nodelay({accepted}) driver.send({accepted}, 'paused')")
        self.assertEqual(receive_exactly(client, 6), b"paused")
        self.assertEqual(self.reading(accepted), "false")
        client.sendall(b"held back")
        self.assertEqual(self.probe(f"return take({accepted})"), "")
        self.probe(f"driver.start({accepted})")
        self.probe.wait(accepted, r"2 0 transfer\|1 9 held back")
        self.assertEqual(self.reading(accepted), "true")

    def reading(self, socket_id):
        code = f"for _, s in ipairs(driver.info()) do if s.id == {socket_id} then return s.reading end end"
        return self.probe(code)

    def test_connecting_out_tells_the_peer_or_the_reason(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            for address in (f"'127.0.0.1:{port}'", f"'127.0.0.1', {port}"):
                made = int(self.probe(f"return driver.connect({address})"))
                peer, _ = server.accept()
                with peer:
                    self.probe.wait(made, r"2 0 127\.0\.0\.1")
                    peer.sendall(b"hi")
                    self.probe.wait(made, "1 2 hi")
                self.probe.wait(made, "3 0 ")
                self.probe(f"driver.close({made})")
        refused = int(self.probe(f"return driver.connect('127.0.0.1', {free_port()})"))
        self.probe.wait(refused, "5 0 Connection refused")
        self.assertRegex(self.probe("return driver.connect('no port')"), "Invalid address no port")
        self.assertRegex(self.probe("driver.listen('192.0.2.1', 1)"), "Listen error")

    def test_a_descriptor_is_bound(self):
        fifo = self.node.folder / "fifo"
        os.mkfifo(fifo)
        self.probe(f"file = io.open('{fifo}', 'r+')")
        number = next(number for number, name in self.node.descriptors().items() if name == str(fifo))
        bound = int(self.probe(f"return driver.bind({number})"))
        self.probe.wait(bound, "2 0 binding")
        fifo.write_bytes(b"by a fifo")
        self.probe.wait(bound, "1 9 by a fifo")
        self.probe(f"driver.close({bound})")
        self.probe.wait(bound, "3 0 ")
        self.assertEqual(self.probe("return io.type(file), file:close()"), "file true")

    def test_datagrams_go_both_ways_in_both_families(self):
        for family, host in (UDP_V4, UDP_V6):
            with self.subTest(host=host), socket.socket(family, socket.SOCK_DGRAM) as peer:
                peer.settimeout(DEADLINE)
                peer.bind((host, 0))
                own_port = peer.getsockname()[1]
                port = free_port(socket.SOCK_DGRAM, host)
                opened = int(self.probe(f"return driver.udp_listen('{host}', {port})"))
                peer.sendto(b"ping", (host, port))
                self.probe.wait(opened, rf"6 4 ping {re.escape(host)} {own_port}")
                self.assertEqual(self.probe(f"return #from, driver.udp_send({opened}, from, 'pong')"),
                                 "7 true" if family == socket.AF_INET else "19 true")
                self.assertEqual(peer.recvfrom(100)[0], b"pong")
                self.probe(f"driver.udp_send({opened}, from, driver.str2p 'block')")
                self.assertEqual(peer.recvfrom(100)[0], b"block")
                self.probe(f"driver.udp_connect({opened}, '{host}', {own_port}) driver.send({opened}, 'connected')")
                self.assertEqual(peer.recvfrom(100)[0], b"connected")
                self.probe(f"dialled = driver.udp_dial('{host}', {own_port}) driver.send(dialled, 'dialled')")
                self.assertEqual(peer.recvfrom(100)[0], b"dialled")
                self.probe(f"driver.close({opened})")
                self.probe.wait(opened, "3 0 ")
        self.assertRegex(self.probe("driver.udp_listen('127.0.0.1', 0)"), "udp_listen 127.0.0.1:0 failed")
        self.assertRegex(self.probe("driver.udp('192.0.2.1', 1)"), "udp 192.0.2.1:1 failed")
        self.assertRegex(self.probe("driver.udp_connect(12345, '127.0.0.1', 1)"), "no udp socket 12345")

    def test_info_tells_of_every_socket(self):
        listener, port = self.listen()
        client, accepted = self.accept(listener, port)
        client.sendall(b"12345")
        self.probe.wait(accepted, "1 5 12345")
        self.probe(f"driver.send({accepted}, '123')")
        self.assertEqual(receive_exactly(client, 3), b"123")
        get = "local all = {} for _, s in ipairs(driver.info()) do all[s.id] = s end local s = all[%d] return "
        self.assertEqual(self.probe(get % listener + "s.type, s.accept, s.sock, s.read, ('%x'):format(s.address)"),
                         f"LISTEN 1 127.0.0.1:{port} nil {self.handle()}")
        own_port = client.getsockname()[1]
        self.assertEqual(
            self.probe(get % accepted + "s.type, s.read, s.write, s.wbuffer, s.reading, s.writing, s.peer, s.sock"),
            f"TCP 5 3 0 true false 127.0.0.1:{own_port} nil")
        self.assertRegex(self.probe(get % accepted + "s.rtime, s.wtime"), r"^\d+ \d+$")

    def handle(self):
        return self.probe("return core.command('REG'):sub(2)")

    def test_a_script_cannot_end_the_node_with_its_input(self):
        self.assertRegex(self.probe("require 'client.socket'.readstdin()"), "use skynet.socket.stdin")

    def test_a_socket_event_that_a_service_made_up_is_refused(self):
        handle = self.handle()
        # The last one is what a service does that passes on an event it has got: a pointer and a size.
        for code in (f"core.send(':{handle}', 6, 0, ('x'):rep(24))", f"core.redirect(':{handle}', 99, 6, 7, 'short')",
                     f"core.redirect(':{handle}', 0xabc, 6, 0, core.pack(('x'):rep(24)))"):
            self.probe(code)
            self.assertEqual(self.probe("return 'alive'"), "alive")
        for source in (handle.zfill(8), "00000063", "00000abc"):
            self.node.wait_for_line(rf"^\[:{handle.zfill(8)}\] lua call \[.*a socket event that :{source} sent is refused: "
                                    "only the runtime's are believed, hand the socket over instead")

    def test_frames_come_whole_however_they_arrive(self):
        listener, port = self.listen()
        clients = [self.accept(listener, port) for _ in range(3)]
        for _, accepted in clients:
            self.probe(f"framed[{accepted}] = true")
        framed = [b"", b"one", b"x" * 40000, b"last"]
        stream = b"".join(len(frame).to_bytes(2, "big") + frame for frame in framed)
        for position in range(0, len(stream), 9973):
            for client, _ in clients:
                client.sendall(stream[position:position + 9973])
        for client, _ in clients:
            client.sendall(b"\0\x09unfinish")
            client.shutdown(socket.SHUT_WR)
        got = []

        def all_closed():
            got.extend(line for line in self.probe("return frames()").split("|") if line)
            return sum(line.startswith("close") for line in got) == len(clients)

        wait_until(all_closed, "three ends")
        for _, accepted in clients:
            own = [line for line in got if str(accepted) in line.split(" ", 1)[0] or line == f"close {accepted}"]
            self.assertEqual(own, [f"{accepted} {frame.decode()}" for frame in framed] + [f"close {accepted}"])


class ResolveTest(LuaTest):
    def test_names_are_looked_up_while_the_coroutine_waits(self):
        environment = {"LD_PRELOAD": str(BUILD / "tests/modules/hanging_names.so")}
        if "address" in SANITIZE:
            environment["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        node = self.run_script("resolve_script", bootstrap="snlua resolve_script", environment=environment,
                               dns_timeout=700)
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main()
