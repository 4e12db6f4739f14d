#!/usr/bin/env python3
"""Services that exist once: concurrent launches, failed ones, queries that wait."""
import unittest

from lua_node import LuaTest


class ServiceManagerTest(LuaTest):
    def test_every_command_of_the_service_manager_answers_as_it_should(self):
        self.assert_stops(self.run_script("service_mgr_script"))


if __name__ == "__main__":
    unittest.main()
