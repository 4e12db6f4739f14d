#!/usr/bin/env python3
"""skynet.service with its provider and cells, and skynet.harbor on a single node."""
import unittest

from lua_node import LuaTest


class ServiceTest(LuaTest):
    def test_functions_become_services(self):
        node = self.run_script("service_script")
        node.wait_for_line(r"this code fails")
        node.wait_for_line(r"this code fails late")
        node.wait_for_line(r"service_cell lonely: cannot do \"other\"")
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main()
