#!/usr/bin/env python3
"""TLS of scripts against openssl's own client and server."""
import subprocess
import tempfile
import unittest

from certificates import Certificates
from lua_node import LuaTest, SANITIZE, full_or
from node import DEADLINE, free_port, wait_until

import socket


class TlsTest(LuaTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.certificates = Certificates(folder.name)
        cls.certificates.make("good")
        cls.certificates.make("expired", days=-1)
        cls.certificates.make("self", is_self_signed=True)
        cls.certificates.make("other", names="DNS:other.test")

    def settings(self, **more):
        return {
            "certfile": self.certificates.certificate("good"), "keyfile": self.certificates.key("good"),
            "tls_ca": self.certificates.certificate("authority"), "tls_folder": self.certificates.folder,
            "handshake_timeout": 60000, **more,
        }

    def start_server(self, name, *options):
        """A server of openssl that sends lines back reversed: its port."""
        port = free_port()
        server = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", self.certificates.certificate(name),
             "-key", self.certificates.key(name), "-rev", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)

        def is_listening():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        wait_until(is_listening, f"openssl s_server on port {port}")
        return port

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

    def s_client(self, port, *options):
        """What openssl's client prints when it says hello to the echo on `port`."""
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile",
             self.certificates.certificate("authority"), "-verify_return_error", *options],
            input="hello\n", capture_output=True, text=True, timeout=DEADLINE, check=False)
        return done.stdout + done.stderr

    def test_a_client_of_openssl_is_served(self):
        port = free_port()
        node = self.start_lua("tls_echo", **self.settings(tls_echo_port=port))
        node.wait_for_port(port)
        story = self.s_client(port, "-servername", "localhost", "-verify_hostname", "localhost", "-alpn", "x,echo",
                              "-ign_eof")
        self.assertIn("Verify return code: 0 (ok)", story)
        self.assertIn("ALPN protocol: echo", story)
        self.assertIn("echo of localhost: hello", story)
        self.assertIn("closed", story)
        self.assertIn("protocol", self.s_client(port, "-alpn", "other"))
        self.assertIn("alert", self.s_client(port, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"))
        session = self.certificates.folder / "session.pem"
        self.s_client(port, "-tls1_2", "-sess_out", session, "-ign_eof")
        self.assertIn("Reused, TLSv1.2", self.s_client(port, "-tls1_2", "-sess_in", session, "-ign_eof"))
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main()
