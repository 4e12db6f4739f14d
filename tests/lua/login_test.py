#!/usr/bin/env python3
"""The login server and the message server of the example, with clients that lose their connection or mean no good."""
import os
import struct
import sys
import unittest

from lua_node import ROOT, SETTINGS, LuaTest
from node import needs_tls, wait_until

sys.path.insert(0, str(ROOT / "examples" / "login"))
import login_crypt as crypt  # noqa: E402
from client import Login, LoginError, Messages, demo, log_in  # noqa: E402


class LoginExampleTest(LuaTest):
    def start_example(self, **settings):
        services = f"{ROOT}/examples/login/?.lua;{SETTINGS['luaservice']}"
        node = self.start_lua("main", luaservice=services, login_host="127.0.0.1", login_port=0, message_port=0,
                              message_maxclient=100, **settings)
        node.login_port = int(node.wait_for_line(r"login server on port (\d+)$")[1])
        node.message_port = int(node.wait_for_line(r"messages on 127\.0\.0\.1:(\d+)$")[1])
        return node

    def login(self, port):
        login = Login(port)
        self.addCleanup(login.close)
        return login

    def messages(self, node):
        messages = Messages(node.message_port)
        self.addCleanup(messages.close)
        return messages

    def enter(self, node, user, secret, subid, index):
        messages = self.messages(node)
        self.assertEqual(messages.greet(user, subid, secret, index), b"200 OK")
        return messages


class LoginTest(LoginExampleTest):
    def refusal(self, port, *arguments, **options):
        with self.assertRaises(LoginError) as caught:
            log_in(port, *arguments, **options)
        return str(caught.exception)

    def test_the_demo_of_the_example_is_content(self):
        node = self.start_example()
        demo(node.login_port, node.message_port)
        node.wait_for_line("anna@sample is logged out")
        self.assert_stops(node)

    @needs_tls
    def test_the_demo_is_content_with_the_algorithms_of_today(self):
        node = self.start_example()
        demo(node.login_port, node.message_port, is_current=True)
        node.wait_for_line("anna@sample is logged out")
        self.assert_stops(node)

    def test_who_may_not_enter_is_told_why(self):
        node = self.start_example()
        self.assertEqual(self.refusal(node.login_port, b"anna", password=b"guess"), "401 Unauthorized")
        self.assertEqual(self.refusal(node.login_port, b"anna", server=b"elsewhere"), "403 Forbidden")
        log_in(node.login_port, b"anna")

    def test_a_token_that_cannot_be_read_is_unauthorized(self):
        node = self.start_example()
        for token in (b"", b"short", b"!!!!", crypt.encode64(os.urandom(16))):
            login = self.login(node.login_port)
            login.shake_hands()
            login.send(token)
            self.assertEqual(login.receive(), b"401 Unauthorized", token)
            self.assertEqual(login.receive(), b"")

    def test_a_handshake_that_fails_is_a_bad_request(self):
        node = self.start_example()
        for key in (b"", b"seven b", b"nine byte", b"\0" * 8):
            login = self.login(node.login_port)
            login.receive()
            login.send(crypt.encode64(key))
            answer = login.receive()
            if key == b"\0" * 8 and not answer.startswith(b"400"):
                login.send(crypt.encode64(b"wrong888"))
                answer = login.receive()
            self.assertEqual(answer, b"400 Bad Request", key)
        login = self.login(node.login_port)
        login.receive()
        login.send(crypt.encode64(crypt.dh_exchange(crypt.random_key())))
        login.receive()
        login.send(crypt.encode64(b"8 bytes!"))
        self.assertEqual(login.receive(), b"400 Bad Request")
        self.assertEqual(login.receive(), b"")

    def test_who_sends_too_much_or_nothing_is_closed(self):
        node = self.start_example(handshake_timeout=500)
        silent, talker = self.login(node.login_port), self.login(node.login_port)
        try:
            talker.connection.sendall(b"x" * 100000)
        except OSError:
            pass

        def rest(login):
            try:
                return login.stream.read()[13:]
            except ConnectionResetError:
                return b""

        self.assertEqual(rest(talker), b"")
        self.assertEqual(rest(silent), b"")
        log_in(node.login_port, b"anna")
        self.assert_stops(node)

    def test_clients_that_vanish_at_every_step_leave_nothing(self):
        node = self.start_example()
        count = node.fd_count()
        for step in range(4):
            login = Login(node.login_port)
            if step > 0:
                login.receive()
            if step > 1:
                login.send(crypt.encode64(crypt.dh_exchange(crypt.random_key())))
            if step > 2:
                login.connection.sendall(b"half a li")
            login.close()
        wait_until(lambda: node.fd_count() == count, "their descriptors are closed")
        log_in(node.login_port, b"anna")
        self.assert_stops(node)

    def begin(self, port, token):
        login = self.login(port)
        secret = login.shake_hands()
        login.send(crypt.encode64(crypt.des_encode(secret, token)))
        return login

    def start_probe(self, **settings):
        node = self.start_lua("login_probe", **settings)
        return node, int(node.wait_for_line(r"login server on port (\d+)$")[1])

    def test_a_user_who_is_entering_may_not_enter_again(self):
        node, port = self.start_probe()
        first = self.begin(port, b"slow")
        node.wait_for_line("slow is entering")
        self.assertEqual(self.begin(port, b"slow").receive(), b"406 Not Acceptable")
        self.assertEqual(self.begin(port, b"release").receive(), b"200 " + crypt.encode64(b"42"))
        self.assertEqual(first.receive(), b"200 " + crypt.encode64(b"42"))
        self.assertEqual(self.begin(port, b"nobody").receive(), b"401 Unauthorized")

    def test_with_multilogin_he_may(self):
        node, port = self.start_probe(multilogin="true")
        self.begin(port, b"slow")
        self.begin(port, b"slow")
        node.wait_for_line("slow is entering", count=2)


