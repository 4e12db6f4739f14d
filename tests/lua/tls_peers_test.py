#!/usr/bin/env python3
"""Certificates by name, and clients that show theirs: with Node's client and server."""
import shutil
import subprocess
import sys
import unittest

from lua_node import HERE
from node import DEADLINE
from openssl_peers import TlsIdentityCase

SKIPPED = 77  # ctest shows it


class TlsPeersTest(TlsIdentityCase):
    def test_nodes_client_is_shown_the_right_certificate_and_shows_its_own(self):
        node, port = self.start_echo(tls_names="a.test *.b.test",
                                     tls_client_ca=self.certificates.certificate("authority"))
        done = subprocess.run(["node", HERE / "peers" / "tls_client.js", str(port), self.certificates.folder],
                              capture_output=True, text=True, timeout=2 * DEADLINE, check=False)
        self.assertIn("all is well", done.stdout, done.stderr + node.story())
        self.assert_stops(node)

    def test_nodes_server_is_asked_for_a_name_and_hears_who_asks(self):
        for version in ("TLSv1.2", "TLSv1.3"):
            server = subprocess.Popen(["node", HERE / "peers" / "tls_server.js", self.certificates.folder, version],
                                      stdout=subprocess.PIPE, text=True)
            self.addCleanup(server.stdout.close)
            self.addCleanup(server.wait)
            self.addCleanup(server.kill)
            port = server.stdout.readline().split()[1]
            self.assert_stops(self.run_script("tls_peer_script", **self.settings(tls_port=port)))


if __name__ == "__main__":
    if not shutil.which("node"):
        print("skipped: node not found: ./dev setup installs it")
        sys.exit(SKIPPED)
    unittest.main()
