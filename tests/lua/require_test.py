#!/usr/bin/env python3
"""`require` in services: safe to yield, each module once, errors for everybody who waits."""
import unittest

from lua_node import LuaTest


class RequireTest(LuaTest):
    def test_require_keeps_its_promises(self):
        self.assert_stops(self.run_script("require_script"))


if __name__ == "__main__":
    unittest.main()
