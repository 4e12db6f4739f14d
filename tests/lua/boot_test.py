#!/usr/bin/env python3
"""How a node with Lua services starts: the order, the handles, the log lines, and what fails."""
import pathlib
import re
import tempfile
import unittest

from lua_node import HERE, ROOT, SETTINGS, LuaTest


class BootTest(LuaTest):
    def test_services_start_in_order_with_their_handles(self):
        node = self.start_lua("boot_probe")
        node.wait_for_line(r"^\[:00000008\] boot probe runs$")
        node.wait_for_line(r"^\[:00000002\] KILL self$")
        launches = re.findall(r"^\[:([0-9a-f]{8})\] LAUNCH (.*?)\s*$", node.log(), re.MULTILINE)
        self.assertEqual(launches, [
            ("00000002", "snlua bootstrap"), ("00000003", "snlua launcher"),
            ("00000004", "snlua cdummy"), ("00000005", "harbor 0 4"), ("00000006", "snlua datacenterd"),
            ("00000007", "snlua service_mgr"), ("00000008", "snlua boot_probe")])
        self.assertNotIn("error", node.log())
        self.assert_stops(node)

    def test_a_failing_start_service_leaves_the_node_running(self):
        node = self.start_lua("failing_start")
        node.wait_for_line(r"^\[:00000008\] init service failed: .*this service never starts")
        node.wait_for_line(r"^\[:00000002\] bootstrap: start service failing_start failed: ")
        node.wait_for_line(r"^\[:00000002\] KILL self$")
        self.assert_stops(node)

    def test_a_node_whose_first_service_is_nowhere_does_not_start(self):
        node = self.start_lua("boot_probe", bootstrap="snlua no_such_bootstrap")
        self.assertEqual(node.wait(), 1, node.story())
        self.assertIn("Can't load service no_such_bootstrap", node.log())
        self.assertIn('cannot start the first service: bootstrap = "snlua no_such_bootstrap"', node.errors())

    def test_a_start_service_that_is_nowhere_is_told_with_all_places(self):
        node = self.start_lua("no_such_service")
        node.wait_for_line(r"Can't load service no_such_service:")
        for place in (f"{ROOT}/service/no_such_service.lua", f"{HERE}/service/no_such_service.lua",
                      f"{HERE}/service/no_such_service/main.lua"):
            self.assertIn(f"cannot open {place}", node.log())
        node.wait_for_line(r"bootstrap: start service no_such_service failed: ")

    def test_a_syntax_error_is_told_with_its_line(self):
        folder = tempfile.TemporaryDirectory(prefix="skyloom_test_")
        self.addCleanup(folder.cleanup)
        pathlib.Path(folder.name, "bad_syntax.lua").write_text("local skynet = require 'skynet'\nskynet.start( end\n")
        node = self.start_lua("bad_syntax", luaservice=f"{SETTINGS['luaservice']};{folder.name}/?.lua")
        node.wait_for_line(r"bad_syntax\.lua:2: ")
        node.wait_for_line(r"bootstrap: start service bad_syntax failed: ")

    def test_without_cdummy_the_node_ends(self):
        node = self.start_lua("boot_probe", luaservice=f"{HERE}/broken/?.lua;{SETTINGS['luaservice']}")
        self.assertEqual(node.wait(), 0, node.story())
        self.assertRegex(node.log(), r"bootstrap: service cdummy does not start .*the node ends")
        self.assertNotIn("boot probe runs", node.log())

    def test_a_single_node_refuses_to_be_a_master(self):
        node = self.start_lua("boot_probe", standalone="127.0.0.1:2013")
        node.wait_for_line(r"harbor = 0 means a single node: standalone must not be set")
        self.assertNotIn("boot probe runs", node.log())

    def test_one_of_several_nodes_says_that_there_are_none_and_ends(self):
        node = self.start_lua("boot_probe", harbor=2)
        self.assertEqual(node.wait(), 0, node.story())
        self.assertRegex(node.log(), "bootstrap: harbor = 2 without standalone is one of several nodes: .*: the node ends")
        self.assertNotIn("boot probe runs", node.log())

    def test_a_master_is_alone_and_runs_everything(self):
        node = self.run_script("master_script", harbor=1, standalone="0.0.0.0:2013", address="127.0.0.1:2526",
                               master="127.0.0.1:2013")
        node.wait_for_line(r"^\[:01000002\] bootstrap: harbor = 1, .*this node is alone, nothing listens on .*2013$")
        self.assertEqual(node.listening_ports(), [])
        self.assertNotRegex(node.log(), "(?i)error")
        self.assert_stops(node)

    def test_the_loader_finds_services_in_folders_of_their_own(self):
        source = (HERE / "service" / "loader_probe" / "main.lua").read_text()
        expected = re.findall(r'^\s*test\("([^"]+)"', source, re.MULTILINE)
        node = self.start_lua("loader_probe one  two three", preload=f"{HERE}/lib/preload.lua")
        node.wait_for_line("tests of loader_probe are done")
        self.assertEqual(sorted(re.findall(r"\] ok (.*)$", node.log(), re.MULTILINE)), sorted(expected),
                         node.story())

    def test_a_missing_preload_script_is_told(self):
        node = self.start_lua("boot_probe", preload=f"{HERE}/lib/nowhere.lua")
        node.wait_for_line(r"Can't load preload script .*nowhere\.lua")


if __name__ == "__main__":
    unittest.main()
