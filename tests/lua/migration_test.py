#!/usr/bin/env python3
"""The configuration that docs/guide/migration.md shows runs a Skynet project as it stands."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from lua_node import ROOT
from node import DEADLINE, command, wait_until

GUIDE = ROOT / "docs" / "guide" / "migration.md"

# A project as its author has it on Skynet.
PROJECT = {
    "service/main.lua": """
local skynet = require "skynet"
local greeting = require "greeting"
skynet.start(function()
    local worker = skynet.newservice("worker", "w1")
    skynet.error(greeting .. " " .. skynet.call(worker, "lua", "name"))
    skynet.error("own key " .. skynet.getenv "own_key")
    skynet.exit()
end)
""",
    "service/worker/main.lua": """
local skynet = require "skynet"
local name = ...
local answers = require "answers"
skynet.start(function()
    skynet.dispatch("lua", function(_, _, what)
        skynet.ret(skynet.pack(answers[what](name)))
    end)
end)
""",
    "service/worker/answers.lua": "return { name = function(name) return 'worker ' .. name end }\n",
    "lualib/greeting.lua": "return 'greetings from'\n",
}

# One that was written when modules had short names.
OLD_PROJECT = {
    "service/main.lua": """
local skynet = require "skynet"
skynet.start(function()
    for _, name in ipairs { %s } do
        assert(require(name) == require((name == "redis" and "skynet.db." or "skynet.") .. name), name)
    end
    skynet.error("own key " .. skynet.getenv "own_key")
    skynet.exit()
end)
""" % ", ".join(f'"{path.stem}"' for path in sorted((ROOT / "lualib" / "compat10").glob("*.lua"))),
}


class MigrationTest(unittest.TestCase):
    def run_project(self, files, extra):
        """Its log, with the guide's configuration and lines of its own."""
        blocks = re.findall(r"```lua\n(.*?)```", GUIDE.read_text(), re.DOTALL)
        self.assertEqual(len(blocks), 1)
        with tempfile.TemporaryDirectory(prefix="skyloom_test_") as name:
            project = pathlib.Path(name)
            for path, text in files.items():
                (project / path).parent.mkdir(parents=True, exist_ok=True)
                (project / path).write_text(text)
            (project / "config").write_text(f'{blocks[0]}{extra}own_key = "kept"\n')
            with open(project / "log", "wb") as log:
                node = subprocess.Popen(command("config"), cwd=project, env={**os.environ, "SKYLOOM": str(ROOT)},
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                def has_run():
                    text = (project / "log").read_text()
                    return re.search("own key kept|bootstrap: .*failed", text) or node.poll() is not None
                wait_until(has_run, "the project has run", DEADLINE)
                text = (project / "log").read_text()
                node.terminate()
                self.assertEqual(node.wait(DEADLINE), 0, text)
            finally:
                node.kill()
                node.wait()
        return text

    def test_a_project_runs_with_the_configuration_of_the_guide(self):
        log = self.run_project(PROJECT, "")
        self.assertRegex(log, r"\[:00000008\] greetings from worker w1\n\[:00000008\] own key kept\n")

    def test_a_project_with_old_names_of_modules_runs_with_the_path_of_the_guide(self):
        path = re.search(r'`(skyloom \.\. "[^`]*compat10[^`]*")`', GUIDE.read_text())[1]
        log = self.run_project(OLD_PROJECT, f'lua_path = lua_path .. ";" .. {path}\n')
        self.assertIn("] own key kept\n", log)


if __name__ == "__main__":
    unittest.main()
