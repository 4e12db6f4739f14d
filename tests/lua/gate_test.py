#!/usr/bin/env python3
"""The Lua gate and snax.gateserver."""
import unittest

from lua_node import LuaTest


class GateTest(LuaTest):
    def test_every_command_and_report_of_the_gate_is_as_it_should_be(self):
        node = self.run_script("gate_script")
        node.wait_for_line(r"Listen on 0\.0\.0\.0:0$")
        node.wait_for_line(r"gateserver: the handler needs a function `message`")
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main()
