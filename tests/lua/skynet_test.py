#!/usr/bin/env python3
"""The library `skynet`, and what a script must not be able to do to its node."""
import re
import unittest

from lua_node import SANITIZE, LuaTest, full_or

IDLE = full_or(10000, 100 if SANITIZE else 1000)
IDLE_BYTES = 50000  # the budget of an idle Lua service, resident


class SkynetTest(LuaTest):
    def test_coroutines_calls_and_inspection(self):
        node = self.run_script("skynet_script")
        node.wait_for_line(r"lua call \[[0-9a-f]+ to :[0-9a-f]+ : \d+ msgsz = \d+\] error : \x1b\[31m.*this handler fails")
        for line in (r"Unknown request \(200\): what is usual", r"Unknown request \(202\): to nobody", r"Response message : no question"):
            node.wait_for_line(line + r"\n.*error : \x1b\[31mUnknown session : 0 from 8\x1b")
        self.assertNotIn("a timer of 0 cs is refused", node.log())
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

    def test_traces_log_each_step_with_its_place(self):
        node = self.run_script("trace_script")
        lines = re.findall(r"^\[:(\d+)\] <TRACE (\S+)> \d+ (.*)$", node.log(), re.MULTILINE)
        own, peer = "00000008", "00000009"
        self.assertEqual(node.wait_for_line(r"peer :(\d+)$")[1], peer)
        place = re.compile(r"[^ ]*/([a-z_]+)\.lua:\d+")
        shown = [" ".join((who, tag, place.sub(r"\1", text))) for who, tag, text in lines]
        expected = """
            O :O-1 trace : trace_script trace_script
            O :O-1 call : trace_script
            P :O-1 request
            P :O-1 response : trace_peer
            P :O-1 end
            O :O-1 resume : trace_script
            O :O-1 resume : trace_script
            O :O-1 end
            O :O-2 trace once : trace_script trace_script
            O :O-3 trace twice : trace_script trace_script
            O :O-3 end
            P :P-1 trace
            P :P-1 response : trace_peer
            P :P-1 end
            P :P-2 trace
            P :P-2 response : trace_peer
            P :P-2 end
            P :P-3 trace asked for : trace_peer trace_peer
            P :P-3 response : trace_peer
            P :P-3 end
            O far-7 tracecall begin : trace_script check trace_script
            P far-7 request
            P far-7 response : trace_peer
            P far-7 end
            O far-7 tracecall end : trace_script check trace_script
            O far-8 tracecall begin : check trace_script check
            P far-8 request
            P far-8 error : trace_peer trace_peer
            O far-9 tracecall begin : check trace_script check
            O far-7 a step of mine : trace_script check trace_script"""
        expected = [line.strip().replace("O", own).replace("P", peer) for line in expected.strip().splitlines()]
        self.assertEqual(sorted(shown), sorted(expected))
        self.assertEqual([line for line in shown if f":{own}-1" in line],
                         [line for line in expected if f":{own}-1" in line])
        self.assert_stops(node)

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
