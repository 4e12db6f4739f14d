"""Nodes whose services are probes (modules/probe.c): they do what a test tells them, and tell what they get."""
import collections
import pathlib
import re
import socket
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from node import DEADLINE, Node, NodeTest, REPORT  # noqa: E402

DATA, CONNECT, CLOSE, ACCEPT, ERROR, UDP, WARNING = range(1, 8)
NO_SUCH_ID = 0x7ffffff0
MIB = 1 << 20
Event = collections.namedtuple("Event", "type id ud text address")
Message = collections.namedtuple("Message", "type session source bytes")


class Probe:
    """One service. Commands are answered in order; what it hears is kept until it is asked for."""

    def __init__(self, connection, lines, handle):
        self.connection, self.lines, self.handle = connection, lines, handle
        self.heard = collections.deque()

    def _read(self):
        line = self.lines.readline()
        if not line:
            raise AssertionError(f"the probe :{self.handle:x} is gone")
        kind, _, rest = line.rstrip("\n").partition(" ")
        unhex = lambda text: b"" if text == "-" else bytes.fromhex(text)  # noqa: E731
        if kind == "e":
            number, socket_id, ud, text, address = rest.split(" ")
            self.heard.append(Event(int(number), int(socket_id), int(ud), unhex(text), unhex(address)))
        elif kind == "m":
            number, session, source, payload = rest.split(" ")
            self.heard.append(Message(int(number), int(session), int(source, 16), unhex(payload)))
        elif kind == "s":
            self.heard.append(("signal", int(rest)))
        return rest if kind == "=" else None

    def tell(self, *words):
        self.connection.sendall((" ".join(map(str, words)) + "\n").encode())

    def ask(self, *words):
        """The answer to a command, as a text."""
        self.tell(*words)
        while True:
            answer = self._read()
            if answer is not None:
                return answer

    def do(self, *words):
        return int(self.ask(*words))

    def command(self, name, argument="-"):
        return self.ask("command", name, argument)

    def hear(self):
        while not self.heard:
            self._read()
        return self.heard.popleft()

    def expect(self, kind, socket_id, ud=None, text=None):
        """The next thing that it hears is this event."""
        got = self.hear()
        is_it = (isinstance(got, Event) and (got.type, got.id) == (kind, socket_id) and
                 (ud is None or got.ud == ud) and (text is None or got.text == text.encode()))
        if not is_it:
            raise AssertionError(f"wanted event {kind} of {socket_id}, ud {ud}, {text!r}; came {got}")
        return got

    def expect_data(self, socket_id, wanted):
        got = b""
        while len(got) < len(wanted):
            event = self.expect(DATA, socket_id)
            assert event.ud == len(event.text)
            got += event.text
        assert got == wanted, (got[:100], wanted[:100])

    def quiet(self):
        """Nothing is under way: questions to every shard are answered, and nothing comes between."""
        for _ in range(3):
            for shard in range(4):
                self.tell("start", NO_SUCH_ID + shard)
                self.expect_answered()
                self.expect(ERROR, NO_SUCH_ID + shard, 0, "invalid socket")

    def expect_answered(self):
        while self._read() is None:
            pass

    def send(self, socket_id, payload, how="send"):
        return self.do(how, socket_id, payload.hex() if payload else "-")

    def info(self):
        """The list of sockets by id."""
        sockets = {}
        for entry in self.ask("info").split():
            fields = entry.split(",")
            names = ("id", "type", "opaque", "read", "write", "rtime", "wtime", "wbuffer", "reading", "writing")
            values = dict(zip(names, map(int, fields[:10])))
            values["name"] = fields[10]
            assert values["id"] not in sockets
            sockets[values["id"]] = values
        return sockets

    # What many tests begin with.
    def listener(self, port=0):
        socket_id = self.do("listen", "127.0.0.1", port, 64)
        port = self.expect(CONNECT, socket_id, text="127.0.0.1").ud
        self.do("start", socket_id)
        self.expect(CONNECT, socket_id, 0, "start")
        return socket_id, port

    def accepted(self):
        """(listener, id that was not started, peer)."""
        listener, port = self.listener()
        peer = connect(port)
        own = "%s:%d" % peer.getsockname()
        return listener, self.expect(ACCEPT, listener, text=own).ud, peer

    def pair(self):
        """(id, peer) of a started connection."""
        listener, socket_id, peer = self.accepted()
        self.do("start", socket_id)
        self.expect(CONNECT, socket_id, 0, "start")
        self.do("close", listener)
        self.expect(CLOSE, listener, 0, "")
        return socket_id, peer


open_peers = []  # closed after each test


def connect(port):
    peer = socket.socket()
    open_peers.append(peer)
    peer.settimeout(DEADLINE)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 << 10)  # fixed: the kernel takes no megabytes
    peer.connect(("127.0.0.1", port))
    return peer


def listen(host="127.0.0.1"):
    server = socket.create_server((host, 0))
    server.settimeout(DEADLINE)
    open_peers.append(server)
    return server, server.getsockname()[1]


def reset(peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()


class ProbedNode:
    """A node that was started with one probe; more can be launched."""

    def __init__(self, preexec=None, **settings):
        self.folder = tempfile.TemporaryDirectory(prefix="skyloom_probe_")
        self.path = f"{self.folder.name}/p"
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(self.path)
        self.door.listen(64)
        self.door.settimeout(DEADLINE)
        self.node = Node({"bootstrap": f"probe {self.path} first", "thread": 4, **settings}, preexec)
        self.first = self.enter()

    def enter(self):
        connection, _ = self.door.accept()
        connection.settimeout(DEADLINE)
        lines = connection.makefile("r")
        hello = re.match(r"hello (\w+) (\w+)\n", lines.readline())
        return Probe(connection, lines, int(hello[2], 16))

    def launch(self):
        self.first.tell("command", "LAUNCH", f"probe {self.path} more")
        probe = self.enter()
        self.first.expect_answered()
        return probe

    def end(self):
        """Stops it; it must end with 0 and without a report."""
        status = self.node.stop()
        story = self.node.story()
        self.node.dispose()
        self.first.lines.close()
        self.first.connection.close()
        self.door.close()
        self.folder.cleanup()
        assert status == 0, story
        assert not REPORT.search(story), story


class ProbeTest(NodeTest):
    """All tests of a class share one node; each has probes of its own."""

    SETTINGS = {}

    @classmethod
    def setUpClass(cls):
        cls.world = ProbedNode(**cls.SETTINGS)

    @classmethod
    def tearDownClass(cls):
        cls.world.end()

    def setUp(self):
        self.a = self.world.launch()
        self.b = self.world.launch()

    def tearDown(self):
        for probe in (self.a, self.b):
            self.kill(probe)
        while open_peers:
            open_peers.pop().close()

    def kill(self, probe):
        """Ends a probe, also one that stalls."""
        self.world.first.command("KILL", f":{probe.handle:x}")
        try:
            probe.tell("go")
        except OSError:
            pass  # it was faster
        probe.lines.close()
        probe.connection.close()
