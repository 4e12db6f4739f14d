#!/usr/bin/env python3
"""skynet.socketchannel."""
import unittest

from lua_node import LuaTest
from node import for_each_mode


class SocketChannelTest(LuaTest):
    @for_each_mode
    def test_answers_find_their_callers(self, net_threads):
        node = self.run_script("socketchannel_script", net_threads=net_threads)
        node.wait_for_line(r"socket: unknown session : 77$")
        node.wait_for_line(r"socket: response failed: cannot read this$")
        self.assert_stops(node)

    @for_each_mode
    def test_connections_come_back(self, net_threads):
        node = self.run_script("socketchannel_connect_script", net_threads=net_threads)
        node.wait_for_line(r"socket: disconnect detected 127\.0\.0\.1 \d+$")
        node.wait_for_line(r"socket: auth failed the password is wrong$")
        node.wait_for_line(r"socket: connect to backup host 127\.0\.0\.1 \d+$")
        node.wait_for_line(r"Connect to 127\.0\.0\.1:\d+ failed \(.*refused\)$")
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main()
