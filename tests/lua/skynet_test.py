#!/usr/bin/env python3
"""The library `skynet`, and what a script must not be able to do to its node."""
import unittest

from lua_node import LuaTest


class SkynetTest(LuaTest):
    def test_coroutines_calls_and_inspection(self):
        node = self.run_script("skynet_script")
        node.wait_for_line(r"lua call \[[0-9a-f]+ to :[0-9a-f]+ : \d+ msgsz = \d+\] error : \x1b\[31m.*this handler fails")
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main(verbosity=2)