class MessageTest(LoginExampleTest):
    def test_the_first_frame_is_judged(self):
        node = self.start_example()
        secret, subid = log_in(node.login_port, b"anna")
        for user, key, index, wanted in ((b"anna", b"wrongkey", 1, b"401 Unauthorized"),
                                         (b"bert", secret, 1, b"404 User Not Found"),
                                         (b"anna", secret, 0, b"403 Index Expired"),
                                         (b"anna", secret, "x", b"400 Bad Request"),
                                         (b"anna", secret, 10**30, b"400 Bad Request")):
            messages = self.messages(node)
            self.assertEqual(messages.greet(user, subid, key, index), wanted)
            self.assertIsNone(messages.receive())
        for text in (b"", b"::", b"no colons", b"a:1", b"a:1:!!!!:"):
            messages = self.messages(node)
            messages.send(text)
            self.assertEqual(messages.receive(), b"400 Bad Request", text)
        self.enter(node, b"anna", secret, subid, 5)
        messages = self.messages(node)
        self.assertEqual(messages.greet(b"anna", subid, secret, 5), b"403 Index Expired")
        self.assert_stops(node)

    @needs_tls
    def test_the_secret_of_a_current_login_is_proved_with_hmac_sha256_only(self):
        node = self.start_example()
        secret, subid = log_in(node.login_port, b"anna", is_current=True)
        self.assertEqual(len(secret), 32)
        for wrong in (secret[:8], bytes(32), secret[:-1] + bytes([secret[-1] ^ 1])):
            self.assertEqual(self.messages(node).greet(b"anna", subid, wrong, 1), b"401 Unauthorized")
        self.assertEqual(self.enter(node, b"anna", secret, subid, 1).ask(1, b"add 5"), (1, True, b"5"))

    def test_answers_wait_for_who_comes_back(self):
        node = self.start_example()
        secret, subid = log_in(node.login_port, b"anna")
        first = self.enter(node, b"anna", secret, subid, 1)
        self.assertEqual(first.ask(1, b"add 5"), (1, True, b"5"))
        first.request(2, b"wait 50")
        first.request(3, b"add 1")
        self.assertEqual(first.answer(), (3, True, b"6"))
        first.close()
        node.wait_for_line("anna has lost the connection")
        second = self.enter(node, b"anna", secret, subid, 2)
        self.assertEqual(second.ask(1, b"add 5"), (1, True, b"5"))  # not counted twice
        self.assertEqual(second.ask(2, b"wait 50"), (2, True, b"waited"))
        self.assertEqual(second.ask(1, b"add 5"), (1, True, b"11"))  # the session is used again
        self.assertEqual(second.ask(4, b"echo " + b"x" * 60000), (4, True, b"x" * 60000))
        self.assert_stops(node)

    def test_a_new_connection_replaces_the_old_one(self):
        node = self.start_example()
        secret, subid = log_in(node.login_port, b"anna")
        first = self.enter(node, b"anna", secret, subid, 1)
        first.request(1, b"wait 30")
        second = self.enter(node, b"anna", secret, subid, 2)
        self.assertIsNone(first.answer())
        self.assertEqual(second.ask(1, b"wait 30"), (1, True, b"waited"))
        self.assertNotIn("has lost the connection", node.log())

    def test_who_logs_in_again_ends_the_old_login(self):
        node = self.start_example()
        secret, subid = log_in(node.login_port, b"anna")
        first = self.enter(node, b"anna", secret, subid, 1)
        self.assertEqual(first.ask(1, b"add 5"), (1, True, b"5"))
        new_secret, new_subid = log_in(node.login_port, b"anna")
        self.assertNotEqual(subid, new_subid)
        self.assertIsNone(first.answer())
        self.assertEqual(self.messages(node).greet(b"anna", subid, secret, 2), b"404 User Not Found")
        second = self.enter(node, b"anna", new_secret, new_subid, 1)
        self.assertEqual(second.ask(1, b"whoami"), (1, True, b"anna " + new_subid))
        self.assertEqual(second.ask(2, b"add 1"), (2, True, b"1"))

    def test_a_request_that_fails_says_so(self):
        node = self.start_example()
        secret, subid = log_in(node.login_port, b"anna")
        messages = self.enter(node, b"anna", secret, subid, 1)
        self.assertEqual(messages.ask(7, b"dance"), (7, False, b""))
        self.assertEqual(messages.ask(0xFFFFFFFF, b"echo "), (0xFFFFFFFF, True, b""))
        self.assertEqual(messages.ask(8, b"echo still here"), (8, True, b"still here"))

    def test_wrong_requests_close_the_connection_only(self):
        node = self.start_example()
        secret, subid = log_in(node.login_port, b"anna")
        messages = self.enter(node, b"anna", secret, subid, 1)
        messages.send(b"abc")  # no room for a session
        self.assertIsNone(messages.answer())
        messages = self.enter(node, b"anna", secret, subid, 2)
        messages.request(1, b"wait 6000")
        messages.request(1, b"echo")  # the session is in use
        self.assertIsNone(messages.answer())
        node.wait_for_line("Conflict session 1")
        messages = self.enter(node, b"anna", secret, subid, 3)
        self.assertEqual(messages.ask(2, b"echo well"), (2, True, b"well"))

    def test_a_flood_of_requests_closes_the_connection(self):
        node = self.start_example()
        secret, subid = log_in(node.login_port, b"anna")
        messages = self.enter(node, b"anna", secret, subid, 1)
        flood = b"".join(struct.pack(">H", 13) + b"wait 6000" + struct.pack(">I", session) for session in range(4097))
        messages.connection.sendall(flood)
        self.assertIsNone(messages.answer())
        node.wait_for_line("4096 requests wait for their answers")
        log_in(node.login_port, b"bert")

    def test_the_oldest_answers_are_forgotten(self):
        node = self.start_example()
        secret, subid = log_in(node.login_port, b"anna")
        first = self.enter(node, b"anna", secret, subid, 1)
        for session in range(256):  # twice what is kept
            self.assertEqual(first.ask(session, b"add 1"), (session, True, b"%d" % (session + 1)))
        second = self.enter(node, b"anna", secret, subid, 2)
        self.assertEqual(second.ask(255, b"add 1"), (255, True, b"256"))  # as it was
        self.assertEqual(second.ask(0, b"add 1"), (0, True, b"257"))      # a new one

    def test_who_does_not_say_who_he_is_is_closed(self):
        node = self.start_example(handshake_timeout=300)
        self.assertIsNone(self.messages(node).receive())
        self.assert_stops(node)


if __name__ == "__main__":
    unittest.main()
