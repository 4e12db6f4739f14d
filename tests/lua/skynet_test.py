#!/usr/bin/env python3
"""The library `skynet`, and what a script must not be able to do to its node."""
import unittest

from lua_node import SANITIZE, LuaTest, full_or

IDLE = full_or(10000, 100 if SANITIZE else 1000)
IDLE_BYTES = 50000  # the budget of an idle Lua service, resident


class SkynetTest(LuaTest):
    def test_coroutines_calls_and_inspection(self):
        node = self.run_script("skynet_script")
        node.wait_for_line(r"lua call \[[0-9a-f]+ to :[0-9a-f]+ : \d+ msgsz = \d+\] error : \x1b\[31m.*this handler fails")
        for line in (r"Unknown request \(202\): to nobody", r"Response message : no question"):
            node.wait_for_line(line + r"\n.*error : \x1b\[31mUnknown session : 0 from 8\x1b")
        self.assert_stops(node)

    def test_a_program_may_wrap_what_it_uses(self):
        node = self.run_script("wrapping_script")
        for step in ("tracecall begin", "request", "tracecall end"):
            node.wait_for_line(rf"<TRACE mine> \d+ {step}")
        self.assert_stops(node)

    def test_a_library_of_its_own_runs_on_the_core(self):
        node = self.run_script("core_script")
        node.wait_for_line(r"<TRACE tag> \d+ a step : .*core_script\.lua:\d+")
        node.wait_for_line(r"lua call \[[0-9a-f]+ to :[0-9a-f]+ : \d+ msgsz = \d+\] error : \x1b\[31m.*a handler fails")
        self.assert_stops(node)

    def test_a_failed_call_tells_why_when_asked_to(self):
        self.assert_stops(self.run_script("tell_errors", call_traceback=True))

    def test_idle_services_cost_little(self):
        node = self.start_lua("many_idle", idle=IDLE)
        each = int(node.wait_for_line(f"many idle: {IDLE} services, (-?\\d+) bytes each", deadline=300)[1])
        print(f"{IDLE} idle Lua services, {each} bytes each")
        if not SANITIZE:
            self.assertLessEqual(each, IDLE_BYTES)
        self.assert_stops(node)

    def test_a_script_harms_its_own_service_only(self):
        node = self.run_script("hostile_script")
        node.wait_for_line(r"Set memory limit to 16\.00 M")
        node.wait_for_line(r"lua memory error : \[[0-9a-f]+ to :[0-9a-f]+ : \d+\]")
        node.wait_for_line(r"recv a signal 0")
        node.wait_for_line(r"error : \x1b\[31msignal 0")
        node.wait_for_line(r"Unknown request \(6\)", count=3)  # connected, data, closed
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main(verbosity=2)
