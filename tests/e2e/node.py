"""Starts and watches nodes: the program of the build folder, with a configuration of the test's own.

SKYLOOM_BUILD_DIR says where the programs are, SKYLOOM_LAUNCHER what they are started through, and
SKYLOOM_SANITIZE and SKYLOOM_WITH_TLS what they were built with. SKYLOOM_FULL=1 asks for full sizes, SKYLOOM_IO_BACKEND
for another way to wait for sockets.
"""
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

BUILD = pathlib.Path(os.environ.get("SKYLOOM_BUILD_DIR", "build/release")).resolve()
LAUNCHER = os.environ.get("SKYLOOM_LAUNCHER", "").replace(";", " ").split()
SANITIZE = os.environ.get("SKYLOOM_SANITIZE", "")
HAS_TLS = os.environ.get("SKYLOOM_WITH_TLS", "ON") == "ON"
IS_FULL = os.environ.get("SKYLOOM_FULL", "") not in ("", "0")
DEADLINE = 60.0  # seconds for whatever must happen soon; only a hanging program needs so long
POLL = 0.01
NET_THREADS = (0, 1)  # idle workers poll the sockets; a thread of its own does
REPORT = re.compile(r"(ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:|CHECK)")


needs_tls = unittest.skipUnless(HAS_TLS, "this build has no TLS")


def full_or(full, short):
    """The full figure when SKYLOOM_FULL asks for it."""
    return full if IS_FULL else short


def free_port(kind=socket.SOCK_STREAM, host="127.0.0.1"):
    """A port nobody uses, below those that the system gives to outgoing connections."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = random.randrange(12000, 32000)
        with socket.socket(family, kind) as probe:
            try:
                probe.bind((host, port))
                return port
            except OSError:
                continue


def wait_until(condition, what, deadline=DEADLINE):
    """The first true value of condition(); fails with `what` after the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not so within {deadline:.0f} s")
        time.sleep(POLL)


def config_text(settings):
    """A configuration file: numbers and booleans as they are, everything else as a string."""
    lines = []
    for key, value in settings.items():
        if isinstance(value, bool):
            value = "true" if value else "false"
        elif not isinstance(value, int):
            value = json.dumps(str(value))
        lines.append(f"{key} = {value}\n")
    return "".join(lines)


def command(*arguments):
    return [*LAUNCHER, str(BUILD / "skyloom"), *map(str, arguments)]


def run_skyloom(*arguments, deadline=DEADLINE, **options):
    """Runs the program to its end: a CompletedProcess with texts."""
    return subprocess.run(command(*arguments), capture_output=True, text=True, errors="replace",
                          timeout=deadline, check=False, stdin=subprocess.DEVNULL, **options)


def is_asleep(pid, threads="*"):
    """No thread of the process, or of those named, runs or could run: what it was told to do is done, or waits for others."""
    stats = itertools.chain(*(pathlib.Path(f"/proc/{pid}/task").glob(f"{thread}/stat") for thread in threads))
    return {stat.read_text().rsplit(")", 1)[1].split()[0] for stat in stats} == {"S"}


