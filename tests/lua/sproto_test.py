#!/usr/bin/env python3
"""sproto, sprotoparser, sprotoloader and bson in services of a real node."""
import os
import random
import unittest

from lua_node import HERE, SANITIZE, LuaTest


class SprotoTest(LuaTest):
    def settings(self):
        seed = int(os.environ.get("SKYLOOM_TEST_SEED", random.randrange(1 << 31)))
        print(f"SKYLOOM_TEST_SEED={seed}", flush=True)
        settings = {"sanitize": SANITIZE} if SANITIZE else {}
        return {"seed": seed, "schemas": f"{HERE}/schemas", **settings}

    def test_services_speak_sproto_and_scripts_cannot_break_it(self):
        node = self.run_script("sproto_script", **self.settings())
        self.assert_stops(node)

    def test_documents_of_bson_come_back_and_scripts_cannot_break_it(self):
        node = self.run_script("bson_script", **self.settings())
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main()
