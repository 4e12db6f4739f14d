#!/usr/bin/env python3
"""luaclib/client.so in the system's Lua: client.socket and client.crypt for plain programs."""
import shutil
import socket
import subprocess
import unittest

from lua_node import ROOT  # noqa: F401  (finds node.py)
from node import BUILD, DEADLINE, HAS_TLS, free_port, receive_all, receive_exactly

LUA = shutil.which("lua5.4")
PRELUDE = f"""
package.cpath = "{BUILD}/luaclib/?.so"
socket = require "client.socket"
function wait(f, ...)  -- the first value that is not nil
  while true do
    local value = f(...)
    if value ~= nil then return value end
    socket.usleep(100)
  end
end
"""


@unittest.skipIf(LUA is None, "there is no lua5.4: ./dev setup installs it")
class ClientSocketTest(unittest.TestCase):
    def start(self, script):
        process = subprocess.Popen([LUA, "-e", PRELUDE + script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(self._finish, process)
        return process

    @staticmethod
    def _finish(process):
        process.kill()
        process.communicate()

    def run_script(self, script, given="", code=0):
        """Runs a script to its end: what it printed."""
        process = self.start(script)
        out, err = process.communicate(given, timeout=DEADLINE)
        self.assertEqual(process.returncode, code, err)
        return out

    def serve(self):
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(DEADLINE)
        self.addCleanup(server.close)
        return server, server.getsockname()[1]

    def accept(self, server):
        peer, _ = server.accept()
        peer.settimeout(DEADLINE)
        self.addCleanup(peer.close)
        return peer

    def test_what_comes_is_received_and_the_end_is_an_empty_string(self):
        server, port = self.serve()
        process = self.start(f"""
            local fd = socket.connect("127.0.0.1", {port})
            assert(socket.recv(fd) == nil and select("#", socket.recv(fd)) == 0)
            socket.send(fd, "ready")
            local got = ""
            repeat
              local piece = wait(socket.recv, fd)
              got = got .. piece
            until piece == ""
            io.write(#got, " ", got:sub(1, 5))
            socket.close(fd)
        """)
        peer = self.accept(server)
        self.assertEqual(receive_exactly(peer, 5), b"ready")
        peer.sendall(b"hello" + b"x" * 100000)
        peer.close()
        out, err = process.communicate(timeout=DEADLINE)
        self.assertEqual((out, process.returncode), ("100005 hello", 0), err)

    def test_a_send_waits_until_all_of_it_has_left(self):
        server, port = self.serve()
        self.start(f"""
            local fd = socket.connect("localhost", {port})
            socket.send(fd, ("x"):rep(20000000))
            socket.shutdown(fd, "w")
            assert(wait(socket.recv, fd) == "")
        """)
        peer = self.accept(server)
        self.assertEqual(len(receive_all(peer)), 20_000_000)

    def test_failures_are_errors_with_their_reason(self):
        port = free_port()
        out = self.run_script(f"""
            print(pcall(socket.connect, "127.0.0.1", {port}))
            print(pcall(socket.connect, "127.0.0.1", 0))
            print(pcall(socket.recv, 1))
            print(pcall(socket.send, 1, "x"))
            print(pcall(socket.close, 0))
            print(pcall(socket.usleep, -1))
        """)
        self.assertEqual(out.splitlines(), [
            f"false\tConnect 127.0.0.1 {port} failed: Connection refused",
            "false\tbad argument #2 to 'client.socket.connect' (port must be 1 to 65535)",
            "false\tbad argument #1 to 'client.socket.recv' (not an open socket of connect())",
            "false\tbad argument #1 to 'client.socket.send' (not an open socket of connect())",
            "false\tbad argument #1 to 'client.socket.close' (not an open socket of connect())",
            "false\tbad argument #1 to 'client.socket.usleep' (microseconds must be 0 to 2147483647)"])

    def test_a_peer_that_resets_is_an_error_and_a_closed_socket_is_none(self):
        server, port = self.serve()
        process = self.start(f"""
            local fd = socket.connect("127.0.0.1", {port})
            local ok, err
            repeat ok, err = pcall(socket.send, fd, ("x"):rep(1000000)) until not ok
            print(err)
            pcall(socket.shutdown, fd, "rw")
            socket.close(fd)
            print(select(2, pcall(socket.send, fd, "x")))
            print(select(2, pcall(socket.shutdown, fd, "w")))
        """)
        peer = self.accept(server)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        out, err = process.communicate(timeout=DEADLINE)
        lines = out.splitlines()
        self.assertEqual(len(lines), 3, err)
        self.assertRegex(lines[0], r"^socket error: (Connection reset by peer|Broken pipe)$")
        for line in lines[1:]:
            self.assertIn("not an open socket of connect()", line)

    def test_lines_come_from_standard_input_and_its_end_ends_the_program(self):
        lines = ["one", "", "three", "last without an end"]
        out = self.run_script("""
            local line = socket.readstdin()
            while true do
              if line then print("[" .. line .. "]") else socket.usleep(100) end
              line = socket.readstdin()
            end
        """, given="\n".join(lines), code=1)
        self.assertEqual(out.splitlines(), [f"[{line}]" for line in lines])

    def test_nothing_is_lost_of_input_that_comes_faster_than_it_is_read(self):
        count = 20000
        out = self.run_script(f"""
            local sum = 0
            for _ = 1, {count} do sum = sum + tonumber(wait(socket.readstdin)) end
            print(sum)
            local long = 0
            repeat
              local piece = wait(socket.readstdin)
              assert(#piece <= 65536)
              long = long + #piece
            until long == 200000
            print(long)
            os.exit(0)
        """, given="".join(f"{number}\n" for number in range(count)) + "x" * 200_000 + "\n")
        self.assertEqual(out.split(), [str(sum(range(count))), "200000"])

    def test_a_program_that_reads_no_input_lives_on_when_it_ends(self):
        process = self.start('socket.usleep(1000) print("done")')
        out, err = process.communicate("", timeout=DEADLINE)
        self.assertEqual((out, process.returncode), ("done\n", 0), err)

    def test_input_is_not_waited_for(self):
        process = self.start("""
            assert(socket.readstdin() == nil)
            print("asked") io.stdout:flush()
            print(wait(socket.readstdin))
            os.exit(0, true)
        """)
        self.assertEqual(process.stdout.readline(), "asked\n")
        process.stdin.write("answer\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "answer\n")
        self.assertEqual(process.wait(DEADLINE), 0)

    def test_client_crypt_is_in_the_same_object(self):
        out = self.run_script("""
            local crypt = require "client.crypt"
            print(crypt.hexencode(crypt.sha1 "abc"), #crypt.randomkey())
            print(crypt.base64decode(crypt.base64encode "text"))
            print(crypt.desdecode("12345678", crypt.desencode("12345678", "secret")))
            print(#crypt.dhexchange(crypt.randomkey()), #crypt.hmac64("12345678", "87654321"), #crypt.hashkey "x")
            local has_tls, digest = pcall(crypt.sha256, "abc")
            print(has_tls and crypt.hexencode(digest):sub(1, 8) or digest:sub(1, 21))
        """)
        self.assertEqual(out.splitlines(), ["a9993e364706816aba3e25717850c26c9cd0d89d\t8", "text", "secret", "8\t8\t8", "ba7816bf" if HAS_TLS else "this build has no TLS"])


if __name__ == "__main__":
    unittest.main()
