#!/usr/bin/env python3
"""The rules of the socket layer inside a node: every arrangement of network threads, every kind of poller.

A test's name begins with the numbers of its rules (docs/reference/contract-tests.md).
"""
import errno
import os
import socket
import struct
import unittest

from probes import (ACCEPT, CLOSE, CONNECT, DATA, ERROR, MIB, NO_SUCH_ID, UDP, WARNING, ProbeTest,
                    connect, listen, open_peers, reset)
from node import Node, free_port, receive_all, receive_exactly, wait_until

CONNECTION_RESET = os.strerror(errno.ECONNRESET)
CONNECTION_REFUSED = os.strerror(errno.ECONNREFUSED)


def udp_peer(host="127.0.0.1"):
    peer = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    peer.settimeout(60)
    open_peers.append(peer)
    peer.bind((host, 0))
    return peer, peer.getsockname()[1]


def address_bytes(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return bytes([2 if ":" in host else 1]) + struct.pack("!H", port) + socket.inet_pton(family, host)


class Rules:
    # --- functions, one by one

    def test_skynet_socket_listen_answers_with_ip_and_port_and_refuses_nonsense(self):
        for host in ("-", "127.0.0.1"):
            listener = self.a.do("listen", host, 0, 16)
            port = self.a.expect(CONNECT, listener, text="0.0.0.0" if host == "-" else host).ud
            self.assertIn(port, range(1, 65536))
            self.assertNotIn(listener, self.a.info())  # not started
            self.a.do("start", listener)
            self.a.expect(CONNECT, listener, 0, "start")
            connect(port).close()
            self.a.expect(ACCEPT, listener)
        for host, port in (("203.0.113.7", 0), ("127.0.0.1", 65536), ("127.0.0.1", -1), ("a" * 256, 0)):
            self.assertEqual(self.a.do("listen", host, port, 16), -1)

    def test_S_19_port_0_is_told_and_an_IPv6_address_has_no_brackets(self):
        listener = self.a.do("listen", "::1", 0, 16)
        port = self.a.expect(CONNECT, listener, text="::1").ud
        self.a.do("start", listener)
        self.a.expect(CONNECT, listener, 0, "start")
        with socket.create_connection(("::1", port)) as peer:
            self.a.expect(ACCEPT, listener, text="::1:%d" % peer.getsockname()[1])

    def test_skynet_socket_connect_answers_with_the_ip_or_one_ERROR(self):
        server, port = listen()
        client = self.a.do("connect", "127.0.0.1", port)
        self.a.expect(CONNECT, client, 0, "127.0.0.1")
        by_name = self.a.do("connect", "localhost", port)
        self.a.expect(CONNECT, by_name, 0, "127.0.0.1")
        refused = self.a.do("connect", "127.0.0.1", free_port())
        self.a.expect(ERROR, refused, 0, CONNECTION_REFUSED)
        nowhere = self.a.do("connect", "no-such-host.invalid", 80)
        self.assertTrue(self.a.expect(ERROR, nowhere, 0).text)
        self.assertEqual(self.a.send(refused, b"x"), -1)
        for host, bad in (("-", 80), ("127.0.0.1", 65536), ("127.0.0.1", -1), ("a" * 256, 80)):
            self.assertEqual(self.a.do("connect", host, bad), -1)

    def test_S_25_D_17_skynet_socket_bind_reads_and_writes_and_leaves_the_descriptor_open(self):
        # The node's own standard input is a descriptor that nobody else uses.
        bound = self.a.do("bind", 0)
        got = self.a.hear()
        if got.type == CONNECT:
            self.assertEqual(got.text, b"binding")
            self.a.do("close", bound)
        else:
            self.assertEqual(got.type, ERROR)  # it cannot be watched
        self.assertTrue(os.path.exists(f"/proc/{self.world.node.pid}/fd/0"))
        bad = self.a.do("bind", 12345)
        if bad != -1:
            self.a.expect(ERROR, bad)

    def test_S_12_skynet_socket_close_tells_at_once_and_sends_the_rest(self):
        socket_id, peer = self.a.pair()
        self.assertEqual(self.a.do("send", socket_id, f"*{16 * MIB}"), 0)
        self.a.expect(WARNING, socket_id)
        self.b.do("close", socket_id)  # whoever calls
        self.a.expect(CLOSE, socket_id, 0, "")
        self.assertEqual(len(receive_all(peer)), 16 * MIB)
        self.a.quiet()

    def test_S_13_skynet_socket_shutdown_discards_the_output(self):
        socket_id, peer = self.a.pair()
        self.assertEqual(self.a.do("send", socket_id, f"*{32 * MIB}"), 0)
        self.a.expect(WARNING, socket_id)
        self.b.do("shutdown", socket_id)
        self.a.expect(CLOSE, socket_id, 0, "")
        received = 0
        try:
            while piece := peer.recv(MIB):
                received += len(piece)
        except ConnectionResetError:
            pass
        self.assertLess(received, 32 * MIB)
        self.assertNotIn(socket_id, self.a.info())
        self.a.quiet()

    def test_S_06_skynet_socket_start_transfers_and_queued_events_stay_with_the_old_owner(self):
        socket_id, peer = self.a.pair()
        self.a.tell("stall")
        self.a.expect_answered()
        peer.sendall(b"old")
        for _ in range(200):  # until the engine has read it into the old owner's mailbox
            if self.b.info()[socket_id]["read"] == 3:
                break
            self.b.quiet()
        self.b.do("start", socket_id)
        self.b.expect(CONNECT, socket_id, 0, "transfer")
        peer.sendall(b"new")
        self.b.expect_data(socket_id, b"new")
        self.a.tell("go")
        self.a.expect_data(socket_id, b"old")
        self.a.quiet()

    def test_S_06_start_answers_as_its_state_says(self):
        listener, accepted, peer = self.a.accepted()
        self.b.do("start", accepted)
        self.b.expect(CONNECT, accepted, 0, "start")
        self.b.do("start", accepted)
        self.b.expect(CONNECT, accepted, 0, "transfer")
        self.b.do("start", listener)  # it listens: no answer, and it stays where it is
        self.b.quiet()
        connect(peer.getpeername()[1]).close()
        self.a.expect(ACCEPT, listener)
        peer.shutdown(socket.SHUT_WR)
        self.b.expect(CLOSE, accepted, 0, "")
        self.a.do("start", accepted)
        self.a.expect(ERROR, accepted, 0, "socket closed")
        self.a.do("start", NO_SUCH_ID)
        self.a.expect(ERROR, NO_SUCH_ID, 0, "invalid socket")

    def test_S_07_an_accepted_socket_delivers_nothing_before_start(self):
        _, accepted, peer = self.a.accepted()
        peer.sendall(b"waits")
        self.a.quiet()
        self.assertNotIn(accepted, self.a.info())
        self.a.do("start", accepted)
        self.a.expect(CONNECT, accepted, 0, "start")
        self.a.expect_data(accepted, b"waits")

    def test_S_08_an_outgoing_connection_reads_without_start(self):
        server, port = listen()
        client = self.a.do("connect", "127.0.0.1", port)
        self.a.expect(CONNECT, client)
        peer, _ = server.accept()
        peer.sendall(b"unasked")
        self.a.expect_data(client, b"unasked")

    def test_S_09_skynet_socket_pause_stops_data_and_not_output(self):
        socket_id, peer = self.a.pair()
        self.b.do("pause", socket_id)
        self.a.quiet()
        peer.sendall(b"later")
        self.a.quiet()
        self.assertEqual(self.a.info()[socket_id]["reading"], 0)
        self.assertEqual(self.a.send(socket_id, b"out"), 0)
        self.assertEqual(receive_exactly(peer, 3), b"out")
        self.a.do("start", socket_id)
        self.a.expect(CONNECT, socket_id, 0, "transfer")
        self.a.expect_data(socket_id, b"later")

    def test_skynet_socket_nodelay_is_ignored_for_what_is_no_TCP_socket(self):
        socket_id, peer = self.a.pair()
        for target in (socket_id, self.a.do("udp", "-", 0), NO_SUCH_ID, 0, -1):
            self.a.do("nodelay", target)
        self.a.quiet()
        peer.sendall(b"alive")
        self.a.expect_data(socket_id, b"alive")

    def frees(self):
        return int(self.a.ask("objects").split()[2])

    def assert_objects(self, frees):
        """So many were freed in all, each read before. A peer may have the bytes before the sender lets go of them."""
        wait_until(lambda: self.frees() >= frees, f"{frees} objects are freed")
        self.assertEqual(self.a.ask("objects"), f"1 1 {frees}")

    def test_skynet_socket_sendbuffer_takes_every_kind_and_skynet_socket_sendbuffer_lowpriority_too(self):
        socket_id, peer = self.a.pair()
        frees = self.frees()
        for how in ("send", "raw", "object", "low"):
            self.assertEqual(self.a.send(socket_id, how.encode(), how), 0)
            self.assertEqual(receive_exactly(peer, len(how)), how.encode())
        self.assert_objects(frees + 1)

    def test_skynet_socket_sendbuffer_lowpriority_goes_behind_high(self):
        socket_id, peer = self.a.pair()
        self.a.do("send", socket_id, f"*{16 * MIB}")
        self.assertEqual(self.a.send(socket_id, b"low1", "low"), 0)
        self.assertEqual(self.a.send(socket_id, b"high"), 0)
        self.assertEqual(self.a.send(socket_id, b"low2", "low"), 0)
        self.assertEqual(receive_exactly(peer, 16 * MIB + 12)[-12:], b"highlow1low2")

    def test_skynet_socket_send_and_its_object_form(self):
        socket_id, peer = self.a.pair()
        frees = self.frees()
        self.assertEqual(self.a.send(socket_id, b"block ", "inline"), 0)
        self.assertEqual(self.a.send(socket_id, b"object", "inline_object"), 0)
        self.assertEqual(receive_exactly(peer, 12), b"block object")
        self.assertEqual(self.a.send(NO_SUCH_ID, b"lost", "inline_object"), -1)
        self.assertEqual(self.a.send(NO_SUCH_ID, b"lost", "inline"), -1)
        self.assert_objects(frees + 2)

    def test_skynet_socket_send_lowpriority_and_its_object_form(self):
        socket_id, peer = self.a.pair()
        frees = self.frees()
        self.assertEqual(self.a.send(socket_id, b"block ", "inline_low"), 0)
        self.assertEqual(receive_exactly(peer, 6), b"block ")
        self.assertEqual(self.a.send(socket_id, b"object", "inline_low_object"), 0)
        self.assertEqual(receive_exactly(peer, 6), b"object")
        self.assert_objects(frees + 1)

    def test_skynet_socket_info_and_its_release_list_what_is_open(self):
        listener, port = self.a.listener()
        peer = connect(port)
        accepted = self.a.expect(ACCEPT, listener).ud
        self.assertNotIn(accepted, self.a.info())
        self.b.do("start", accepted)
        self.b.expect(CONNECT, accepted, 0, "start")
        peer.sendall(b"12345")
        self.b.expect_data(accepted, b"12345")
        self.b.send(accepted, b"123")
        receive_exactly(peer, 3)
        udp = self.a.do("udp", "127.0.0.1", 0)
        sockets = self.a.info()
        entry = sockets[listener]
        self.assertEqual((entry["type"], entry["opaque"], entry["read"], entry["name"], entry["reading"]),
                         (1, self.a.handle, 1, f"127.0.0.1:{port}", 1))
        entry = sockets[accepted]
        self.assertEqual((entry["type"], entry["opaque"], entry["read"], entry["write"], entry["name"]),
                         (2, self.b.handle, 5, 3, "%s:%d" % peer.getsockname()))
        now = int(self.a.ask("now"))
        self.assertTrue(0 <= now - entry["rtime"] < 6000 and 0 <= now - entry["wtime"] < 6000, (now, entry))
        self.assertEqual((sockets[udp]["type"], sockets[udp]["name"]), (3, ""))

    def test_socket_info_release_frees_the_list(self):
        self.a.pair()
        growth = []
        for _ in range(3):  # once a worker may take a buffer for good; lists that were kept would grow each round
            before = int(self.a.ask("heap"))
            for _ in range(2000):
                self.a.ask("info")
            growth.append(int(self.a.ask("heap")) - before)
        self.assertLess(min(growth), 2000 * 200, growth)

    def test_skynet_socket_init_skynet_socket_free_do_no_harm_in_a_node(self):
        socket_id, peer = self.a.pair()
        self.assertEqual(self.a.do("loop"), -1)
        peer.sendall(b"alive")
        self.a.expect_data(socket_id, b"alive")

    def test_skynet_socket_poll_does_not_wait_and_leaves_all_events_to_the_node(self):
        for _ in range(50):
            self.assertEqual(self.a.do("loop"), -1)

    def test_skynet_socket_exit_is_seen_by_poll_and_the_node_goes_on(self):
        self.assertEqual(self.a.do("loop_end"), 0)
        socket_id, peer = self.a.pair()
        peer.sendall(b"alive")
        self.a.expect_data(socket_id, b"alive")

    def test_skynet_socket_free_in_a_node_leaves_its_sockets_alone(self):
        socket_id, peer = self.a.pair()
        self.a.do("loop_end")
        self.assertEqual(self.a.send(socket_id, b"out"), 0)
        self.assertEqual(receive_exactly(peer, 3), b"out")

    def test_skynet_socket_updatetime_keeps_the_clock_of_the_statistics(self):
        socket_id, peer = self.a.pair()
        self.a.do("loop")
        before = int(self.a.ask("now"))
        peer.sendall(b"in")
        self.a.expect_data(socket_id, b"in")
        after = int(self.a.ask("now"))
        self.assertTrue(before - 1 <= self.a.info()[socket_id]["rtime"] <= after)

    # --- datagrams

    def receives_and_answers(self, host):
        peer, peer_port = udp_peer(host)
        spare, port = udp_peer(host)
        spare.close()
        bound = self.a.do("udp_listen", host, port)
        self.assertGreater(bound, 0)
        peer.sendto(b"question", (host, port))
        event = self.a.expect(UDP, bound, 8)
        self.assertEqual((event.text, event.address), (b"question", address_bytes(host, peer_port)))
        self.assertEqual(self.a.do("udp_send", bound, event.address.hex(), b"answer".hex()), 0)
        self.assertEqual(peer.recvfrom(100)[0:2][0], b"answer")
        self.assertEqual(self.a.do("udp_inline", bound, event.address.hex(), b"again".hex()), 0)
        self.assertEqual(peer.recv(100), b"again")

    def test_S_20_skynet_socket_udp_address_of_IPv4_has_7_bytes(self):
        self.receives_and_answers("127.0.0.1")

    def test_S_20_skynet_socket_udp_address_of_IPv6_has_19_bytes(self):
        self.receives_and_answers("::1")

    def test_skynet_socket_udp_sendbuffer_and_D_29_addresses_that_are_none(self):
        bound = self.a.do("udp", "127.0.0.1", 0)
        for address in ("-", "00", "03" + "00" * 18, "ff" + "00" * 18, address_bytes("::1", 9).hex()):
            self.assertEqual(self.a.do("udp_send", bound, address, "aa"), -1, address)
        tcp, _ = self.a.pair()
        self.assertEqual(self.a.do("udp_send", tcp, address_bytes("127.0.0.1", 9).hex(), "aa"), -1)
        self.assertEqual(self.a.do("udp_send", NO_SUCH_ID, address_bytes("127.0.0.1", 9).hex(), "aa"), -1)

    def test_D_29_a_udp_address_of_another_family_or_none_is_refused(self):
        bound = self.a.do("udp", "127.0.0.1", 0)
        self.assertEqual(self.a.do("udp_send", bound, address_bytes("::1", 9).hex(), "aa"), -1)
        self.assertEqual(self.a.do("udp_send", bound, "-", "aa"), -1)
        self.assertEqual(self.a.do("udp_send", bound, "07" * 19, "aa"), -1)

    def test_skynet_socket_udp_send_is_the_old_form_of_a_datagram(self):
        peer, port = udp_peer()
        unbound = self.a.do("udp", "-", 0)
        self.assertEqual(self.a.do("udp_inline", unbound, address_bytes("127.0.0.1", port).hex(), "4142"), 0)
        self.assertEqual(peer.recv(100), b"AB")
        self.assertEqual(self.a.do("udp_inline", unbound, "-", "4142"), -1)

    def test_S_21_skynet_socket_udp_connect_sets_where_a_send_goes(self):
        peer, port = udp_peer()
        unbound = self.a.do("udp", "-", 0)
        self.assertEqual(self.a.send(unbound, b"lost"), 0)  # dropped with a line of the log
        self.assertEqual(self.a.do("udp_connect", unbound, "127.0.0.1", port), 0)
        self.assertEqual(self.a.send(unbound, b"found"), 0)
        self.assertEqual(peer.recv(100), b"found")
        self.assertEqual(self.a.do("udp_connect", unbound, "::1", port), -1)
        self.assertEqual(self.a.do("udp_connect", NO_SUCH_ID, "127.0.0.1", port), -1)
        self.a.do("close", unbound)
        self.a.expect(CLOSE, unbound, 0, "")

    def test_skynet_socket_udp_opens_bound_and_unbound(self):
        self.assertGreater(self.a.do("udp", "-", 0), 0)
        _, port = udp_peer()
        self.assertEqual(self.a.do("udp", "127.0.0.1", port), -1)  # taken
        self.assertEqual(self.a.do("udp", "127.0.0.1", 65536), -1)

    def test_D_20_skynet_socket_udp_dial_sends_at_once_also_by_name(self):
        for host in ("127.0.0.1", "localhost"):
            ip = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)[0][4][0]  # on some systems ::1
            peer, port = udp_peer(ip)
            dialed = self.a.do("udp_dial", host, port)
            self.assertEqual(self.a.send(dialed, b"dialed"), 0)
            text, sender = peer.recvfrom(100)
            self.assertEqual(text, b"dialed")
            peer.sendto(b"answer", sender)
            self.assertEqual(self.a.expect(UDP, dialed, 6).address, address_bytes(ip, port))
        self.assertEqual(self.a.do("udp_dial", "-", 9), -1)

    def test_skynet_socket_udp_listen_refuses_port_0(self):
        self.assertEqual(self.a.do("udp_listen", "127.0.0.1", 0), -1)
        self.assertEqual(self.a.do("udp_listen", "-", 0), -1)
        self.assertGreater(self.a.do("udp_listen", "127.0.0.1", free_port(socket.SOCK_DGRAM)), 0)

    # --- rules

    def test_S_01_frames_of_one_service_arrive_in_order(self):
        socket_id, peer = self.a.pair()
        frames = [bytes([65 + index % 26]) * (1 + index * 37 % 900) for index in range(600)]
        for frame in frames:
            self.assertEqual(self.a.send(socket_id, frame, "raw"), 0)
        self.assertEqual(receive_exactly(peer, sum(map(len, frames))), b"".join(frames))

    def test_S_04_a_refused_send_is_minus_1_and_its_buffer_is_released(self):
        frees = self.frees()
        before = int(self.a.ask("heap"))
        for _ in range(64):
            self.assertEqual(self.a.do("send", NO_SUCH_ID, "*32768"), -1)
            self.assertEqual(self.a.do("raw", NO_SUCH_ID, "*32768"), -1)
            self.assertEqual(self.a.do("object", NO_SUCH_ID, "*32768"), -1)
        self.assert_objects(frees + 64)
        self.assertLess(int(self.a.ask("heap")) - before, 64 * 32768)

    def test_S_05_sends_before_start_and_to_listeners_are_dropped(self):
        listener, accepted, peer = self.a.accepted()
        self.assertEqual(self.a.send(accepted, b"lost"), 0)
        self.assertEqual(self.a.send(listener, b"lost"), 0)
        self.a.do("start", accepted)
        self.a.expect(CONNECT, accepted, 0, "start")
        self.assertEqual(self.a.send(accepted, b"kept"), 0)
        self.assertEqual(receive_exactly(peer, 4), b"kept")
        self.world.node.wait_for_line(f"send to listener {listener} dropped")

    def test_S_10_S_11_the_peers_end_is_one_CLOSE_and_the_id_lives_until_close(self):
        socket_id, peer = self.a.pair()
        peer.shutdown(socket.SHUT_WR)
        self.a.expect(CLOSE, socket_id, 0, "")
        self.assertEqual(self.a.info()[socket_id]["type"], 5)
        self.assertEqual(self.a.send(socket_id, b"still"), 0)
        self.assertEqual(receive_exactly(peer, 5), b"still")
        self.a.do("close", socket_id)
        self.assertEqual(receive_all(peer), b"")
        self.a.quiet()

    def test_S_14_closing_twice_and_unknown_ids_do_nothing(self):
        socket_id, _ = self.a.pair()
        for _ in range(3):
            self.a.do("close", socket_id)
            self.a.do("shutdown", socket_id)
        self.a.expect(CLOSE, socket_id, 0, "")
        for socket_id in (NO_SUCH_ID, 0, -1, -2147483648):
            self.a.do("close", socket_id)
            self.a.do("shutdown", socket_id)
            self.a.do("pause", socket_id)
        self.a.quiet()

    def test_S_15_S_16_a_reset_is_one_ERROR_and_one_CLOSE(self):
        socket_id, peer = self.a.pair()
        reset(peer)
        self.a.expect(ERROR, socket_id, 0, CONNECTION_RESET)
        self.a.expect(CLOSE, socket_id, 0, "")
        self.a.quiet()
        self.assertEqual(self.a.send(socket_id, b"x"), -1)

    def test_S_17_warnings_double_and_end_with_0(self):
        socket_id, peer = self.a.pair()
        total, thresholds = 0, [MIB]
        while thresholds[-1] <= 8 * MIB:
            self.assertEqual(self.a.do("send", socket_id, f"*{512 << 10}"), 0)
            total += 512 << 10
            queued = self.a.info()[socket_id]["wbuffer"]
            while self.a.heard:
                event = self.a.expect(WARNING, socket_id)
                self.assertGreaterEqual(event.ud * 1024, thresholds[-1])
                self.assertLess(event.ud * 1024 - queued, 1 << 20)
                thresholds.append(thresholds[-1] * 2)
        receive_exactly(peer, total)
        self.a.expect(WARNING, socket_id, 0)
        self.a.quiet()

    def test_D_15_unread_input_does_not_destroy_output(self):
        for _ in range(10):
            socket_id, peer = self.a.pair()
            self.a.do("pause", socket_id)
            self.a.quiet()
            peer.sendall(b"never read" * 100)
            self.a.do("send", socket_id, "*300000")
            self.a.do("close", socket_id)
            self.a.expect(CLOSE, socket_id)
            self.assertEqual(len(receive_all(peer)), 300000)
            peer.close()

    def test_D_18_sockets_of_a_dead_service_are_closed_and_its_listeners_at_once(self):
        _, port = self.b.listener(free_port())  # the system would give 0's to another test at once
        socket_id, peer = self.b.pair()
        self.assertEqual(self.a.command("KILL", f":{self.b.handle:x}"), "(null)")
        self.assertEqual(receive_all(peer), b"")
        for _ in range(1000):
            try:
                connect(port).close()
            except ConnectionRefusedError:
                break
        else:
            self.fail("somebody still listens")
        self.a.do("start", socket_id)
        self.a.expect(ERROR, socket_id, 0, "invalid socket")
        self.b = self.world.launch()

    def test_D_18_a_service_may_take_over_the_socket_of_a_dying_one(self):
        socket_id, peer = self.b.pair()
        self.a.do("start", socket_id)
        self.a.command("KILL", f":{self.b.handle:x}")
        self.a.expect(CONNECT, socket_id, 0, "transfer")
        peer.sendall(b"lives on")
        self.a.expect_data(socket_id, b"lives on")
        self.b = self.world.launch()

    def test_D_19_queued_events_of_a_dead_service_are_freed(self):
        dying = self.world.launch()
        socket_id, peer = dying.pair()
        before = int(self.a.ask("heap"))
        dying.tell("stall")
        dying.expect_answered()
        peer.sendall(bytes(4 * MIB))
        while self.a.info()[socket_id]["read"] < 4 * MIB:
            self.a.quiet()
        self.a.command("KILL", f":{dying.handle:x}")
        dying.tell("go")
        self.assertEqual(receive_all(peer), b"")
        self.a.quiet()
        self.assertLess(int(self.a.ask("heap")) - before, MIB)

    def test_D_21_a_child_process_inherits_no_socket(self):
        self.a.pair()
        self.a.listener()
        self.a.do("udp", "-", 0)
        own = self.world.node.descriptors().values()
        self.assertGreater(len([name for name in own if name.startswith("socket:")]), 3)
        self.assertLessEqual(self.a.do("child"), 4)  # 0, 1, 2 and the folder that it lists

    def test_D_22_a_service_that_hangs_stops_neither_commands_nor_other_services(self):
        hanging = self.world.launch()
        hanging.tell("stall")
        hanging.expect_answered()
        socket_id, peer = self.a.pair()
        for _ in range(20):
            peer.sendall(b"ping")
            self.a.expect_data(socket_id, b"ping")
            self.a.send(socket_id, b"pong")
            self.assertEqual(receive_exactly(peer, 4), b"pong")
        hanging.tell("go")
        self.kill(hanging)

    def test_D_23_D_24_many_sockets_each_have_their_events_in_order(self):
        listener, port = self.a.listener()
        peers = {}
        for _ in range(24):
            peer = connect(port)
            socket_id = self.a.expect(ACCEPT, listener).ud
            self.a.do("start", socket_id)
            self.a.expect(CONNECT, socket_id, 0, "start")
            peers[socket_id] = peer
        for peer in peers.values():
            peer.sendall(b"first ")
            peer.sendall(b"second")
            peer.close()
        story = {socket_id: b"" for socket_id in peers}
        closed = set()
        while len(closed) < len(peers):
            event = self.a.hear()
            self.assertNotIn(event.id, closed)
            if event.type == CLOSE:
                self.assertEqual(story[event.id], b"first second")
                closed.add(event.id)
            else:
                self.assertEqual(event.type, DATA)
                story[event.id] += event.text
        for socket_id in peers:
            self.a.do("close", socket_id)
        self.a.quiet()

    def test_D_26_returning_1_keeps_the_outer_block_and_nothing_is_freed_twice(self):
        self.a.do("keep", 1)
        socket_id, peer = self.a.pair()
        for _ in range(50):
            peer.sendall(b"kept")
            self.a.expect_data(socket_id, b"kept")
        self.a.do("keep", 0)

    def test_D_34_a_frame_above_the_limit_ends_the_socket_before_it_is_buffered(self):
        socket_id, peer = self.a.pair()
        self.assertEqual(self.a.do("framing", socket_id, 2, 1000), 0)
        self.a.quiet()
        peer.sendall(struct.pack("!I", 1000) + b"x" * 1000 + struct.pack("!I", 0xffffffff))
        self.a.expect(DATA, socket_id, 1000)
        self.a.expect(ERROR, socket_id, 0, "frame too large")
        self.a.expect(CLOSE, socket_id, 0, "")

    def test_D_31_hosts_and_numbers_that_make_no_sense_are_survived(self):
        for number in (-2147483648, -1, 65536, 2147483647):
            for host in (":", "1.2.3.4.5", "[", "%", "..", "-"):
                for words in (("listen", host, number, number), ("connect", host, number), ("udp", host, number),
                              ("udp_dial", host, number), ("udp_listen", host, number),
                              ("udp_connect", number, host, number)):
                    self.assertEqual(self.a.do(*words), -1, words)
        socket_id, peer = self.a.pair()
        peer.sendall(b"alive")
        self.a.expect_data(socket_id, b"alive")

    def test_events_come_from_0_with_texts_of_at_most_128_bytes_and_without_NUL(self):
        # Events with another source or session would arrive as messages.
        listener, accepted, peer = self.a.accepted()
        self.a.do("start", accepted)
        event = self.a.expect(CONNECT, accepted, 0)
        self.assertEqual(event.text, b"start")
        failed = self.a.do("connect", "no-such-host.invalid", 1)
        event = self.a.expect(ERROR, failed, 0)
        self.assertTrue(0 < len(event.text) <= 128 and 0 not in event.text)


def has_io_uring():
    """Whether the program was built with it; where the system refuses it, it steps down by itself."""
    node = Node({"bootstrap": "no_such_module", "io_backend": "io_uring"})
    node.wait()
    errors = node.errors()
    node.dispose()
    return "not built in" not in errors


def arrangement(net_threads, backend):
    name = f"Rules_{backend}_{net_threads}_network_threads"
    return type(name, (Rules, ProbeTest), {"SETTINGS": {"net_threads": net_threads, "io_backend": backend}})


Epoll0 = arrangement(0, "epoll")
Epoll1 = arrangement(1, "epoll")
Epoll4 = arrangement(4, "epoll")
if has_io_uring():
    Uring0 = arrangement(0, "io_uring")
    Uring1 = arrangement(1, "io_uring")

if __name__ == "__main__":
    unittest.main(verbosity=2)
