#!/usr/bin/env python3
"""What a build without TLS says to those who ask for it."""
import sys
import unittest

from lua_node import ROOT, LuaTest

sys.path.insert(0, str(ROOT / "examples" / "login"))
from client import Login, LoginError  # noqa: E402


class WithoutTlsTest(LuaTest):
    def test_scripts_are_told_that_there_is_none(self):
        self.assert_stops(self.run_script("without_tls_script"))

    def test_a_login_of_today_is_refused_and_an_old_one_is_not(self):
        node = self.start_lua("login_probe")
        port = int(node.wait_for_line(r"login server on port (\d+)$")[1])
        login = Login(port)
        self.addCleanup(login.close)
        with self.assertRaisesRegex(LoginError, "400 Bad Request"):
            login.log_in_today(b"anna")
        node.wait_for_line("login of .* failed: .*this build has no TLS")
        old = Login(port)
        self.addCleanup(old.close)
        old.shake_hands()
        self.assert_stops(node)

    def test_a_server_that_could_let_nobody_in_does_not_start(self):
        for setting in ({"login_refuse_old": "true"}, {"login_key": "00" * 32}):
            self.start_lua("login_probe", **setting).wait_for_line("this build has no TLS")


if __name__ == "__main__":
    unittest.main()
