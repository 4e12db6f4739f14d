#!/usr/bin/env python3
"""TLS of scripts against openssl's own client and server."""
import unittest

from lua_node import SANITIZE, full_or
from node import DEADLINE, free_port
from openssl_peers import OpensslTest


class TlsTest(OpensslTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificates.make("expired", days=-1)
        cls.certificates.make("self", is_self_signed=True)
        cls.certificates.make("other", names="DNS:other.test")

    def test_K50_each_bad_peer_is_refused_with_its_reason_and_leaves_nothing(self):
        ports = {f"tls_port_{name}": self.start_server(name) for name in ("good", "expired", "self", "other")}
        ports["tls_port_old"] = self.start_server("good", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
        self.assert_stops(self.run_script("tls_script", **self.settings(**ports)))

    def test_K50_a_peer_that_stalls_is_dropped_at_its_deadline_while_others_are_served(self):
        self.assert_stops(self.run_script("tls_deadline_script", **self.settings(handshake_timeout=3000)))

    def test_http_goes_over_tls(self):
        self.assert_stops(self.run_script("tls_http_script", **self.settings(http_header_timeout=2000)))

    def test_handshakes_leave_no_memory_behind(self):
        count = full_or(100000, 400)
        node = self.start_lua("tls_many", **self.settings(tls_count=count))
        found = node.wait_for_line(r"handshakes: (\d+), resumed: (\d+), KiB: (\d+), then (\d+)",
                                   deadline=full_or(1800, 2 * DEADLINE))
        told, resumed, before, after = map(int, found.groups())
        print(found[0])
        self.assertEqual(told, count)
        self.assertGreater(resumed, 0)
        if not SANITIZE:  # their allocators keep what is freed
            self.assertLess(after - before, 8 * 1024)
        self.assert_stops(node)

    def test_a_client_of_openssl_is_served(self):
        port = free_port()
        node = self.start_lua("tls_echo", **self.settings(tls_echo_port=port))
        node.wait_for_port(port)
        story = self.s_client(port, "-servername", "localhost", "-verify_hostname", "localhost", "-alpn", "x,echo",
                              "-ign_eof")
        self.assertIn("Verify return code: 0 (ok)", story)
        self.assertIn("ALPN protocol: echo", story)
        self.assertIn("echo of localhost for nobody: hello", story)
        self.assertIn("closed", story)
        self.assertIn("protocol", self.s_client(port, "-alpn", "other"))
        self.assertIn("alert", self.s_client(port, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"))
        session = self.certificates.folder / "session.pem"
        self.s_client(port, "-tls1_2", "-sess_out", session, "-ign_eof")
        self.assertIn("Reused, TLSv1.2", self.s_client(port, "-tls1_2", "-sess_in", session, "-ign_eof"))
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main()
