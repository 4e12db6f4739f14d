"""Nodes that run Lua services, and Lua scripts that test from the inside."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from node import SANITIZE, NodeTest, full_or  # noqa: E402,F401

HERE = ROOT / "tests" / "lua"
SETTINGS = {
    "bootstrap": "snlua bootstrap",
    "lualoader": f"{ROOT}/lualib/loader.lua",
    "lua_path": f"{ROOT}/lualib/?.lua;{ROOT}/lualib/?/init.lua;{HERE}/lib/?.lua",
    "luaservice": f"{ROOT}/service/?.lua;{HERE}/service/?.lua;{HERE}/service/?/main.lua",
}


class LuaTest(NodeTest):
    def start_lua(self, start, **settings):
        """A node whose start service is the script `start` of tests/lua/service."""
        return self.start(**{**SETTINGS, "start": start, **settings})

    def run_script(self, name, **settings):
        """Runs a script that tests with lib/check.lua to its end: each of its tests ran and passed."""
        source = (HERE / "service" / f"{name}.lua").read_text()
        expected = re.findall(r'^\s*test\("([^"]+)"', source, re.MULTILINE)
        self.assertTrue(expected, f"{name}.lua has no tests")
        node = self.start_lua(name, **settings)
        node.wait_for_line(r"tests of \S+ are done")
        self.assertEqual(re.findall(r"\] (FAILED .*)$", node.log(), re.MULTILINE), [], node.story())
        passed = re.findall(r"\] ok (.*)$", node.log(), re.MULTILINE)
        self.assertEqual(sorted(passed), sorted(expected), node.story())
        return node
