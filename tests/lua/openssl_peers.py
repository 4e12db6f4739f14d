"""Nodes beside openssl's own server and client of TLS."""
import socket
import subprocess
import tempfile

from certificates import Certificates
from lua_node import LuaTest
from node import DEADLINE, free_port, wait_until


class OpensslTest(LuaTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.certificates = Certificates(folder.name)
        cls.certificates.make("good")

    def settings(self, **more):
        return {
            "certfile": self.certificates.certificate("good"), "keyfile": self.certificates.key("good"),
            "tls_ca": self.certificates.certificate("authority"), "tls_folder": self.certificates.folder,
            "handshake_timeout": 60000, **more,
        }

    def start_server(self, name, *options):
        """A server of openssl that sends lines back reversed: its port."""
        port = free_port()
        server = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", self.certificates.certificate(name),
             "-key", self.certificates.key(name), "-rev", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)

        def is_listening():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        wait_until(is_listening, f"openssl s_server on port {port}")
        return port

    def s_client(self, port, *options):
        """What openssl's client prints when it says hello to the echo on `port`."""
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile",
             self.certificates.certificate("authority"), "-verify_return_error", *options],
            input="hello\n", capture_output=True, text=True, timeout=DEADLINE, check=False)
        return done.stdout + done.stderr


class TlsIdentityCase(OpensslTest):
    """With certificates for names and clients, good and bad."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificates.make("a.test", names="DNS:a.test")
        cls.certificates.make("star.b.test", names="DNS:*.b.test")
        cls.certificates.make("next", names="DNS:a.test")
        cls.certificates.make("anna")
        cls.certificates.make("expired", days=-1)
        cls.certificates.make_authority("stranger")
        cls.certificates.make("foreign", authority="stranger")

    def start_echo(self, **settings):
        port = free_port()
        node = self.start_lua("tls_echo", **self.settings(tls_echo_port=port, **settings))
        node.wait_for_port(port)
        return node, port
