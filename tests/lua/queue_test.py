#!/usr/bin/env python3
"""skynet.queue."""
import unittest

from lua_node import LuaTest


class QueueTest(LuaTest):
    def test_a_queue_runs_one_function_at_a_time(self):
        self.run_script("queue_script")


if __name__ == "__main__":
    unittest.main()
