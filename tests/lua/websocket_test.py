#!/usr/bin/env python3
"""WebSocket, both sides: http.websocket against itself and against peers made by hand."""
import unittest

from lua_node import LuaTest

PATIENCE = {"handshake_timeout": 60000, "ws_close_timeout": 60000}  # a slow machine is not what is tested


class WebSocketTest(LuaTest):
    def test_K50_both_sides_follow_rfc_6455_within_their_limits_and_lose_no_byte(self):
        self.assert_stops(self.run_script("websocket_script", ws_message_max=70000, **PATIENCE))

    def test_deadlines_are_kept(self):
        self.assert_stops(
            self.run_script("websocket_deadline_script", handshake_timeout=2000, ws_close_timeout=300))


if __name__ == "__main__":
    unittest.main()
