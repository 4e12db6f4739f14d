#!/usr/bin/env python3
"""sproto, sprotoparser, sprotoloader and bson in services of a real node."""
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import unittest

import sproto_oracle
from lua_node import HERE, ROOT, SANITIZE, LuaTest
from node import BUILD, DEADLINE, for_each_mode

LUA = shutil.which("lua5.4")


class SprotoTest(LuaTest):
    def settings(self):
        seed = int(os.environ.get("SKYLOOM_TEST_SEED", random.randrange(1 << 31)))
        print(f"SKYLOOM_TEST_SEED={seed}", flush=True)
        settings = {"sanitize": SANITIZE} if SANITIZE else {}
        return {"seed": seed, "schemas": f"{HERE}/schemas", "oracle": self.oracle(seed), **settings}

    def oracle(self, seed):
        """A folder with a schema, and messages of it: each as Lua source, in bytes, and packed."""
        chance = random.Random(seed)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="skyloom_test_"))
        self.addCleanup(shutil.rmtree, folder)
        (folder / "schema").write_text(sproto_oracle.SCHEMA)
        with open(folder / "messages", "w") as messages:
            for _ in range(300):
                value = sproto_oracle.value_of(chance)
                data = sproto_oracle.message(value)
                print(sproto_oracle.lua(value), data.hex(), sproto_oracle.packed(data).hex(), file=messages)
        return folder

    def test_services_speak_sproto_and_scripts_cannot_break_it(self):
        node = self.run_script("sproto_script", **self.settings())
        self.assert_stops(node)

    def test_documents_of_bson_come_back_and_scripts_cannot_break_it(self):
        node = self.run_script("bson_script", **self.settings())
        self.assert_stops(node)


@unittest.skipIf(LUA is None, "there is no lua5.4: ./dev setup installs it")
class PlainLuaTest(LuaTest):
    def test_a_plain_program_writes_and_reads_documents_of_bson(self):
        out = subprocess.run([LUA, "-e", f"""
            package.cpath = "{BUILD}/luaclib/?.so"
            local bson = require "bson"
            local id = bson.objectid()
            local proxy = setmetatable({{}}, {{ __pairs = function() return next, {{ [7] = 8 }} end }})
            local document = bson.encode {{ id = id, list = {{ 1, 2.5, bson.null }}, proxy = proxy }}
            local t = bson.decode(tostring(document))
            print(t.id == id, bson.type(t.list[3]), t.list[2], t.proxy["7"], pcall(bson.decode, "x"))
            """], capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual((out.stderr, out.stdout.split("\t")[:5]), ("", ["true", "null", "2.5", "8", "false"]))
        self.assertIn("Invalid bson document of 1 bytes", out.stdout)

    def start_client(self, port, name):
        command = [LUA, HERE / "sproto_client.lua", BUILD, ROOT, str(port), name]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        return process

    @for_each_mode
    def test_clients_in_plain_lua_and_agents_ask_each_other(self, net_threads):
        node = self.start_lua("sproto_game", net_threads=net_threads)
        port = int(node.wait_for_line(r"watchdog on 127\.0\.0\.1:(\d+)$")[1])
        names = ["anna", "bert", "carl"]
        for name, client in [(name, self.start_client(port, name)) for name in names]:
            out, err = client.communicate(timeout=DEADLINE)
            self.assertEqual((client.returncode, err), (0, ""), node.story())
            self.assertEqual(out.splitlines(), [
                "denied\tfalse", "add\t40\t2\tme", f"login\ttrue\t{name}", "changed\thello\tworld",
                "changed\tlong\t" + "x" * 60000, "get\tworld", "get\t60000", "get\tnil", "closed"])
        for name in names:
            node.wait_for_line(rf"{name} has added: 42 for me$")
            node.wait_for_line(rf"disconnect {name}$")
        node.wait_for_line(r"it fails$", count=len(names))
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main()
