#!/usr/bin/env python3
"""snax: services whose functions are called like methods."""
import unittest

from lua_node import HERE, LuaTest


class SnaxTest(LuaTest):
    def test_snax_services_and_their_users_work_together(self):
        node = self.run_script("snax_script", snax=f"{HERE}/snax/?.lua")
        node.wait_for_line(r"\] snax 7$")
        self.assert_stops(node)

    def test_without_the_key_snax_the_error_says_so(self):
        node = self.start_lua("snax_user_without_key")
        node.wait_for_line("the configuration has no key snax")


if __name__ == "__main__":
    unittest.main()
