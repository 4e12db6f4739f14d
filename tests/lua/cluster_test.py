#!/usr/bin/env python3
"""Calls between nodes: ours with each other, and ours with a node in Python that knows the protocol only."""
import hashlib
import hmac
import os
import signal
import socket
import struct
import sys
import tempfile
import unittest

from cluster_peer import PART, POINTER, Callee, Caller, Link, answer_packets, framed, pack, request_packets
from lua_node import HERE, ROOT, SETTINGS, LuaTest
from node import connect, free_port, wait_until


class ClusterTest(LuaTest):
    def start_callee(self, start="cluster_node", **settings):
        node = self.start_lua(start, **settings)
        line = node.wait_for_line(r"cluster on 127\.0\.0\.1:(\d+), sdb is (\d+), this is (\d+)$")
        node.port, node.sdb, node.main = (int(text) for text in line.groups())
        return node

    def caller(self, node):
        caller = Caller(node.port)
        self.addCleanup(caller.close)
        return caller

    def callee(self, serve):
        callee = Callee(serve)
        self.addCleanup(callee.close)
        return callee

    def assert_ends(self, link):
        """The node closes the connection."""
        while link.receive() is not None:
            pass

    def assert_echo(self, caller):
        self.assertEqual(caller.call("@sdb", "echo", "well"), (True, pack("well")))


class OurNodesTest(ClusterTest):
    def test_two_nodes_call_each_other_in_every_way(self):
        callee = self.start_callee(snax=f"{HERE}/snax/?.lua")
        caller = self.run_script("cluster_script", peer_port=callee.port, own_port=free_port(),
                                 snax=f"{HERE}/snax/?.lua")
        self.assert_stops(caller)
        self.assert_stops(callee)

    def test_requests_that_wait_for_a_name_end_with_their_connection(self):
        self.assert_stops(self.run_script("cluster_agent_script"))

    def test_K48_calls_of_a_node_that_dies_or_stops_end_with_an_error(self):
        for number, settings in ((signal.SIGKILL, {}), (signal.SIGSTOP, {"cluster_call_timeout": 1000}),
                                 (signal.SIGSTOP, {"cluster_silence_timeout": 600})):
            callee = self.start_callee()
            caller = self.start_lua("cluster_caller", scenario="hang", peer_port=callee.port, **settings)
            caller.wait_for_line("outcome of ready: $")
            callee.signal(number)
            for i in (1, 2, 3):
                caller.wait_for_line(f"outcome of hanging {i}: failed$")
            self.assert_stops(caller)
            if number == signal.SIGSTOP:
                callee.signal(signal.SIGCONT)
                self.assert_stops(callee)
            else:
                self.assertEqual(callee.wait(), -number)

    def test_K48_after_a_change_of_address_no_call_reaches_the_old_node(self):
        ports = [free_port(), free_port()]
        callees = [self.start_callee(cluster_port=port) for port in ports]
        caller = self.start_lua("cluster_caller", scenario="move", peer_port=ports[0], ports=",".join(map(str, ports)))
        self.assertEqual(caller.wait_for_line(r"(\d+) calls reached the wrong node")[1], "0")
        for node in (caller, *callees):
            self.assert_stops(node)

    def test_a_key_that_makes_no_sense_is_named(self):
        for key, value in (("cluster_message_max", "64X"), ("cluster_pending_max", "-1"),
                           ("cluster_exported_only", "yes")):
            node = self.start_callee(**{key: value})
            self.assert_ends(Link(connect(node.port)))
            node.wait_for_line(f'the key {key} is "{value}": it should be')

    def test_with_the_same_secret_they_call_each_other(self):
        callee = self.start_callee(cluster_secret="xyzzy")
        caller = self.start_lua("cluster_caller", scenario="lost", peer_port=callee.port, cluster_secret="xyzzy",
                                cluster_call_timeout=300)
        caller.wait_for_line("outcome of never 1: failed")
        self.assertNotIn("secret", caller.log() + callee.log())
        self.assertIn("Invalid name", caller.log())

    def test_with_another_secret_or_none_nobody_is_called(self):
        callee = self.start_callee(cluster_secret="xyzzy")
        wrong = self.start_lua("cluster_caller", scenario="lies", lies="x", peer_port=callee.port,
                               cluster_secret="plugh")
        wrong.wait_for_line("does not know the secret")
        wrong.wait_for_line("outcome of after x: failed")
        without = self.start_lua("cluster_caller", scenario="lies", lies="x", peer_port=callee.port)
        without.wait_for_line("outcome of after x: failed")
        callee.wait_for_line("the other side does not ask for the secret")


