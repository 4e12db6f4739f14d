#!/usr/bin/env python3
"""HTTP: the modules from inside, and the web service of the examples with curl, http.client and raw sockets."""
import http.client
import re
import socket
import struct
import subprocess
import tempfile
import threading
import unittest

from certificates import Certificates
from lua_node import LuaTest, ROOT, SETTINGS
from node import DEADLINE, connect, needs_tls, receive_all

SECOND = b"GET /greet?name=second HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def serve_resets(test):
    """The port of a server that breaks each connection off behind the first bytes of an answer without a length."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            client, _ = listener.accept()
            with client:
                if not client.recv(4096):
                    return
                client.sendall(b"HTTP/1.0 200 OK\r\n\r\npart")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    server = threading.Thread(target=serve)
    server.start()
    port = listener.getsockname()[1]

    def stop():
        socket.create_connection(("127.0.0.1", port)).close()
        server.join()
        listener.close()

    test.addCleanup(stop)
    return port


class ScriptTest(LuaTest):
    def test_requests_and_responses_are_read_and_written_strictly(self):
        self.assert_stops(self.run_script("http_script"))

    def test_K50_the_client_keeps_its_connections_and_the_limits_of_answers(self):
        self.assert_stops(self.run_script("httpc_script", reset_port=serve_resets(self)))

    def test_deadlines_end_what_does_not_come(self):
        self.assert_stops(self.run_script("http_deadline_script", http_header_timeout=500, http_body_timeout=1000))

    def test_K50_a_header_and_a_body_at_their_limits_are_read_and_one_byte_more_is_refused(self):
        node = self.start_lua("http_limits", http_header_max=100, http_body_max=10)
        node.wait_for_line("header 200 413, body 200 413$")
        self.assert_stops(node)

    def test_a_limit_of_0_is_none(self):
        node = self.start_lua("http_limits", http_header_max=0, http_body_max=0, http_header_timeout=0)
        node.wait_for_line("header 200 200, body 200 200$")
        self.assert_stops(node)

    def test_a_limit_that_is_no_number_is_told(self):
        node = self.start_lua("http_limits", http_header_max="many")
        node.wait_for_line('the key http_header_max is "many": it should be a number of bytes')


def curl(*arguments, data=None):
    return subprocess.run(["curl", "--silent", "--show-error", "--max-time", str(DEADLINE), *arguments],
                          input=data, capture_output=True, check=False)


@needs_tls
class TlsTest(LuaTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        certificates = Certificates(folder.name)
        certificates.make("good")
        cls.authority = str(certificates.certificate("authority"))
        cls.settings = {"certfile": certificates.certificate("good"), "keyfile": certificates.key("good")}

    def test_client_and_server_speak_over_tls(self):
        self.assert_stops(self.run_script("https_script", tls_ca=self.authority, handshake_timeout=60000,
                                          **self.settings))

    def test_a_pool_of_agents_serves_both_protocols(self):
        for protocol in ("http", "https"):
            with self.subTest(protocol=protocol):
                node = self.start_lua("web_pool", web_protocol=protocol, **self.settings)
                port = node.wait_for_line(r"web pool on (\d+)$")[1]
                for i in range(6):
                    done = curl("--cacert", self.authority, "-H", "X-Y: z", "-d", "a=b",
                                f"{protocol}://127.0.0.1:{port}/a%20b?c=%2B{i}")
                    self.assertEqual(done.returncode, 0, done.stderr)
                    for line in (b"method: POST", b"path: /a b", b"query: c = +%d" % i, b"x-y = z", b"body: a=b"):
                        self.assertIn(line, done.stdout.split(b"\n"))
                large = curl("--cacert", self.authority, "-d", "x" * 8193, "--write-out", "%{http_code}",
                             f"{protocol}://127.0.0.1:{port}/")
                self.assertEqual(large.stdout, b"413", large.stderr)
                self.assert_stops(node)

    def test_a_server_that_nobody_vouches_for_is_not_asked(self):
        node = self.start_lua("https_stranger", **self.settings)
        node.wait_for_line("refused: tls")
        self.assert_stops(node)


class WebTest(LuaTest):
    def setUp(self):
        self.node = self.start_lua("main", luaservice=f"{ROOT}/examples/web_lua/?.lua;{SETTINGS['luaservice']}",
                                   web_host="127.0.0.1", web_port=0, web_agents=2)
        self.port = int(self.node.wait_for_line(r"web on 127\.0\.0\.1:(\d+)$")[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def tearDown(self):
        self.assert_stops(self.node)

    def ask(self, *pieces):
        """What comes back until the service closes."""
        with connect(self.port) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for piece in pieces:
                client.sendall(piece)
            return receive_all(client)

    def curl(self, *arguments, data=None):
        done = curl(*arguments, data=data)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_curl_is_served(self):
        self.assertEqual(self.curl(f"{self.url}/greet?name=J%C3%B6rg+%26"), "hello Jörg &\n".encode())
        self.assertEqual(self.curl("-d", "a=b", f"{self.url}/echo"), b"a=b")
        self.assertRegex(self.curl("--head", f"{self.url}/"),
                         rb"^HTTP/1.1 200 OK\r\n(.*\r\n)*content-length: \d+\r\n(.*\r\n)*\r\n$")
        self.assertEqual(self.curl("--write-out", "%{http_code} %{num_connects}\n", f"{self.url}/count?to=2",
                                   f"{self.url}/nothing"), b"1\n2\n200 1\nthere is no GET /nothing\n404 0\n")
        self.assertEqual(self.curl("--http1.0", f"{self.url}/greet?name=old"), b"hello old\n")

    def test_curl_sends_large_bodies_after_a_continue_and_in_chunks(self):
        data = bytes(range(256)) * 4000
        self.assertEqual(self.curl("--data-binary", "@-", "-H", "Expect: 100-continue", f"{self.url}/echo", data=data),
                         data)
        self.assertEqual(self.curl("--data-binary", "@-", "-H", "Transfer-Encoding: chunked", f"{self.url}/echo",
                                   data=data), data)
        self.assertEqual(self.curl("--data-binary", "@-", "--output", "/dev/null", "--write-out", "%{http_code}",
                                   "-H", "Expect: 100-continue", f"{self.url}/echo", data=data * 2), b"413")

    def test_pythons_client_is_served_on_one_connection(self):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        self.addCleanup(client.close)
        client.connect()
        own_port = client.sock.getsockname()[1]
        for i in range(20):
            client.request("POST", "/echo", body=iter([b"x" * i, b"y"]), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked", "Content-Type": "text/x"})
            response = client.getresponse()
            self.assertEqual((response.status, response.getheader("content-type"), response.read()),
                             (200, "text/x", b"x" * i + b"y"))
            client.request("GET", f"/count?to={i * 100}")
            self.assertEqual(client.getresponse().read(), b"".join(b"%d\n" % n for n in range(1, i * 100 + 1)))
            client.request("HEAD", "/")
            response = client.getresponse()
            self.assertGreater(int(response.getheader("content-length")), 0)
            self.assertEqual(response.read(), b"")
            self.assertEqual(client.sock.getsockname()[1], own_port)

    def test_K50_pieces_of_any_size_and_requests_glued_together_are_answered_in_order(self):
        text = (b"GET /greet?name=first HTTP/1.1\r\nHost: x\r\n\r\n"
                b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
                b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nfour" + SECOND)
        for size in (1, 2, 13, len(text)):
            answer = self.ask(*(text[i:i + size] for i in range(0, len(text), size)))
            self.assertEqual(re.findall(rb"\r\n\r\n(.*)", answer, re.DOTALL)[0].count(b"HTTP/1.1 200 OK"), 3)
            bodies = [part.split(b"\r\n\r\n", 1)[1] for part in answer.split(b"HTTP/1.1 200 OK\r\n")[1:]]
            self.assertEqual(bodies, [b"hello first\n", b"abcde", b"four", b"hello second\n"], size)

    def test_K50_nothing_is_smuggled_behind_a_request_whose_length_is_not_clear(self):
        for fields in (b"Content-Length: 0\r\nTransfer-Encoding: chunked", b"Content-Length: 5\r\nContent-Length: 0",
                       b"Content-Length: 0, 5", b"Content-Length: +0", b"Content-Length : 0", b"Content-Length: 0x0",
                       b"Content-Length:\r\n 5", b"Transfer-Encoding: chunked, identity",
                       b"Transfer-Encoding: xchunked", b"Transfer-Encoding:\x0bchunked",
                       b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
                       b"Transfer-Encoding\t: chunked", b"X: y\nContent-Length: 5", b"X: y\rContent-Length: 5",
                       b"Content-Length: 5\0"):
            answer = self.ask(b"POST /echo HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n\r\n0\r\n\r\n" + SECOND)
            self.assertRegex(answer, rb"^HTTP/1.1 (400|501) ", fields)
            self.assertNotIn(b"second", answer, fields)
            self.assertEqual(answer.count(b"HTTP/1.1 "), 1, fields)

    def test_nothing_is_smuggled_in_chunks(self):
        for chunks in (b"0x0\r\n\r\n", b"0;a\r\n\r\n", b"0 \r\n\r\n", b"-0\r\n\r\n", b"\r\n0\r\n\r\n", b"0\n\n", b"0\r\n\n",
                       b"1\r\nab\r\n0\r\n\r\n", b"10000000000000000\r\n\r\n", b"0\r\nbad trailer\r\n\r\n"):
            answer = self.ask(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + SECOND)
            self.assertRegex(answer, rb"^HTTP/1.1 (400|413) ", chunks)
            self.assertNotIn(b"second", answer, chunks)

    def test_bytes_that_are_no_http_are_refused(self):
        for text in (b"\x16\x03\x01\x02\x00\x01", b"\0" * 100, b"SSH-2.0-x\r\n\r\n", b"\r\n\r\n\r\n", b"x" * 10000):
            self.assertRegex(self.ask(text), rb"^HTTP/1.1 (400|413) ")

    def test_clients_that_vanish_leave_nothing(self):
        before = self.node.fd_count()
        for i in range(60):
            with connect(self.port) as client:
                client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"[:i])
        self.assertRegex(self.ask(SECOND), b"hello second\n$")
        for _ in range(600):
            if self.node.fd_count() <= before:
                return
            self.ask(SECOND)
        self.fail(f"{self.node.fd_count()} descriptors instead of {before}")


if __name__ == "__main__":
    unittest.main()
