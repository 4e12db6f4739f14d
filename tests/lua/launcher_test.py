#!/usr/bin/env python3
"""The launcher: every command, with its exact answers."""
import unittest

from lua_node import LuaTest


class LauncherTest(LuaTest):
    def test_every_command_of_the_launcher_answers_as_it_should(self):
        node = self.run_script("launcher_script", logpath="FOLDER")
        node.wait_for_line(r"^\[:00000004\] GC \d+\.\d\d Kb -> \d+\.\d\d Kb, cost \d+\.\d\d sec$")
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main()