class ExampleTest(ClusterTest):
    def test_the_two_nodes_of_the_example_understand_each_other(self):
        services = f"{ROOT}/examples/cluster/?.lua;{SETTINGS['luaservice']}"
        ports = [free_port(), free_port()]
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as table:
            table.write('db = "127.0.0.1:%d"\nworld = "127.0.0.1:%d"\n' % tuple(ports))
            table.flush()
            db = self.start_lua("db", luaservice=services, cluster=table.name)
            db.wait_for_line("db is open")
            world = self.start_lua("world", luaservice=services, cluster=table.name)
            world.wait_for_line("the two nodes understand each other")
        self.assert_stops(world)
        self.assert_stops(db)


class ShapesTest(ClusterTest):
    def test_programs_in_the_manner_of_skynets_examples_run(self):
        ports = [free_port(), free_port()]
        snax = {"snax": f"{HERE}/snax/?.lua"}
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as table:
            table.write('__nowaiting = true\ndb = "127.0.0.1:%d"\ndb2 = "127.0.0.1:%d"\n' % tuple(ports))
            table.flush()
            one = self.start_lua("cluster_shape1", cluster=table.name, **snax)
            one.wait_for_line("both are open")
            two = self.start_lua("cluster_shape2", cluster=table.name, db2_port=ports[1], **snax)
            for line in ("get a: foobar$", "get b: foobar2$", "large: 102400$", "ping: pong hello$",
                         "down: false$"):
                two.wait_for_line(line)
            one.wait_for_line("heard through the proxy$")
            one.wait_for_line("heard 102415 bytes$")
        self.assert_stops(two)
        self.assert_stops(one)


    def test_services_in_the_manner_of_skynets_run_on_the_module(self):
        ours, bare = self.start_callee(), self.start_callee("cluster_bare_node")
        for callee in (ours, bare):
            self.assert_stops(self.run_script("cluster_bare_caller", peer_port=callee.port))
            callee.wait_for_line(r"<TRACE \(bare-peer-1\):00000001-1> .*tracecall begin")
            self.assert_stops(callee)


