#!/usr/bin/env python3
"""A client of the login and message servers.

Logs in, asks, loses its connection, comes back and asks again: the status is 0 if all answers are right.
"""
import argparse
import hmac
import socket
import struct
import sys

import login_crypt as crypt
from login_current import CurrentLogin

DEADLINE_S = 20


class LoginError(Exception):
    """What the login server answers instead of 200."""


def token_of(user, server, password):
    return crypt.encode64(user) + b"@" + crypt.encode64(server) + b":" + crypt.encode64(password)


def subid_of(answer):
    if not answer.startswith(b"200 "):
        raise LoginError(answer.decode())
    return crypt.decode64(answer[4:])


class Login:
    """One conversation with the login server, step by step."""

    def __init__(self, port, host="127.0.0.1"):
        self.connection = socket.create_connection((host, port), timeout=DEADLINE_S)
        self.stream = self.connection.makefile("rb")

    def send(self, line):
        self.connection.sendall(line + b"\n")

    def receive(self):
        return self.stream.readline().rstrip(b"\n")

    def shake_hands(self):
        """The secret."""
        challenge = crypt.decode64(self.receive())
        key = crypt.random_key()
        self.send(crypt.encode64(crypt.dh_exchange(key)))
        secret = crypt.dh_secret(crypt.decode64(self.receive()), key)
        self.send(crypt.encode64(crypt.hmac64(challenge, secret)))
        return secret

    def log_in(self, user, server, password):
        """(secret, subid)"""
        secret = self.shake_hands()
        self.send(crypt.encode64(crypt.des_encode(secret, token_of(user, server, password))))
        return secret, subid_of(self.receive())

    def shake_current_hands(self, server_key=None):
        """The login of today, as far as the token. The server's public key, if it is known, keeps others away."""
        login = CurrentLogin(self.receive(), server_key)
        self.send(login.hello())
        line = self.receive()
        if line.count(b" ") != 1:
            raise LoginError(line.decode())
        login.read_keys(line)
        return login

    def log_in_today(self, token, server_key=None):
        """(secret, subid)"""
        login = self.shake_current_hands(server_key)
        self.send(login.token(token))
        line = self.receive()
        return login.secret, subid_of(line if line == b"400 Bad Request" else login.answer(line))

    def close(self):
        self.stream.close()
        self.connection.close()


def log_in(port, user, server=b"sample", password=b"password", is_current=False):
    login = Login(port)
    try:
        if is_current:
            return login.log_in_today(token_of(user, server, password))
        return login.log_in(user, server, password)
    finally:
        login.close()


class Messages:
    """One connection to the message server."""

    def __init__(self, port, host="127.0.0.1"):
        self.connection = socket.create_connection((host, port), timeout=DEADLINE_S)
        self.stream = self.connection.makefile("rb")

    def send(self, payload):
        self.connection.sendall(struct.pack(">H", len(payload)) + payload)

    def receive(self):
        """The next frame; None at the end."""
        try:
            header = self.stream.read(2)
        except ConnectionResetError:
            return None
        if len(header) < 2:
            return None
        return self.stream.read(struct.unpack(">H", header)[0])

    def greet(self, user, subid, secret, index, server=b"sample"):
        """What the server says to the first frame."""
        username = crypt.encode64(user) + b"@" + crypt.encode64(server) + b"#" + crypt.encode64(subid)
        text = username + b":" + str(index).encode()
        proof = crypt.hmac_hash(secret, text) if len(secret) == 8 else hmac.digest(secret, text, "sha256")
        self.send(text + b":" + crypt.encode64(proof))
        return self.receive()

    def request(self, session, payload):
        self.send(payload + struct.pack(">I", session))

    def answer(self):
        """(session, is it a result, payload)"""
        frame = self.receive()
        if frame is None:
            return None
        is_ok, session = struct.unpack(">BI", frame[-5:])
        return session, is_ok == 1, frame[:-5]

    def ask(self, session, payload):
        self.request(session, payload)
        return self.answer()

    def close(self):
        self.stream.close()
        self.connection.close()


def expect(what, heard, wanted):
    if heard != wanted:
        raise ValueError(f"{what}: {wanted!r} should come, not {heard!r}")
    print(f"{what}: {heard!r}", flush=True)


def demo(login_port, message_port, is_current=False):
    secret, subid = log_in(login_port, b"anna", is_current=is_current)
    print(f"anna is logged in, subid {subid.decode()}")
    first = Messages(message_port)
    expect("first connection", first.greet(b"anna", subid, secret, 1), b"200 OK")
    expect("add 5", first.ask(1, b"add 5"), (1, True, b"5"))
    first.request(2, b"add 7")  # and is gone before the answer comes
    first.close()
    second = Messages(message_port)
    expect("second connection", second.greet(b"anna", subid, secret, 2), b"200 OK")
    expect("add 5, asked again", second.ask(1, b"add 5"), (1, True, b"5"))
    expect("add 7, asked again", second.ask(2, b"add 7"), (2, True, b"12"))
    expect("logout", second.ask(3, b"logout"), (3, True, b"bye"))
    expect("the end", second.receive(), None)
    second.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--login-port", type=int, default=8001)
    parser.add_argument("--message-port", type=int, default=8888)
    parser.add_argument("--current", action="store_true", help="log in with the algorithms of today")
    options = parser.parse_args()
    try:
        demo(options.login_port, options.message_port, options.current)
    except (OSError, ValueError, LoginError) as error:
        print(f"client.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
