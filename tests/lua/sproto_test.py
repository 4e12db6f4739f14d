#!/usr/bin/env python3
"""sproto, sprotoparser, sprotoloader and bson in services of a real node."""
import os
import pathlib
import random
import shutil
import tempfile
import unittest

import sproto_oracle
from lua_node import HERE, SANITIZE, LuaTest


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


if __name__ == "__main__":
    unittest.main()