class CalledTest(ClusterTest):
    """A node in Python calls ours."""

    def test_requests_of_every_kind_are_answered_byte_for_byte(self):
        node = self.start_callee()
        caller = self.caller(node)
        for address in ("@sdb", ".sdb", node.sdb):
            self.assertEqual(caller.call(address, "echo", "a", 1, None), (True, pack("a", 1, None)))
            for size in (32740, 32760, 32768, 32769, 65535, 65536, 300000):
                text = os.urandom(size)
                self.assertEqual(caller.call(address, "echo", text), (True, pack(text)))
            caller.push(address, "note", "small", address)
            caller.push(address, "note", "large", "x" * 40000)
        node.wait_for_line("noted large x", count=3)
        node.wait_for_line("noted small", count=3)
        self.assertEqual(caller.call("@sdb", "echo", "end"), (True, pack("end")))
        self.assert_stops(node)

    def test_an_answer_of_32_kib_is_whole_and_one_byte_more_makes_parts(self):
        caller = self.caller(self.start_callee())
        for size in (PART - 3, PART - 2):  # three bytes say that it is a string
            is_ok, payload = caller.call("@sdb", "text", size)
            self.assertEqual((is_ok, len(payload)), (True, size + 3))

    def test_errors_have_the_texts_of_the_protocol(self):
        caller = self.caller(self.start_callee())
        self.assertEqual(caller.call("@nobody", "echo"), (False, b"Invalid name"))
        self.assertEqual(caller.call(0, "nobody"), (False, b"name not found"))
        is_ok, text = caller.call("@sdb", "fail")
        self.assertFalse(is_ok)
        self.assertIn(b"call failed", text)
        is_ok, text = caller.call(0x7fffff, "echo")
        self.assertFalse(is_ok)
        self.assertIn(b"007fffff", text)
        caller.send(b"\x03" + struct.pack("<I", 99) + b"rest")  # the end of nothing
        self.assertEqual(caller.answer(99), (False, b"Invalid large req"))
        caller.send(*request_packets("@sdb", 77, pack("size", "x" * PART))[:1],
                    b"\x03" + struct.pack("<I", 77) + b"not all of it")
        self.assertEqual(caller.answer(77), (False, b"Invalid large req"))
        self.assert_echo(caller)

    def test_a_name_is_asked_for_and_called_by_its_handle(self):
        node = self.start_callee()
        caller = self.caller(node)
        self.assertEqual(caller.call(0, "sdb"), (True, pack(node.sdb)))
        self.assertEqual(caller.call(node.sdb, "echo", 1), (True, pack(1)))

    def test_pushes_are_not_answered_and_keep_their_order(self):
        node = self.start_callee()
        caller = self.caller(node)
        for i in range(100):
            caller.push("@sdb", "keep", i)
        caller.push("@nobody", "keep", 1)
        caller.push(0, "sdb")
        self.assert_echo(caller)
        is_ok, payload = caller.call("@sdb", "kept")
        self.assertTrue(is_ok)
        numbers = b"".join(pack(i) for i in range(100))
        self.assertIn(numbers, payload)

    def test_requests_between_the_parts_of_others_are_answered(self):
        caller = self.caller(self.start_callee())
        one, two = (request_packets("@sdb", session, pack("size", "x" * 100000)) for session in (1001, 1002))
        for a, b in zip(one, two):
            caller.send(a, b)
            if a != one[-1]:
                self.assert_echo(caller)
        self.assertEqual({caller.receive() for _ in range(2)},
                         {answer_packets(session, True, pack(100000))[0] for session in (1001, 1002)})

    def test_packets_in_single_bytes_and_glued_together_are_read(self):
        caller = self.caller(self.start_callee())
        caller.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = b"".join(framed(request_packets("@sdb", session, pack("echo", session))[0])
                          for session in range(1, 51))
        for i in range(60):
            caller.connection.sendall(stream[i:i + 1])
        caller.connection.sendall(stream[60:])
        for session in range(1, 51):
            self.assertEqual(caller.answer(session), (True, pack(session)))

    def test_a_connection_whose_agent_is_killed_ends(self):
        # It stayed, and who called was left to its deadlines.
        node = self.start_callee()
        callers = [self.caller(node) for _ in range(2)]
        for caller in callers:
            self.assert_echo(caller)
        callers[0].push("@sdb", "kill_agents")
        for caller in callers:
            self.assert_ends(caller)
        self.assert_echo(self.caller(node))

    def test_a_trace_goes_with_the_next_request_only(self):
        node = self.start_callee()
        caller = self.caller(node)
        caller.send(b"\x04(other-1)tag")
        self.assert_echo(caller)
        node.wait_for_line(r"<TRACE \(other-1\)tag> .*tracecall begin")
        self.assert_echo(caller)
        self.assertEqual(node.log().count("tracecall begin"), 1)

    def test_only_exported_names_are_called_when_the_configuration_says_so(self):
        node = self.start_callee(cluster_exported_only="true")
        caller = self.caller(node)
        self.assert_echo(caller)
        self.assertEqual(caller.call(node.sdb, "echo", 1), (True, pack(1)))
        for address in (node.main, ".sdb", ".launcher", ".service"):
            self.assertEqual(caller.call(address, "echo", 1), (False, b"Invalid name"))


