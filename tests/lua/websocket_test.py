#!/usr/bin/env python3
"""WebSocket, both sides: http.websocket against itself and against peers made by hand."""
import unittest

from lua_node import LuaTest

SETTINGS = {"ws_message_max": 70000, "ws_close_timeout": 300, "handshake_timeout": 500}


class WebSocketTest(LuaTest):
    def test_both_sides_follow_rfc_6455(self):
        self.assert_stops(self.run_script("websocket_script", **SETTINGS))


if __name__ == "__main__":
    unittest.main()
