#!/usr/bin/env python3
"""What an echo over WebSocket costs the server, beside npm's `ws`, in one run: microseconds of processor time per
message. ./dev bench websocket [ROUNDS]"""
import os
import pathlib
import re
import selectors
import statistics
import subprocess
import sys
import unittest

from lua_node import LuaTest
from node import connect, free_port
from websocket_peers_test import ENVIRONMENT, node_command

CONNECTIONS = 32
MESSAGES = 40000
ROUNDS = 5
REQUEST = (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def masked(size):
    """A text of `size` bytes as a client sends it, and how many bytes come back."""
    mask = b"\x12\x34\x56\x78"
    payload = bytes(b ^ mask[i % 4] for i, b in enumerate(b"x" * size))
    head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0x80 | 126]) + size.to_bytes(2, "big")
    return head + mask + payload, len(head) + size


def open_connection(port):
    connection = connect(port)
    connection.sendall(REQUEST)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    assert head.startswith(b"HTTP/1.1 101"), head
    return connection


def echo(port, size, depth):
    """MESSAGES messages over CONNECTIONS connections, `depth` of them on the way in each."""
    frame, answer = masked(size)
    left = MESSAGES // CONNECTIONS // depth
    with selectors.DefaultSelector() as selector:
        for _ in range(CONNECTIONS):
            connection = open_connection(port)
            selector.register(connection, selectors.EVENT_READ, [left - 1, 0])
            connection.sendall(frame * depth)
        while selector.get_map():
            for key, _ in selector.select():
                state = key.data
                state[1] += len(key.fileobj.recv(1 << 16))
                if state[1] < answer * depth:
                    continue
                if state[0] == 0:
                    selector.unregister(key.fileobj)
                    key.fileobj.close()
                    continue
                state[0] -= 1
                state[1] = 0
                key.fileobj.sendall(frame * depth)


class WebSocketCost(LuaTest):
    def test_cost(self):
        port = free_port()
        node = self.start_lua("websocket_echo", echo_port=port, thread=1)
        node.wait_for_port(port)
        peer = subprocess.Popen(node_command("ws_server.js", "plain"), env=ENVIRONMENT, stdout=subprocess.PIPE,
                                text=True)
        self.addCleanup(peer.stdout.close)
        self.addCleanup(peer.wait)
        self.addCleanup(peer.kill)
        peer_port = int(re.search(r"port (\d+)", peer.stdout.readline())[1])
        os.set_blocking(peer.stdout.fileno(), False)
        for size, depth in ((16, 1), (16, 16), (1000, 1), (1000, 16)):
            ours, theirs = [], []
            for _ in range(ROUNDS + 1):
                for pid, at, costs in ((node.pid, port, ours), (peer.pid, peer_port, theirs)):
                    before = cpu_seconds(pid)
                    echo(at, size, depth)
                    costs.append((cpu_seconds(pid) - before) / MESSAGES * 1e6)
                peer.stdout.read()
            a, b = statistics.median(ours[1:]), statistics.median(theirs[1:])  # the first warms up
            print(f"{size:5} bytes, {depth:2} on the way: ours {a:6.2f} us, ws {b:6.2f} us, ratio {a / b:.2f}",
                  flush=True)
        self.assert_stops(node)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        ROUNDS = int(sys.argv.pop())
    unittest.main()