class HostileCallerTest(ClusterTest):
    LIES = (
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        framed(b""),
        framed(b"\x05"),
        framed(b"\x07" * 100),
        framed(b"\x00\x01\x02"),
        framed(b"\x80\xff" + b"short"),
        framed(b"\x80\x00" + struct.pack("<I", 1)),
        framed(b"\x00" + struct.pack("<II", 1, 0x80000000)),
        framed(b"\x00" + struct.pack("<II", 1, 1) + b"x" * PART),
        framed(b"\x01" + struct.pack("<II", 1, 1)),
        framed(b"\x01" + struct.pack("<III", 1, 0, 100000)),
        framed(b"\x02" + struct.pack("<I", 1) + b"x" * (PART + 1)),
        2 * framed(b"\x01" + struct.pack("<III", 1, 5, 100000)),
    )

    def test_K49_wrong_bytes_end_their_connection_and_disturb_nobody(self):
        node = self.start_callee()
        caller = self.caller(node)
        self.assert_echo(caller)
        for lie in self.LIES:
            with self.subTest(lie[:30]):
                liar = Link(connect(node.port))
                liar.connection.sendall(lie)
                if lie[:2] in (b"GE", b"SS"):  # a length that does not come
                    liar.connection.shutdown(socket.SHUT_WR)
                self.assert_ends(liar)
                liar.close()
                self.assert_echo(caller)
        self.assertLessEqual(node.log().count("cluster:"), len(self.LIES) + 1, node.story())  # and where it listens
        self.assert_stops(node)

    def test_K49_half_packets_and_vanished_callers_leave_nothing(self):
        node = self.start_callee()
        caller = self.caller(node)
        packets = request_packets("@sdb", 5, pack("size", "x" * 50000))
        stream = b"".join(map(framed, packets))
        self.assert_echo(caller)
        count = node.fd_count()
        for size in (0, 1, 2, 3, 10, len(framed(packets[0])), 30000, 40000, len(stream) - 1):
            liar = Link(connect(node.port))
            liar.connection.sendall(stream[:size])
            liar.close()
        wait_until(lambda: node.fd_count() == count, "their descriptors are closed")
        self.assert_echo(caller)
        self.assert_stops(node)

    def test_K49_a_size_that_lies_costs_nothing_before_its_bytes_come(self):
        node = self.start_callee(cluster_message_max="4095M", cluster_pending_timeout=60000)
        caller = self.caller(node)
        self.assert_echo(caller)
        before = node.rss_kib()
        for session in range(1, 1001):
            caller.send(b"\x01" + struct.pack("<III", 1, 1000 + session, 0xEFFFFFFF))
        self.assert_echo(caller)
        self.assertLess(node.rss_kib() - before, 16 << 10)

    def test_what_is_too_large_gets_an_error_and_the_rest_is_served(self):
        node = self.start_callee(cluster_message_max=100000)
        caller = self.caller(node)
        caller.send(*request_packets("@sdb", 50, pack("size", "x" * 100001)))
        is_ok, text = caller.answer(50)
        self.assertFalse(is_ok)
        self.assertRegex(text, rb"^Invalid large req: 1000\d\d bytes, the limit is 100000$")
        self.assertEqual(caller.call("@sdb", "size", "x" * 90000), (True, pack(90000)))
        caller.send(*request_packets("@sdb", 51, pack("size", "x" * 100001), is_push=True))
        self.assert_echo(caller)
        node.wait_for_line("push to @sdb dropped: Invalid large req")
        # Announced is less than what comes.
        packets = request_packets("@sdb", 52, pack("size", "x" * 90000))
        packets[0] = packets[0][:-4] + struct.pack("<I", 40000)
        caller.send(*packets)
        self.assertEqual(caller.answer(52)[0], False)
        self.assert_echo(caller)

    def test_unfinished_requests_are_limited_in_number_and_bytes(self):
        node = self.start_callee(cluster_pending_max=4, cluster_pending_bytes=215000)
        caller = self.caller(node)
        begun = [request_packets("@sdb", session, pack("size", "x" * 70000)) for session in range(11, 17)]
        for packets in begun:
            caller.send(packets[0])
        for packets in begun[4:]:  # they were too many
            caller.send(*packets[1:])
        self.assertEqual(caller.answer(15), (False, b"Invalid large req"))
        self.assertEqual(caller.answer(16), (False, b"Invalid large req"))
        for packets in begun[:4]:
            caller.send(*packets[1:-1])  # 4 * 64 KiB: the last one has no room
        for packets in begun[:4]:
            caller.send(packets[-1])
        answers = [answer_packets(session, True, pack(70000))[0] for session in (11, 12, 13)]
        answers += answer_packets(14, False, b"Invalid large req: more than 215000 bytes are unfinished")
        self.assertEqual(sorted(caller.receive() for _ in range(4)), sorted(answers))
        caller.send(*request_packets("@sdb", 20, pack("size", "x" * 70000)))
        self.assertEqual(caller.answer(20), (True, pack(70000)))

    def test_a_request_that_does_not_end_is_refused_after_its_time(self):
        caller = self.caller(self.start_callee(cluster_pending_timeout=200))
        caller.send(*request_packets("@sdb", 9, pack("size", "x" * 70000))[:-1])
        self.assertEqual(caller.answer(9), (False, b"Invalid large req: unfinished for too long"))
        self.assert_echo(caller)

    def test_a_flood_of_requests_that_nobody_answers_ends_its_connection_only(self):
        node = self.start_callee(cluster_requests_max=100)
        caller, flood = self.caller(node), self.caller(node)
        self.assert_echo(caller)
        for _ in range(100):
            flood.session += 1
            flood.send(*request_packets("@sdb", flood.session, pack("never")))
        self.assert_echo(caller)
        flood.send(*request_packets("@sdb", 101, pack("never")))
        self.assert_ends(flood)
        node.wait_for_line("100 requests wait for their answers")
        self.assert_echo(caller)

    def test_no_pointer_comes_in(self):
        node = self.start_callee()
        caller = self.caller(node)
        caller.send(*request_packets("@sdb", 5, pack("echo") + POINTER))
        self.assertEqual(caller.answer(5)[0], False)
        caller.send(*request_packets("@sdb", 6, pack("echo", "x" * 50000) + POINTER))
        self.assertEqual(caller.answer(6), (False, b"Invalid large req"))
        caller.send(*request_packets("@sdb", 7, pack("echo") + POINTER, is_push=True))
        self.assert_echo(caller)
        self.assert_stops(node)

    def test_exactly_maxclient_connections_are_admitted(self):
        node = self.start_callee(cluster_maxclient=2)
        one, two = self.caller(node), self.caller(node)
        self.assert_echo(one)
        self.assert_echo(two)
        self.assert_ends(Link(connect(node.port)))
        two.close()

        def is_served():
            with socket.create_connection(("127.0.0.1", node.port), timeout=60) as connection:
                link = Link(connection)
                try:
                    link.send(*request_packets("@sdb", 1, pack("echo")))
                    return link.receive() is not None
                except OSError:
                    return False

        wait_until(is_served, "there is room again")

    def test_without_the_secret_nothing_is_answered(self):
        node = self.start_callee(cluster_secret="xyzzy", cluster_auth_timeout=300)
        for lie in (framed(b"\x05short"), framed(b"\x05" + b"c" * 17), framed(request_packets("@sdb", 1, pack("echo"))[0])):
            liar = Link(connect(node.port))
            liar.connection.sendall(lie)
            self.assertIsNone(liar.receive())
        silent = Link(connect(node.port))
        self.assertIsNone(silent.receive())
        node.wait_for_line("did not prove in time")

        def greet(secret):
            caller = self.caller(node)
            chance = os.urandom(16)
            caller.send(b"\x05" + chance)
            reply = caller.receive()
            # A packed string of 36 bytes.
            self.assertEqual(reply[:8], b"\0\0\0\0\x01" + b"\x15\x24\0")
            other, proof = reply[8:24], reply[24:]
            wanted = hmac.new(b"xyzzy", b"callee" + chance + other, hashlib.sha1).digest()
            self.assertEqual(proof, wanted)
            caller.send(b"\x06" + hmac.new(secret, b"caller" + chance + other, hashlib.sha1).digest())
            return caller

        self.assert_echo(greet(b"xyzzy"))
        self.assert_ends(greet(b"plugh"))
        node.wait_for_line("does not know the secret")


