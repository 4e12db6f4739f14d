#!/usr/bin/env python3
"""The login of today: with a client in Python that shares no code with the server, with snax.loginclient in the system's
Lua, and with somebody between them."""
import base64
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import unittest

from lua_node import ROOT, LuaTest
from node import BUILD, DEADLINE

sys.path.insert(0, str(ROOT / "examples" / "login"))
import login_crypt as crypt  # noqa: E402
from client import Login, LoginError  # noqa: E402
from login_current import NONCE, keys_of, seal, unseal, x25519  # noqa: E402

LUA = shutil.which("lua5.4")
CLIENT = f"""
package.cpath, package.path = "{BUILD}/luaclib/?.so", "{ROOT}/lualib/?.lua"
local socket, crypt, client = require "client.socket", require "client.crypt", require "snax.loginclient"
local fd, unread = socket.connect("127.0.0.1", tonumber(arg[1])), ""
local function read()
  while true do
    local line, rest = unread:match "^([^\\n]*)\\n(.*)$"
    if line then unread = rest return line end
    local piece = socket.recv(fd)
    if piece == "" then return nil end
    if piece then unread = unread .. piece else socket.usleep(500) end
  end
end
local ok, subid, secret = pcall(client.log_in, read, function(line) socket.send(fd, line .. "\\n") end, arg[2],
  arg[3] and crypt.hexdecode(arg[3]))
print(ok and subid .. " " .. crypt.hexencode(secret) or subid)
"""
BAD = b"400 Bad Request"


class Between:
    """Somebody who passes the lines of one conversation on, as edit(number, line) gives them; the server's first is 0."""

    def __init__(self, case, server_port, edit):
        self.listener = socket.create_server(("127.0.0.1", 0))
        case.addCleanup(self.listener.close)
        self.port = self.listener.getsockname()[1]
        self.seen = []
        self.edit = edit
        self.server_port = server_port
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        client = self.listener.accept()[0]
        server = socket.create_connection(("127.0.0.1", self.server_port), timeout=DEADLINE)
        client.settimeout(DEADLINE)
        ends = [server.makefile("rwb"), client.makefile("rwb")]
        try:
            # The sides take turns; the answer is the server's again.
            for number, side in enumerate((0, 1, 0, 1, 0)):
                line = ends[side].readline()
                if not line:
                    break
                self.seen.append(line.rstrip(b"\n"))
                ends[1 - side].write(self.edit(number, self.seen[-1]) + b"\n")
                ends[1 - side].flush()
        except OSError:
            pass
        for end in (client, server):
            end.shutdown(socket.SHUT_RDWR) if end.fileno() >= 0 else None
        for end in (*ends, client, server):
            try:
                end.close()
            except OSError:
                pass


def changed(line, at):
    """The line with another character of the same alphabet at `at`."""
    at %= len(line)
    return line[:at] + (b"B" if line[at:at + 1] == b"A" else b"A") + line[at + 1:]


