#!/usr/bin/env python3
"""skynet.socket."""
import os
import re
import unittest

from lua_node import LuaTest
from node import for_each_mode


class SocketTest(LuaTest):
    @for_each_mode
    def test_connections_are_read_within_limits(self, net_threads):
        node = self.run_script("socket_script", net_threads=net_threads)
        self.assertIn("the function of the listener fails", node.log())
        node.wait_for_line(r"WARNING: \d+ K bytes need to send out \(fd = \d+\)$")
        paused = node.wait_for_line(r"paused socket (\d+)")[1]
        size = re.search(rf"Pause socket \({paused}\) size : (\d+)$", node.log(), re.MULTILINE)
        self.assertIsNotNone(size, node.story())
        self.assertGreater(int(size[1]), 128 * 1024)
        resumed = node.log().index(f"Resume socket ({paused})\n")
        self.assertGreater(resumed, size.start())
        overflown = re.findall(r"socket buffer overflow: fd=\d+ size=(\d+)$", node.log(), re.MULTILINE)
        self.assertEqual(overflown[:3], ["1001", "1001", "1001"], node.story())
        self.assertGreater(int(overflown[3]), 64 << 20)
        self.assert_stops(node)

    @for_each_mode
    def test_sockets_end_and_datagrams_pass(self, net_threads):
        self.assert_stops(self.run_script("socket_ends_script", net_threads=net_threads))

    def test_stdin_is_read_line_by_line_to_its_end(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        node = self.start_lua("stdin_script", preexec=lambda: os.dup2(reader, 0))
        os.write(writer, b"one\ntw")
        node.wait_for_line(r"line: one$")
        os.write(writer, b"o\n")
        node.wait_for_line(r"line: two$")
        os.close(writer)
        node.wait_for_line(r"the input has ended$")

    def test_a_stdin_that_cannot_be_watched_is_an_error(self):
        node = self.start_lua("stdin_script")  # a device without events
        node.wait_for_line(r"no stdin: .+")


if __name__ == "__main__":
    unittest.main()
