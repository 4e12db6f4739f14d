#!/usr/bin/env python3
"""The examples in Lua serve real clients, the chat room with an agent service for each."""
import re
import resource
import selectors
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

from lua_node import ROOT, SETTINGS, LuaTest
from node import (IS_FULL, SANITIZE, connect, for_each_mode, frame, free_port, full_or, is_asleep,  # noqa: E402
                  receive_all, wait_until)

sys.path.insert(0, str(ROOT / "examples" / "chat"))
from client import Guest  # noqa: E402

AT_ONCE = full_or(2000, 50 if SANITIZE else 300)
AT_ONCE_SECONDS = 2.0  # what is promised for 2,000 clients on a quiet machine


class ExampleTest(LuaTest):
    def begin_to_connect(self, port):
        connection = socket.socket()
        self.addCleanup(connection.close)
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", port))
        return connection

    def start_example(self, name, pattern, **settings):
        """The main script of an example: (node, the port that it logs)."""
        services = f"{ROOT}/examples/{name}/?.lua;{SETTINGS['luaservice']}"
        node = self.start_lua("main", luaservice=services, **settings)
        return node, int(node.wait_for_line(pattern)[1])


class ChatTest(ExampleTest):
    def start_chat(self, **settings):
        return self.start_example("chat", r"chat on 127\.0\.0\.1:(\d+)$", **{
            "chat_host": "127.0.0.1", "chat_port": 0, "chat_maxclient": 4000, **settings})

    def enter(self, port, name):
        guest = Guest(port, name=name)
        self.addCleanup(guest.close)
        self.assertEqual(guest.receive(), "who are you?")
        guest.send(name)
        return guest, guest.receive()

    def assert_all_agents_end(self, node, empty_count=1):
        """The room is empty (for the n-th time), and every agent that was launched has ended itself."""
        node.wait_for_line(r"the last client has gone$", count=empty_count)
        agents = re.findall(r"^\[:([0-9a-f]{8})\] LAUNCH snlua agent$", node.log(), re.MULTILINE)
        self.assertTrue(agents)
        for agent in agents:
            node.wait_for_line(rf"^\[:{agent}\] KILL self$")
        return len(agents)

    @for_each_mode
    def test_guests_hear_each_other_and_their_agents_go_with_them(self, net_threads):
        node, port = self.start_chat(net_threads=net_threads)
        anna, welcome = self.enter(port, "anna")
        self.assertEqual(welcome, "welcome anna, 1 here")
        bert, welcome = self.enter(port, "bert")
        self.assertEqual(welcome, "welcome bert, 2 here")
        self.assertEqual(anna.receive(), "* bert comes in")
        bert.send("hello")
        self.assertEqual([anna.receive(), bert.receive()], ["bert: hello"] * 2)
        anna.send("/agents")
        self.assertEqual(anna.receive(), "2 agents")
        bert.close()
        self.assertEqual(anna.receive(), "* bert has left")
        anna.send("/who")
        self.assertEqual(anna.receive(), "anna")
        anna.send("/agents")
        self.assertEqual(anna.receive(), "1 agents")
        anna.send("/quit")
        self.assertEqual([anna.receive(), anna.receive()], ["bye", None])
        self.assertEqual(self.assert_all_agents_end(node), 2)
        self.assert_stops(node)

    def test_frames_in_pieces_and_glued_together_reach_the_agent_whole(self):
        node, port = self.start_chat()
        guest, _ = self.enter(port, "anna")
        lines = ["one", "x" * 1000, "two"] + [f"line {i}" for i in range(500)]
        stream = b"".join(frame(line.encode()) for line in lines)
        guest.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(20):
            guest.connection.sendall(stream[i:i + 1])
        guest.connection.sendall(stream[20:1500])
        guest.connection.sendall(stream[1500:])
        self.assertEqual([guest.receive() for _ in lines], [f"anna: {line}" for line in lines])

    def test_bad_names_and_lines_are_refused(self):
        _, port = self.start_chat()
        guest, answer = self.enter(port, "no name")
        self.assertEqual(answer, "a name has 1 to 20 letters and digits")
        guest.send("anna")
        self.assertEqual(guest.receive(), "welcome anna, 1 here")
        other, answer = self.enter(port, "anna")
        self.assertEqual(answer, "anna is here already")
        guest.send("/dance")
        self.assertEqual(guest.receive(), "there is no /dance; there are /who /agents /quit")
        guest.send("x" * 1001)
        self.assertEqual(guest.receive(), "a line has at most 1000 bytes, not 1001")
        other.send("bert")
        self.assertEqual(other.receive(), "welcome bert, 2 here")

    def test_clients_that_vanish_at_once_leave_nothing(self):
        node, port = self.start_chat()
        for i in range(30):
            with connect(port) as client:
                if i % 3 == 1:
                    client.sendall(frame(b"guest%d" % i))
                if i % 3 == 2:  # a reset instead of an end
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        anna, welcome = self.enter(port, "anna")
        self.assertRegex(welcome, r"^welcome anna, \d+ here$")

        def hears(request, wanted):
            anna.send(request)
            text = anna.receive()
            while text.startswith("* "):  # who comes and goes meanwhile
                text = anna.receive()
            return text == wanted

        wait_until(lambda: hears("/agents", "1 agents"), "the others' agents have gone")
        wait_until(lambda: hears("/who", "anna"), "the others have left the room")
        anna.close()
        node.wait_for_line(r"the last client has gone$")
        self.assert_stops(node)

    def connect_at_once(self, port, count):
        """Clients that all connect together: their connections, each with its agent's first line, and the seconds."""
        selector = selectors.DefaultSelector()
        connections, received = [], {}
        begin = time.monotonic()
        for _ in range(count):
            connection = self.begin_to_connect(port)
            selector.register(connection, selectors.EVENT_READ)
            connections.append(connection)
            received[connection] = b""
        waiting = count
        while waiting:
            events = selector.select(60)
            self.assertTrue(events, f"{waiting} of {count} clients have no agent after a minute")
            for key, _ in events:
                connection = key.fileobj
                received[connection] += connection.recv(100)  # raises when it was refused
                self.assertNotEqual(received[connection], b"", "the gate closed a client")
                if received[connection] == frame(b"who are you?"):
                    selector.unregister(connection)
                    waiting -= 1
        seconds = time.monotonic() - begin
        selector.close()
        for connection in connections:
            connection.setblocking(True)
            connection.settimeout(60)
        return connections, seconds

    def test_many_clients_at_once_get_an_agent_each(self):
        node, port = self.start_chat()
        connections, seconds = self.connect_at_once(port, AT_ONCE)
        print(f"  {AT_ONCE} clients have an agent each after {seconds:.2f} s", flush=True)
        if IS_FULL and not SANITIZE:
            self.assertLess(seconds, AT_ONCE_SECONDS)
        connections[0].sendall(frame(b"/agents"))
        wanted = frame(b"%d agents" % AT_ONCE)
        self.assertEqual(connections[0].recv(100), wanted)
        for connection in connections:
            connection.close()
        self.assertEqual(self.assert_all_agents_end(node), AT_ONCE)
        self.assert_stops(node)


