#!/usr/bin/env python3
"""WebSocket with npm's `ws`, in both roles. Debian has it as node-ws."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from certificates import Certificates
from lua_node import HERE, LuaTest
from node import DEADLINE, free_port, needs_tls, wait_until

POLICIES = ("none", "no_takeover", "takeover")  # of ws_compression
SKIPPED = 77  # ctest shows it
ENVIRONMENT = {**os.environ, "NODE_PATH": "/usr/share/nodejs"}
PATIENCE = {"handshake_timeout": 60000, "ws_close_timeout": 60000}


def has_ws():
    try:
        return subprocess.run(["node", "-e", "require('ws')"], env=ENVIRONMENT, capture_output=True,
                              check=False).returncode == 0
    except FileNotFoundError:
        return False


def node_command(script, *arguments):
    return ["node", str(HERE / "peers" / script), *map(str, arguments)]


class WebSocketPeersTest(LuaTest):
    def expect_content(self, url, extensions):
        """The client of `ws` has all its wishes, and these extensions with each of its four offers."""
        done = subprocess.run(node_command("ws_client.js", url), env=ENVIRONMENT, capture_output=True, text=True,
                              timeout=2 * DEADLINE, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(re.findall("extensions: ?(.*)", done.stdout), extensions)
        self.assertIn("all is well", done.stdout)

    def test_its_client_talks_to_our_server(self):
        for policy in POLICIES:
            with self.subTest(policy=policy):
                port = free_port()
                node = self.start_lua("websocket_echo", echo_port=port, ws_compression=policy, **PATIENCE)
                node.wait_for_port(port)
                deflate = "" if policy == "none" else "permessage-deflate"
                self.expect_content(f"ws://127.0.0.1:{port}/", ["", deflate, deflate, deflate])
                self.assert_stops(node)

    @needs_tls
    def test_its_client_talks_to_our_server_over_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            certificates = Certificates(folder)
            certificates.make("good")
            port = free_port()
            node = self.start_lua("websocket_echo", echo_port=port, echo_protocol="wss", **PATIENCE,
                                  certfile=certificates.certificate("good"), keyfile=certificates.key("good"))
            node.wait_for_port(port)
            deflate = "permessage-deflate"
            self.expect_content(f"wss://127.0.0.1:{port}/", ["", deflate, deflate, deflate])
            self.assert_stops(node)

    def start_server(self, kind, folder):
        """The server of `ws`: its port, and where it writes what it sees."""
        log = pathlib.Path(folder) / kind
        with open(log, "wb") as out:
            server = subprocess.Popen(node_command("ws_server.js", kind), env=ENVIRONMENT, stdout=out,
                                      stdin=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        return wait_until(lambda: re.search(r"port (\d+)", log.read_text()), "the port of ws")[1], log

    def test_our_client_talks_to_its_server(self):
        with tempfile.TemporaryDirectory() as folder:
            for kind in ("plain", "deflate"):
                port, log = self.start_server(kind, folder)
                for policy in POLICIES:
                    with self.subTest(kind=kind, policy=policy):
                        node = self.run_script("websocket_user", echo_url=f"ws://127.0.0.1:{port}/x",
                                               ws_compression=policy, **PATIENCE)
                        self.assert_stops(node)
                seen = log.read_text()
                self.assertNotIn("error", seen)
                self.assertEqual(seen.count("close: 1000 done"), len(POLICIES), seen)
                self.assertEqual(seen.count("close: 3000"), len(POLICIES), seen)
                self.assertEqual(seen.count("permessage-deflate"), 4 if kind == "deflate" else 0, seen)
                self.assertEqual(seen.count("connection: chat"), len(POLICIES), seen)


if __name__ == "__main__":
    if not has_ws():
        print("skipped: there is no `ws` for node: ./dev setup installs it")
        sys.exit(SKIPPED)
    unittest.main()