class Node:
    """One process. Standard output and error go to files of its folder."""

    DEFAULTS = {
        "thread": 2,
        "harbor": 0,
        "io_backend": os.environ.get("SKYLOOM_IO_BACKEND", "auto"),
        "cpath": f"{BUILD}/tests/modules/?.so;{BUILD}/examples/?.so",
    }

    def __init__(self, settings, preexec=None, environment=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="skyloom_test_"))
        self.config = self.folder / "config"
        settings = {key: str(value).replace("FOLDER", str(self.folder)) if isinstance(value, str) else value
                    for key, value in settings.items()}
        self.config.write_text(config_text({**self.DEFAULTS, **settings}))
        self.out = self.folder / "stdout"
        self.err = self.folder / "stderr"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(command(self.config), stdout=out, stderr=err,
                                            stdin=subprocess.DEVNULL, preexec_fn=preexec,
                                            env={**os.environ, **(environment or {})})

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        return self.out.read_text(errors="replace")

    def errors(self):
        return self.err.read_text(errors="replace")

    def is_running(self):
        return self.process.poll() is None

    def wait_for_line(self, pattern, deadline=DEADLINE, count=1):
        """The match of the count-th line of the log that has the pattern."""
        found = re.compile(pattern, re.MULTILINE)

        def look():
            running = self.is_running()
            matches = list(found.finditer(self.log()))
            if len(matches) >= count:
                return matches[count - 1]
            if not running:
                raise AssertionError(f"the node ended before it logged {pattern!r}\n{self.story()}")
            return None

        try:
            return wait_until(look, f"a line of the log with {pattern!r}", deadline)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None

    def wait_for_port(self, port, host="127.0.0.1"):
        def can_connect():
            if not self.is_running():
                raise AssertionError(f"the node ended before it listened\n{self.story()}")
            try:
                socket.create_connection((host, port), timeout=DEADLINE).close()
                return True
            except ConnectionRefusedError:
                return False

        wait_until(can_connect, f"somebody listens on {port}")

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, deadline=DEADLINE):
        """The exit status; a negative signal number when it was killed."""
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the node does not end within {deadline} s\n{self.story()}") from None

    def stop(self, deadline=DEADLINE):
        """An orderly stop: SIGTERM, then the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(deadline)

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def rss_kib(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def cpu_nanoseconds(self):
        """What each of its threads has had of a processor, by thread."""
        return {task.name: int((task / "schedstat").read_text().split()[0])
                for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir()}

    def wake_ups(self):
        """How often its threads have gone to sleep so far."""
        total = 0
        for status in pathlib.Path(f"/proc/{self.pid}/task").glob("*/status"):
            total += int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", status.read_text())[1])
        return total

    def descriptors(self):
        """What each of its descriptors is, by number. One may be closed while they are listed."""
        found = {}
        for entry in pathlib.Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                found[int(entry.name)] = os.readlink(entry)
            except FileNotFoundError:
                continue
        return found

    def tcp_sockets(self, state):
        """Lines of the kernel's table for its TCP sockets in this state, in fields."""
        own = set(self.descriptors().values())
        lines = pathlib.Path(f"/proc/{self.pid}/net/tcp").read_text().splitlines()[1:]
        fields = [line.split() for line in lines]
        return [each for each in fields if each[3] == state and f"socket:[{each[9]}]" in own]

    def listening_ports(self):
        """TCP ports of its listeners."""
        return [int(fields[1].split(":")[1], 16) for fields in self.tcp_sockets("0A")]

    def story(self):
        """The end of what it printed, for the message of a failure."""
        return f"--- stdout\n{self.log()[-6000:]}\n--- stderr\n{self.errors()[-12000:]}"

    def dispose(self):
        if self.is_running():
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class NodeTest(unittest.TestCase):
    """Tests with nodes: none outlives its test, and none may leave a sanitizer's report."""

    longMessage = True

    def start(self, preexec=None, environment=None, **settings):
        """Starts a node; `environment` is added to the one of the test."""
        node = Node(settings, preexec, environment)
        self.addCleanup(self._finish, node)
        return node

    def _finish(self, node):
        story = node.story()
        node.dispose()
        self.assertIsNone(REPORT.search(story), story)

    def assert_stops(self, node, deadline=DEADLINE):
        """SIGTERM ends it with status 0."""
        self.assertEqual(node.stop(deadline), 0, node.story())

    def start_echo(self, **settings):
        """The echo example on a port of its own: (node, port)."""
        port = free_port()
        node = self.start(bootstrap="echo_watchdog", echo_port=port, **settings)
        node.wait_for_port(port)
        return node, port

    def start_raw_echo(self, **settings):
        """Echo without frames: (node, port)."""
        node = self.start(bootstrap="raw_echo", **settings)
        port = int(node.wait_for_line(r"raw echo: port (\d+)")[1])
        return node, port

    def load(self, port, *arguments, deadline=300):
        """Runs skyloom-load against the port: its figures. It must see neither error nor wrong byte."""
        done = subprocess.run(
            [*LAUNCHER, str(BUILD / "skyloom-load"), "--port", str(port), "--json", "--quiet",
             *map(str, arguments)],
            capture_output=True, text=True, timeout=deadline, check=False)
        self.assertEqual(done.returncode, 0, f"{arguments}\n{done.stdout}\n{done.stderr}")
        figures = json.loads(done.stdout)
        self.assertEqual((figures["errors"], figures["corrupt_bytes"]), (0, 0), done.stdout)
        return figures


def for_each_mode(test):
    """Runs a test once per arrangement of network threads; it gets `net_threads`."""
    def run(self):
        for net_threads in NET_THREADS:
            with self.subTest(net_threads=net_threads):
                test(self, net_threads)
    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def connect(port, timeout=DEADLINE):
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def receive_exactly(connection, count):
    received = bytearray()
    while len(received) < count:
        piece = connection.recv(min(count - len(received), 1 << 20))
        if not piece:
            raise AssertionError(f"the end after {len(received)} of {count} bytes")
        received += piece
    return bytes(received)


def receive_all(connection):
    """Until the end of the stream; a reset counts as a failure."""
    received = bytearray()
    while piece := connection.recv(1 << 20):
        received += piece
    return bytes(received)


def cuts_near_ends(length, count=3, distance=5):
    """Where to cut `count` frames of so many bytes each: near the beginning and the end of each of them."""
    near = {end * length + d for end in range(count + 1) for d in range(-distance, distance + 1)}
    return sorted(cut for cut in near if 0 <= cut <= count * length)


def frame(payload, header=2):
    return len(payload).to_bytes(header, "big") + payload