class OtherExamplesTest(ExampleTest):
    @for_each_mode
    def test_the_echo_server_answers(self, net_threads):
        node, port = self.start_example("echo_lua", r"echo on 127\.0\.0\.1:(\d+)$", echo_host="127.0.0.1",
                                        echo_port=0, net_threads=net_threads)
        self.load(port, "--connections", 20, "--size", "1-5000", "--messages", 4000)
        self.load(port, "--connections", 10, "--size", 64, "--churn", 200)
        self.assert_stops(node)

    def test_a_full_descriptor_table_does_not_end_the_echo_server(self):
        node, port = self.start_example("echo_lua", r"echo on 127\.0\.0\.1:(\d+)$", echo_host="127.0.0.1", echo_port=0,
                                        preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
        crowd = [self.begin_to_connect(port) for _ in range(100)]
        node.wait_for_line(r"socket: accept error: Too many open files$")
        for client in crowd:
            client.close()

        def is_served():
            with connect(port) as client:
                try:
                    client.sendall(b"hello")
                    return client.recv(5) == b"hello"
                except ConnectionResetError:
                    return False

        wait_until(is_served, "newcomers are served again")
        self.assert_stops(node)

    def test_the_echo_server_holds_back_who_does_not_read(self):
        node, port = self.start_example("echo_lua", r"echo on 127\.0\.0\.1:(\d+)$", echo_host="127.0.0.1",
                                        echo_port=0)
        text = bytes(i % 251 for i in range(1 << 20)) * 40
        before = node.rss_kib()
        with connect(port) as client:
            client.setblocking(False)
            sent, was_asleep = 0, False
            while sent < len(text):
                try:
                    sent += client.send(text[sent:sent + (1 << 16)])
                    was_asleep = False
                except BlockingIOError:  # twice, with all of the server asleep between: it takes no more
                    if was_asleep:
                        break
                    wait_until(lambda: is_asleep(node.pid), "the server has done what it could")
                    was_asleep = True
            self.assertLess(sent, len(text), "the server read all of it without writing")
            if not SANITIZE:
                self.assertLess(node.rss_kib() - before, 16 << 10)
            client.setblocking(True)
            client.settimeout(60)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(client), text[:sent])
        self.assert_stops(node)

    def test_the_key_value_store_keeps_values(self):
        node, port = self.start_example("kv_lua", r"kv on 127\.0\.0\.1:(\d+)$", kv_host="127.0.0.1", kv_port=0)
        with connect(port) as one, connect(port) as two:
            for client, request, wanted in (
                    (one, "SET a 1 and 2", "OK"), (two, "GET a", "VALUE 1 and 2"), (two, "get a\r", "VALUE 1 and 2"),
                    (two, "GET b", "NONE"), (one, "SET a 3", "OK"), (two, "COUNT", "VALUE 1"), (two, "DEL a", "OK"),
                    (one, "DEL a", "NONE"), (one, "COUNT", "VALUE 0"), (one, "SET a", "ERROR SET needs a key and a value"),
                    (one, "JUMP", "ERROR there is no such request; there are SET GET DEL COUNT QUIT"),
                    (one, "", "ERROR there is no such request; there are SET GET DEL COUNT QUIT"),
                    (one, "QUIT", "BYE")):
                client.sendall(request.encode() + b"\n")
                self.assertEqual(client.makefile("rb").readline(), wanted.encode() + b"\n", request)
            self.assertEqual(receive_all(one), b"")
            lines = b"".join(b"SET key%d %d\n" % (i, i) for i in range(3000))
            two.sendall(lines + b"COUNT\n")
            stream = two.makefile("rb")
            self.assertEqual({stream.readline() for _ in range(3000)}, {b"OK\n"})
            self.assertEqual(stream.readline(), b"VALUE 3000\n")
        self.assert_stops(node)

    def test_the_key_value_store_closes_who_never_ends_a_line(self):
        _, port = self.start_example("kv_lua", r"kv on 127\.0\.0\.1:(\d+)$", kv_host="127.0.0.1", kv_port=0)
        with connect(port) as client, self.assertRaises((BrokenPipeError, ConnectionResetError)):
            while True:
                client.sendall(b"x" * 65536)

    def test_prices_of_the_shop_change_while_it_is_open(self):
        example = ROOT / "examples" / "live_config_lua"
        with tempfile.TemporaryDirectory() as folder:
            prices = shutil.copy(example / "prices.lua", folder)
            node, port = self.start_example("live_config_lua", r"shop on 127\.0\.0\.1:(\d+)$", shop_host="127.0.0.1",
                                            shop_port=0, shop_prices=prices)
            subprocess.run([sys.executable, example / "client.py", str(port), prices], check=True, timeout=120)
            self.assertRegex(node.log(), "the prices stay: ")
            self.assert_stops(node)

    def test_the_udp_service_counts_by_sender(self):
        node, port = self.start_example("udp_lua", r"udp on 127\.0\.0\.1:(\d+)$", udp_host="127.0.0.1",
                                        udp_port=free_port(socket.SOCK_DGRAM))
        with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
            for client, count, text in ((one, 1, b"hello"), (one, 2, b""), (two, 1, b"x" * 9000), (one, 3, b"bye")):
                client.settimeout(60)
                client.connect(("127.0.0.1", port))
                client.send(text)
                host, own_port = client.getsockname()
                self.assertEqual(client.recv(65536), b"%s:%d #%d %s" % (host.encode(), own_port, count, text))
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main()
