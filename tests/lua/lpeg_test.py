#!/usr/bin/env python3
"""LPeg of the distribution (lua-lpeg) works in a service, with the lua_cpath that docs/guide/migration.md shows."""
import pathlib
import re
import subprocess
import sys
import unittest

from lua_node import ROOT, LuaTest

SKIPPED = 77  # ctest shows it
GUIDE = ROOT / "docs" / "guide" / "migration.md"
LUA_CPATH = re.search(r'^ +lua_cpath = "(.*)"$', GUIDE.read_text(), re.MULTILINE).group(1)
MODULE = pathlib.Path(LUA_CPATH.split(";")[-1].replace("?", "lpeg"))


class LpegTest(LuaTest):
    def test_a_grammar_runs_in_a_service(self):
        self.run_script("lpeg_script", lua_cpath=LUA_CPATH)

    def test_the_systems_lua_finds_it_by_itself(self):
        run = subprocess.run(["lua5.4", "-e", "print(require('lpeg').P('a'):match('a'))"],
                             capture_output=True, text=True, check=False)
        self.assertEqual((run.stdout, run.stderr), ("2\n", ""))


if __name__ == "__main__":
    if not MODULE.exists():
        print(f"{MODULE} is not installed (lua-lpeg)", file=sys.stderr)
        sys.exit(SKIPPED)
    unittest.main()
