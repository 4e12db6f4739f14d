#!/usr/bin/env python3
"""Certificates by name, and clients that show theirs: with openssl's client and server."""
import unittest

from openssl_peers import TlsIdentityCase


class TlsIdentityTest(TlsIdentityCase):
    def shown_as(self, name):
        """Options of openssl's client, or server, that shows this certificate."""
        return "-cert", self.certificates.certificate(name), "-key", self.certificates.key(name)

    def test_each_name_has_its_certificate_and_unknown_ones_the_default(self):
        node, port = self.start_echo(tls_names="a.test *.b.test")
        for asked, shown in (("a.test", "a.test"), ("A.Test", "a.test"), ("x.b.test", "star.b.test"),
                             ("b.test", "good"), ("x.y.b.test", "good"), ("unknown.test", "good")):
            for version in ("-tls1_2", "-tls1_3"):
                story = self.s_client(port, "-servername", asked, version, "-ign_eof")
                self.assertIn(f"subject=CN = {shown}\n", story)
                self.assertIn(f"echo of {asked} for nobody: hello", story)
        self.assertIn("subject=CN = good\n", self.s_client(port, "-noservername", "-ign_eof"))
        self.assert_stops(node)

    def test_a_client_of_openssl_shows_who_it_is_or_hears_why_not(self):
        authority = self.certificates.certificate("authority")
        for mode in ("required", "optional"):
            node, port = self.start_echo(tls_client_ca=authority, tls_client_mode=mode)
            story = self.s_client(port, *self.shown_as("anna"), "-ign_eof")
            self.assertIn("Acceptable client certificate CA names\nCN = authority\n", story)
            self.assertIn("for CN=anna: hello", story)
            story = self.s_client(port, "-ign_eof")
            if mode == "optional":
                self.assertIn("for nobody: hello", story)
            else:
                self.assertIn("alert certificate required", story)
                node.wait_for_line("tls handshake: peer did not return a certificate$")
            for version in ("-tls1_2", "-tls1_3"):
                self.assertIn("alert unknown ca", self.s_client(port, *self.shown_as("foreign"), version, "-ign_eof"))
                self.assertIn("alert certificate expired",
                              self.s_client(port, *self.shown_as("expired"), version, "-ign_eof"))
            node.wait_for_line("tls handshake: certificate refused: unable to get local issuer certificate$", count=2)
            node.wait_for_line("tls handshake: certificate refused: certificate has expired$", count=2)
            self.assert_stops(node)

    def test_servers_of_openssl_hear_who_the_node_is(self):
        strict = ["-Verify", "1", "-verify_return_error", "-CAfile", self.certificates.certificate("authority")]
        names = ["-servername", "a.test", "-cert2", self.certificates.certificate("a.test"),
                 "-key2", self.certificates.key("a.test")]
        ports = {"tls_port_strict": self.start_server("good", *strict),
                 "tls_port_strict_12": self.start_server("good", *strict, "-tls1_2"),
                 "tls_port_names": self.start_server("good", *names)}
        keys = {"certfile": self.certificates.certificate("default"), "keyfile": self.certificates.key("default")}
        self.assert_stops(self.run_script("tls_identity_script", **self.settings(**ports, **keys)))


if __name__ == "__main__":
    unittest.main()
