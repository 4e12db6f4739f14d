#!/usr/bin/env python3
"""C modules of the distribution: found behind lua_cpath, where the system's own interpreter finds them."""
import pathlib
import tempfile
import unittest

from lua_node import LuaTest


class SystemModulesTest(LuaTest):
    def test_lpeg_of_the_distribution_runs_in_a_service(self):
        self.assert_stops(self.run_script("lpeg_script"))

    def test_what_lua_cpath_leads_to_comes_first(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "lpeg.so").write_bytes(b"no shared object")
            node = self.start_lua("lpeg_script", lua_cpath=f"{folder}/?.so")
            node.wait_for_line(rf"error loading module 'lpeg' from file '{folder}/lpeg.so'")


if __name__ == "__main__":
    unittest.main()
