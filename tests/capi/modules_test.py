#!/usr/bin/env python3
"""Modules that know the C interface from their own declarations only, inside a real node.

Each module checks itself: it logs PASS or FAIL with a sentence per check, then END with their number.
"""
import pathlib
import re
import socket
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from node import NodeTest, for_each_mode, free_port  # noqa: E402


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


class ModulesTest(NodeTest):
    def run_module(self, bootstrap, **settings):
        """The node, after it has ended; every check has passed."""
        node = self.start(bootstrap=bootstrap, **settings)
        node.wait_for_line(r"\] END \d+$")
        self.assert_stops(node)
        log = node.log()
        failed = re.findall(r"FAIL .*", log)
        passed = re.findall(r"\] PASS ", log)
        ends = re.findall(r"\] END (\d+)", log)
        self.assertEqual(failed, [], node.story())
        self.assertEqual(ends, [str(len(passed))], node.story())
        self.assertGreater(len(passed), 0)
        return node

    @for_each_mode
    def test_messages_arrive_as_they_were_sent_or_are_refused(self, net_threads):
        self.run_module("messages", net_threads=net_threads)

    @for_each_mode
    def test_commands_answer_and_survive_nonsense(self, net_threads):
        node = self.run_module("commands", net_threads=net_threads, own_key="own value", own_switch=True)
        for line in (r"Can't register global name GLOBAL in C", r"Don't support query global name GLOBAL"):
            self.assertRegex(node.log(), line)

    @for_each_mode
    def test_timers_fire_in_order_and_not_early(self, net_threads):
        self.run_module("timers", net_threads=net_threads)

    @for_each_mode
    def test_names_are_answered_with_addresses_or_the_reason(self, net_threads):
        self.run_module("resolving", net_threads=net_threads)

    @for_each_mode
    def test_everyone_who_waits_for_a_dead_service_hears_of_it(self, net_threads):
        node = self.run_module("death", net_threads=net_threads)
        self.assertRegex(node.log(), r"KILL self")
        self.assertRegex(node.log(), r"KILL :[0-9a-f]+")

    @for_each_mode
    def test_signals_reach_the_module_at_once(self, net_threads):
        self.run_module("signals", net_threads=net_threads)

    @for_each_mode
    def test_launch_finds_modules_and_names_every_failure(self, net_threads):
        node = self.run_module("launching", net_threads=net_threads)
        for failed in ("launching", "fixture_no_instance", "fixture_no_init", "fixture_garbage",
                       "no_such_module"):
            self.assertIn(f"error: launch {failed} FAILED\n", node.log())

    @for_each_mode
    def test_a_message_dump_has_every_message_between_logon_and_logoff(self, net_threads):
        node = self.run_module("dump", net_threads=net_threads, logpath="FOLDER")
        target, own = re.search(r"TARGET (\w+) SELF (\w+)", node.log()).groups()
        self.assertRegex(node.log(), rf"Open log file .*{target}\.log")
        self.assertRegex(node.log(), rf"Close log file :{target}")
        dump = (node.folder / f"{target}.log").read_text()
        number = r"\d+"
        event = rf"\[socket\] 2 {number} {number} \[127\.0\.0\.1\]\n"
        self.assertRegex(dump, event)
        self.assertRegex(re.sub(event, "", dump), rf"\Aopen time: {number} .*\n"
                                                  rf":{own} 0 1 {number} 414201\n"
                                                  rf":{own} 3 2 {number} ?\n"
                                                  rf":{own} 200 3 {number} 7a\n"
                                                  rf"close time: {number}\n\Z")

    @for_each_mode
    def test_a_connection_goes_from_listen_to_one_close_per_id(self, net_threads):
        self.run_module("tcp", net_threads=net_threads)

    @for_each_mode
    def test_every_kind_of_send_buffer_arrives_or_is_refused_and_freed(self, net_threads):
        self.run_module("send_buffers", net_threads=net_threads)

    @for_each_mode
    def test_warnings_tell_of_a_peer_that_does_not_read(self, net_threads):
        self.run_module("warning", net_threads=net_threads)

    @for_each_mode
    def test_a_paused_socket_is_not_read_and_can_change_hands(self, net_threads):
        self.run_module("pausing", net_threads=net_threads)

    @for_each_mode
    def test_peers_hear_the_end_of_a_dead_services_sockets(self, net_threads):
        self.run_module("death_sockets", net_threads=net_threads)

    @for_each_mode
    def test_udp_reaches_addresses_and_default_destinations(self, net_threads):
        for version in ("v4", "v6") if has_ipv6() else ("v4",):
            host = "::1" if version == "v6" else "127.0.0.1"
            ports = {"udp_port": free_port(socket.SOCK_DGRAM, host),
                     "udp_port2": free_port(socket.SOCK_DGRAM, host)}
            with self.subTest(version=version):
                self.run_module(f"udp {version}", net_threads=net_threads, **ports)

    @for_each_mode
    def test_foreign_descriptors_are_used_and_left_open(self, net_threads):
        self.run_module("bind_pipe", net_threads=net_threads)

    @for_each_mode
    def test_socket_errors_name_their_reason_once(self, net_threads):
        self.run_module("socket_errors", net_threads=net_threads)

    @for_each_mode
    def test_listeners_and_sockets_take_options_and_refuse_wrong_ones(self, net_threads):
        node = self.run_module("socket_options", net_threads=net_threads)
        for line in ("listen: keepalive_count = 128: must be 0 to 127",
                     "listen: max_per_ip = -2: must be -1 to 2147483647",
                     "listen: port = 65536: must be 0 to 65535",
                     "listen: options of 8 bytes: must be ",
                     "listen: an option that this node does not know",
                     "unix: path or name of more than 107 bytes"):
            self.assertIn(line, node.log())


if __name__ == "__main__":
    unittest.main(verbosity=2)
