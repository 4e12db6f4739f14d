#!/usr/bin/env python3
"""The server's side of HTTP: http.httpd, its parts, and their sockets."""
import unittest

from lua_node import LuaTest


class HttpTest(LuaTest):
    def test_requests_and_responses_are_read_and_written_strictly(self):
        self.assert_stops(self.run_script("http_script"))


if __name__ == "__main__":
    unittest.main()