class CurrentLoginTest(LuaTest):
    def start_probe(self, **settings):
        node = self.start_lua("login_probe", **settings)
        return node, int(node.wait_for_line(r"login server on port (\d+)$")[1])

    def login(self, port):
        login = Login(port)
        self.addCleanup(login.close)
        return login

    def lua_client(self, port, token, *key):
        """What snax.loginclient says at the end."""
        self.assertTrue(LUA, "there is no lua5.4: ./dev setup installs it")
        done = subprocess.run([LUA, "-", str(port), token, *key], input=CLIENT, capture_output=True, text=True,
                              timeout=DEADLINE, check=False)
        self.assertEqual(done.stderr, "")
        return done.stdout.rstrip("\n")

    def old_login(self, port, user):
        login = self.login(port)
        secret = login.shake_hands()
        login.send(crypt.encode64(crypt.des_encode(secret, user)))
        return login.receive()

    def test_old_and_current_clients_log_in_side_by_side_and_the_bytes_are_those_of_the_guide(self):
        node, port = self.start_probe()
        self.assertEqual(self.old_login(port, b"olga"), b"200 " + crypt.encode64(b"42"))
        node.wait_for_line("olga enters with [0-9a-f]{16}$")
        # Line by line, as docs/guide/login.md tells it.
        login = self.login(port)
        challenge = login.receive()
        self.assertEqual(len(base64.b64decode(challenge, validate=True)), 8)
        own = secrets.token_bytes(32)
        hello = b"x25519 " + base64.b64encode(x25519(own))
        login.send(hello)
        public, proof = login.receive().split(b" ")
        keys = keys_of(x25519(own, base64.b64decode(public)), [challenge, hello, public])
        self.assertEqual(base64.b64decode(proof), keys[0])
        login.send(base64.b64encode(seal(keys[1], NONCE, b"anna")))
        answer = base64.b64decode(login.receive(), validate=True)
        self.assertEqual(unseal(keys[2], NONCE, answer), b"200 " + crypt.encode64(b"42"))
        self.assertEqual(login.receive(), b"")
        node.wait_for_line(f"anna enters with {keys[3].hex()}$")
        subid, secret = self.lua_client(port, "bert").split()
        self.assertEqual(subid, "42")
        node.wait_for_line(f"bert enters with {secret}$")
        self.assert_stops(node)

    def test_refusals_are_sealed_and_reach_the_client(self):
        node, port = self.start_probe()
        for user, refusal in ((b"nobody", "401 Unauthorized"), (b"banned", "403 Forbidden")):
            login = self.login(port)
            keys = login.shake_current_hands()
            login.send(keys.token(user))
            line = login.receive()
            self.assertNotIn(b" ", line)
            self.assertEqual(keys.answer(line).decode(), refusal)
            self.assertEqual(self.lua_client(port, user.decode()), f"login: {refusal}")
        first = self.login(port)
        first.send(first.shake_current_hands().token(b"slow"))
        node.wait_for_line("slow is entering")
        self.assertEqual(self.lua_client(port, "slow"), "login: 406 Not Acceptable")
        self.assert_stops(node)

    def test_a_client_that_knows_the_servers_key_talks_to_no_other(self):
        secret = secrets.token_bytes(32)
        node, port = self.start_probe(login_key=secret.hex())
        public = node.wait_for_line("login server key: ([0-9a-f]{64})$")[1]
        self.assertEqual(bytes.fromhex(public), x25519(secret))
        self.assertEqual(self.login(port).log_in_today(b"anna", x25519(secret))[1], b"42")
        self.assertRegex(self.lua_client(port, "anna", public), "^42 ")
        self.assertRegex(self.lua_client(port, "anna"), "^42 ")  # whoever does not know it may log in, too
        other = x25519(secrets.token_bytes(32))
        with self.assertRaisesRegex(LoginError, "400 Bad Request"):
            self.login(port).log_in_today(b"anna", other)
        node.wait_for_line("failed: the client wants a server with another key$")
        self.assertIn("does not speak x25519: 400 Bad Request", self.lua_client(port, "anna", other.hex()))
        _, keyless = self.start_probe()
        self.assertIn("400 Bad Request", self.lua_client(keyless, "anna", public))

    def test_nobody_between_takes_the_known_servers_place(self):
        secret = secrets.token_bytes(32)
        node, port = self.start_probe(login_key=secret.hex())
        public = x25519(secret)

        def strip_key(number, line):
            return b" ".join(line.split(b" ")[:2]) if number == 1 else line

        between = Between(self, port, strip_key)
        self.assertIn("the server is another one", self.lua_client(between.port, "anna", public.hex()))
        self.assertEqual(len(between.seen), 3)  # no token
        # Somebody who speaks the protocol himself, without the server's secret.
        mine = secrets.token_bytes(32)

        def answer_alone(number, line):
            if number != 2:
                return line
            lines = between.seen[:2] + [base64.b64encode(x25519(mine))]
            his = base64.b64decode(lines[1].split(b" ")[1])
            proof = keys_of(x25519(mine, his) + x25519(mine, public), lines)[0]
            return lines[2] + b" " + base64.b64encode(proof)

        between = Between(self, port, answer_alone)
        self.assertIn("the server is another one", self.lua_client(between.port, "anna", public.hex()))
        self.assertEqual(len(between.seen), 3)
        self.assertNotIn("anna enters", node.log())

    def test_a_client_of_today_is_not_stripped_down_to_the_old_algorithms(self):
        node, port = self.start_probe()
        key = crypt.random_key()

        def strip(number, line):
            return crypt.encode64(crypt.dh_exchange(key)) if number == 1 else line

        between = Between(self, port, strip)  # the server takes it for an old client
        self.assertIn("login: the server does not speak x25519", self.lua_client(between.port, "anna"))
        self.assertEqual(len(base64.b64decode(between.seen[2])), 8)
        self.assertEqual(len(between.seen), 3)
        between = Between(self, port, lambda number, line: BAD if number == 2 else line)
        self.assertIn("does not speak x25519: 400 Bad Request", self.lua_client(between.port, "anna"))
        self.assertEqual(len(between.seen), 3)
        # A server of Skynet, which knows no other key than one of 8 bytes, says the same.
        self.assertNotIn("anna enters", node.log())

    def test_every_line_that_somebody_changes_ends_the_login(self):
        node, port = self.start_probe()
        self.assertRegex(self.lua_client(Between(self, port, lambda number, line: line).port, "anna"), "^42 ")
        node.wait_for_line("anna enters with", count=1)
        for wanted in range(5):
            for at in (0, 8, 20, -10, -3):
                def edit(number, line, wanted=wanted, at=at):
                    return changed(line, at) if number == wanted else line
                between = Between(self, port, edit)
                user = f"u{wanted}{at}"
                self.assertRegex(self.lua_client(between.port, user), "^login: ", (wanted, at))
                if wanted < 4:  # the server has let nobody in
                    self.assertNotIn(f"{user} enters", node.log())
        self.assert_stops(node)

    def test_lines_that_are_none_are_bad_requests(self):
        node, port = self.start_probe()

        def key(size):
            return base64.b64encode(b"k" * size)

        zero = base64.b64encode(bytes(32))
        for line, reason in ((b"x25519 ", "an x25519 line that is not one or two keys"),
                             (b"x25519 !!!!", "an x25519 line that is not"), (b"x25519 " + key(32) + b" ", "that is not"),
                             (b"x25519 " + b" ".join([key(32)] * 3), "that is not"),
                             (b"x25519 " + key(31), "a client key of 31 bytes instead of 32"),
                             (b"x25519 " + key(33), "a client key of 33 bytes"), (b"x25519 " + key(4000), "of 4000 bytes"),
                             (b"x25519 " + key(32) + b" " + key(32), "another key"),
                             (b"x25519 " + zero, "Invalid x25519 public key"), (b"X25519 " + key(32), "bytes"),
                             (b"\0" * 50, "a client key of 0 bytes")):
            login = self.login(port)
            login.receive()
            login.send(line)
            self.assertEqual(login.receive(), BAD, line)
            self.assertEqual(login.receive(), b"")
            node.wait_for_line(f"login of .* failed: .*{reason}")
        self.assertRegex(self.lua_client(port, "anna"), "^42 ")
        self.assert_stops(node)

    def test_a_token_that_is_not_sealed_with_the_secret_is_a_bad_request(self):
        node, port = self.start_probe()
        last = self.login(port).shake_current_hands().token(b"anna")
        for token in (b"", b"x", b"!!!!", base64.b64encode(b"short"), base64.b64encode(secrets.token_bytes(50)), last,
                      base64.b64encode(seal(bytes(32), NONCE, b"anna"))):
            login = self.login(port)
            login.shake_current_hands()
            login.send(token)
            self.assertEqual(login.receive(), BAD, token)
            self.assertEqual(login.receive(), b"")
        for size in (6200, 100000):  # above the limit of 8192 in base64
            login = self.login(port)
            token = login.shake_current_hands().token(b"x" * size)
            try:
                login.send(token)
                self.assertIn(login.receive(), (b"", BAD))
            except ConnectionError:
                pass
        self.assertNotIn("enters", node.log())
        login = self.login(port)
        self.assertEqual(login.log_in_today(b"x" * 6000)[1], b"42")
        self.assert_stops(node)

    def test_a_server_may_refuse_the_old_algorithms(self):
        node, port = self.start_probe(login_refuse_old="true")
        login = self.login(port)
        login.receive()
        login.send(crypt.encode64(crypt.dh_exchange(crypt.random_key())))
        self.assertEqual(login.receive(), BAD)
        node.wait_for_line("login of .* failed: it offers the old algorithms only$")
        self.assertRegex(self.lua_client(port, "anna"), "^42 ")
        self.assert_stops(node)

    def test_a_key_of_another_size_is_told_at_the_start(self):
        node = self.start_lua("login_probe", login_key="abcd")
        node.wait_for_line("Invalid x25519 secret size 2, must be 32 bytes")

    def test_keys_are_new_each_time(self):
        _, port = self.start_probe()
        lines = [self.login(port).shake_current_hands() for _ in range(5)]
        self.assertEqual(len({login.secret for login in lines}), 5)
        self.assertEqual(len({key for login in lines for key in (login.client, login.server, login.secret)}), 15)


if __name__ == "__main__":
    unittest.main()
