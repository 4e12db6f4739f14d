#!/usr/bin/env python3
"""HTTP with Node's client and server, and with wrk."""
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from certificates import Certificates
from lua_node import HERE, LuaTest, ROOT, SETTINGS
from node import DEADLINE, needs_tls

SKIPPED = 77  # ctest shows it
PEERS = ("node", "wrk")


class HttpPeersTest(LuaTest):
    def start_web(self):
        node = self.start_lua("main", luaservice=f"{ROOT}/examples/web_lua/?.lua;{SETTINGS['luaservice']}",
                              web_host="127.0.0.1", web_port=0, web_agents=2)
        return node, int(node.wait_for_line(r"web on 127\.0\.0\.1:(\d+)$")[1])

    def test_nodes_client_is_served(self):
        node, port = self.start_web()
        done = subprocess.run(["node", HERE / "peers" / "http_client.js", str(port)], capture_output=True, text=True,
                              timeout=2 * DEADLINE, check=False)
        self.assertIn("all is well", done.stdout, done.stderr)
        self.assert_stops(node)

    def ask_node(self, protocol, *arguments, **settings):
        server = subprocess.Popen(["node", HERE / "peers" / "http_server.js", *arguments], stdout=subprocess.PIPE,
                                  text=True)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        port = server.stdout.readline().split()[1]
        self.assert_stops(self.run_script("http_peer_script", http_peer=f"{protocol}://127.0.0.1:{port}", **settings))

    def test_nodes_server_is_asked(self):
        self.ask_node("http")

    @needs_tls
    def test_nodes_server_is_asked_over_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            certificates = Certificates(folder)
            certificates.make("good")
            self.ask_node("https", certificates.key("good"), certificates.certificate("good"),
                          tls_ca=certificates.certificate("authority"), handshake_timeout=60000)

    def test_wrk_finds_no_error(self):
        node, port = self.start_web()
        done = subprocess.run(["wrk", "-t1", "-c32", "-d1s", "--timeout", f"{int(DEADLINE)}s",
                               f"http://127.0.0.1:{port}/greet?name=wrk"],
                              capture_output=True, text=True, timeout=2 * DEADLINE, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreater(int(re.search(r"(\d+) requests in", done.stdout)[1]), 32, done.stdout)
        self.assertNotRegex(done.stdout, "Non-2xx|Socket errors")
        self.assert_stops(node)


if __name__ == "__main__":
    missing = [name for name in PEERS if not shutil.which(name)]
    if missing:
        print(f"skipped: {', '.join(missing)} not found: ./dev setup installs it")
        sys.exit(SKIPPED)
    unittest.main()
