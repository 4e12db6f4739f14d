#!/usr/bin/env python3
"""`require` in services: safe to yield, each module once, errors for everybody who waits."""
import tempfile
import unittest

from lua_node import SETTINGS, LuaTest


class RequireTest(LuaTest):
    def test_require_keeps_its_promises(self):
        with tempfile.TemporaryDirectory(prefix="skyloom_test_") as folder:
            self.assert_stops(self.run_script("require_script", scripts=folder,
                                              luaservice=f"{SETTINGS['luaservice']};{folder}/?.lua"))


if __name__ == "__main__":
    unittest.main()
