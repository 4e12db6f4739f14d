#!/usr/bin/env python3
"""What a hello-world over HTTP costs the server, beside Node's `http`, in one run: microseconds of processor time per
request. wrk asks. ./dev bench http [ROUNDS]"""
import os
import pathlib
import re
import statistics
import subprocess
import sys
import unittest

from lua_node import HERE, LuaTest

ROUNDS = 5
CONNECTIONS = (1, 32, 256)


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cost(pid, port, connections):
    """Microseconds per request."""
    before = cpu_seconds(pid)
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", "-d2s", f"http://127.0.0.1:{port}/"], check=True,
                          capture_output=True, text=True).stdout
    assert "Non-2xx" not in done and "Socket errors" not in done, done
    return (cpu_seconds(pid) - before) / int(re.search(r"(\d+) requests in", done)[1]) * 1e6


class HttpCost(LuaTest):
    def test_cost(self):
        node = self.start_lua("http_hello", thread=1)
        port = int(node.wait_for_line(r"hello on (\d+)$")[1])
        peer = subprocess.Popen(["node", HERE / "peers" / "http_hello.js"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(peer.stdout.close)
        self.addCleanup(peer.wait)
        self.addCleanup(peer.kill)
        peer_port = int(peer.stdout.readline().split()[1])
        for connections in CONNECTIONS:
            ours, theirs = [], []
            for _ in range(ROUNDS + 1):
                ours.append(cost(node.pid, port, connections))
                theirs.append(cost(peer.pid, peer_port, connections))
            a, b = statistics.median(ours[1:]), statistics.median(theirs[1:])  # the first warms up
            print(f"{connections:3} connections: ours {a:6.2f} us, Node {b:6.2f} us, ratio {a / b:.2f}", flush=True)
        self.assert_stops(node)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        ROUNDS = int(sys.argv.pop())
    unittest.main()
