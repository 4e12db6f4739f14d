#!/usr/bin/env python3
"""skynet.dns, with servers that answer, lie and are silent."""
import pathlib
import socket
import tempfile
import unittest

from dns_server import DnsServer
from lua_node import LuaTest
from node import for_each_mode, free_port


class DnsTest(LuaTest):
    def settings(self, **more):
        folder = tempfile.TemporaryDirectory(prefix="skyloom_dns_")
        self.addCleanup(folder.cleanup)
        hosts = pathlib.Path(folder.name, "hosts")
        hosts.write_text("# a comment\n10.9.9.9 Known.test known2.test # more\n::9\tknown.test\n10.9.9.8 known.test\nnonsense x\n")
        resolver = pathlib.Path(folder.name, "resolver")
        resolver.write_text("; a comment\nsearch test\nnameserver bad\nnameserver 127.0.0.9 # first\nnameserver ::1\n")
        return {"dns_hosts_file": hosts, "dns_resolver_file": resolver, **more}

    @for_each_mode
    def test_names_are_looked_up_and_answers_kept_as_long_as_they_live(self, net_threads):
        server, broken = DnsServer(self), DnsServer(self, is_broken=True)
        node = self.run_script("dns_script", dns_port=server.port, dns_broken_port=broken.port,
                               dns_closed_port=free_port(socket.SOCK_DGRAM), net_threads=net_threads,
                               **self.settings(dns_cache_max=20))
        self.assertEqual(server.count("count1.test"), 2)
        self.assertEqual(broken.count("plain5.test"), 1)
        self.assert_stops(node)

    def test_questions_cannot_be_guessed(self):
        server = DnsServer(self)
        node = self.run_script("dns_random_script", dns_port=server.port, **self.settings())
        ids = [each[1] for each in server.seen]
        ports = [each[2] for each in server.seen]
        self.assertEqual(len(ids), 200)
        self.assertGreater(len(set(ids)), 180)
        self.assertGreater(len(set(ports)), 100)
        steps = {(b - a) % 65536 for a, b in zip(ids, ids[1:])}
        self.assertGreater(len(steps), 150, "the ids follow a rule")
        self.assert_stops(node)

    def test_lies_are_not_believed(self):
        server = DnsServer(self)
        node = self.run_script("dns_lies_script", dns_port=server.port, **self.settings())
        self.assertEqual(server.count("late.test"), 2)
        self.assertEqual(server.count("loop.test"), 2)
        self.assertNotIn("6.6.6.6", node.log())
        self.assert_stops(node)

    def test_silence_ends_in_time(self):
        server = DnsServer(self)
        node = self.run_script("dns_silence_script", dns_port=server.port,
                               **self.settings(dns_client_timeout=400, dns_queue_max=10))
        self.assertEqual(server.count("silent.test"), 4)
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main()