class CallingTest(ClusterTest):
    """Our node calls one in Python."""

    def start_caller(self, scenario, callee, **settings):
        return self.start_lua("cluster_caller", scenario=scenario, peer_port=callee.port, **settings)

    @staticmethod
    def session_of(packet):
        """Of a small request; 0 for a push."""
        at = 2 + packet[1] if packet[0] == 0x80 else 5
        return struct.unpack_from("<I", packet, at)[0], packet[at + 4:]

    def test_requests_are_sent_byte_for_byte(self):
        large = {}

        def serve(link, packet):
            if packet[0] in (0x00, 0x80):
                session, payload = self.session_of(packet)
                if session:
                    link.send(*answer_packets(session, True, payload))
            elif packet[0] in (0x01, 0x81):
                session, _ = struct.unpack("<II", packet[-8:])
                large[session] = b""
            elif packet[0] in (0x02, 0x03):
                session = struct.unpack_from("<I", packet, 1)[0]
                if session in large:
                    large[session] += packet[5:]
                    if packet[0] == 0x03:
                        link.send(*answer_packets(session, True, large.pop(session)))

        callee = self.callee(serve)
        node = self.start_caller("bytes", callee)
        node.wait_for_line("the scenario is done")
        sessions = iter(range(1, 100))
        expected = []
        for address, payload, is_push in (
                ("@echo", pack(1, "a"), False), (0x01020304, pack("abc", True), False), (".echo", b"", False),
                ("@echo", pack("pushed"), True), ("@echo", pack(2), False),
                ("@echo", pack("s" * (PART - 4)), False), ("@echo", pack("l" * (PART - 3)), False),
                (7, pack("L" * 100000), False), ("@echo", pack("P" * 70000), True), (0, pack("sdb"), False)):
            expected += request_packets(address, next(sessions), payload, is_push)
        wait_until(lambda: len(callee.packets) == len(expected), "all packets have come")
        # The parts of the large push may come behind the small query.
        self.assertEqual(sorted(callee.packets), sorted(expected))
        self.assertEqual(callee.packets[:7], expected[:7])
        for name, payload in (("by name", pack(1, "a")), ("by handle", pack("abc", True)), ("plain name", b""),
                              ("between", pack(2)), ("query", pack("sdb"))):
            node.wait_for_line(f"outcome of {name}: {payload.hex()}$")
        node.wait_for_line(f"outcome of just small: {PART - 1}$")
        node.wait_for_line(f"outcome of just large: {PART}$")
        node.wait_for_line("outcome of large: 100005$")
        self.assert_stops(node)

    def test_K49_wrong_answers_fail_their_calls_and_the_next_ones_succeed(self):
        def head(session, kind):
            return struct.pack("<IB", session, kind)

        lies = {
            "type": lambda s: [head(s, 5)],
            "short": lambda s: [b"\x01\x00\x00"],
            "empty": lambda s: [b""],
            "size": lambda s: [head(s, 2) + b"\x01"],
            "part": lambda s: [head(s, 3) + b"x"],
            "more": lambda s: [head(s, 2) + struct.pack("<I", 3), head(s, 3) + b"xxxx"],
            "less": lambda s: [head(s, 2) + struct.pack("<I", 3), head(s, 4) + b"xx"],
            "huge": lambda s: [head(s, 2) + struct.pack("<I", 0xFFFFFFFF), head(s, 3) + b"x", head(s, 4) + b"x"],
            "pointer": lambda s: [head(s, 1) + POINTER],
            "pointers": lambda s: answer_packets(s, True, pack("x" * 40000) + POINTER),
            "error": lambda s: [head(s, 0) + b"oops"],
            "never": lambda s: [head(s + 100000, 1) + b"", head(0, 1)],  # others' answers
        }

        def serve(link, packet):
            session, payload = self.session_of(packet)
            name = packet[3:2 + packet[1]].decode()
            if name == "cut":
                link.connection.shutdown(socket.SHUT_RDWR)
            elif name == "half":
                link.connection.sendall(b"\x00\x09\x01")
                link.connection.shutdown(socket.SHUT_RDWR)
            elif name in lies:
                link.send(*lies[name](session))
            else:
                link.send(*answer_packets(session, True, payload))

        callee = self.callee(serve)
        names = [*lies, "cut", "half"]
        node = self.start_caller("lies", callee, lies=" ".join(names), cluster_call_timeout=300)
        node.wait_for_line("the scenario is done")
        for name in names:
            node.wait_for_line(f"outcome of {name}: failed$")
            node.wait_for_line(f"outcome of after {name}: $")
        node.wait_for_line("call of @error in node peer failed: oops")
        node.wait_for_line("call of @never in node peer failed: no answer within 300 ms")
        self.assert_stops(node)

    def test_K48_all_calls_end_when_the_node_is_lost(self):
        got = []
        callee = self.callee(lambda link, packet: got.append(packet))
        node = self.start_caller("lost", callee)
        wait_until(lambda: len(got) == 3, "three calls wait")
        callee.close()
        for i in (1, 2, 3):
            node.wait_for_line(f"outcome of never {i}: failed$")

    def test_a_node_that_answers_slowly_but_is_there_is_waited_for(self):
        asked = []

        def serve(link, packet):
            if packet[:5] == bytes(5):
                session = struct.unpack_from("<I", packet, 5)[0]
                asked.append(packet[9:])
                link.send(*answer_packets(session, False, b"name not found"))

        node = self.start_caller("lost", self.callee(serve), cluster_silence_timeout=200, cluster_call_timeout=1500)
        for i in (1, 2, 3):
            node.wait_for_line(f"outcome of never {i}: failed$")
        self.assertEqual(set(asked), {pack("")})
        self.assertEqual(node.log().count("no answer within 1500 ms"), 3)
        self.assertNotIn("is silent", node.log())
        self.assert_stops(node)

    def test_K48_a_node_that_does_not_even_say_that_it_is_there_is_left(self):
        links = set()
        callee = self.callee(lambda link, packet: links.add(link))
        node = self.start_caller("lost", callee, cluster_silence_timeout=200)
        for i in (1, 2, 3):
            node.wait_for_line(f"outcome of never {i}: failed$")
        self.assertEqual(node.log().count("failed: node peer is silent for more than 200 ms"), 3)
        self.assertEqual(callee.packets[3:], request_packets(0, 4, pack("")))
        self.assertEqual(len(links), 1)
        self.assert_stops(node)

    def test_the_tag_of_a_trace_goes_in_front_of_its_request(self):
        def serve(link, packet):
            if packet[0] == 0x80:
                session, payload = self.session_of(packet)
                link.send(*answer_packets(session, True, payload))

        callee = self.callee(serve)
        node = self.start_caller("traced", callee)
        node.wait_for_line("outcome of traced: ")
        node.wait_for_line("outcome of untraced: ")
        tag, *requests = callee.packets
        self.assertRegex(tag, rb"^\x04\([^()]+-peer-\d+\):[0-9a-f]{8}-\d+$")
        self.assertEqual(requests, request_packets("@echo", 1, pack(1)) + request_packets("@echo", 2, pack(2)))
        node.wait_for_line(r"<TRACE :[0-9a-f]{8}-\d+> \d+ session \(.*-peer-\d+\):")
        node.wait_for_line(r"<TRACE \(.*-peer-\d+\):[0-9a-f]{8}-\d+> \d+ cluster peer")
        self.assert_stops(node)

    def test_who_does_not_answer_the_secret_is_not_called(self):
        callee = self.callee(lambda link, packet: None)
        node = self.start_caller("lies", callee, lies="x", cluster_secret="xyzzy", cluster_auth_timeout=300)
        node.wait_for_line("outcome of after x: failed$")
        self.assertTrue(callee.packets)
        for packet in callee.packets:
            self.assertEqual((packet[0], len(packet)), (5, 17))


if __name__ == "__main__":
    only = os.environ.get("SKYLOOM_TEST_ONLY")  # one scenario
    unittest.main(argv=sys.argv + (["-k", only] if only else []))
