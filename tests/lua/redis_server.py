"""Servers of Redis from the distribution, started by the tests that need them, and a few commands to them."""
import pathlib
import shutil
import socket
import subprocess
import tempfile

from node import free_port, wait_until


class RedisServer:
    """One server that keeps nothing on disk; `close` ends it."""

    def __init__(self, *options):
        program = shutil.which("redis-server")
        if not program:
            raise AssertionError("redis-server is missing: ./dev setup installs it")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="skyloom_redis_"))
        self.port = free_port()
        self.log = self.folder / "log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                 "--daemonize", "no", "--dir", str(self.folder), *options],
                stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        wait_until(self.is_ready, f"the server listens: {self.log.read_text()}")

    def is_ready(self):
        assert self.process.poll() is None, f"the server ended: {self.log.read_text()}"
        try:
            return self.command("PING") == "PONG"
        except OSError:
            return False

    def command(self, *words):
        """The reply as text; raises for an error. Of an array only the number of elements."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            request = b"*%d\r\n" % len(words)
            for word in words:
                data = str(word).encode()
                request += b"$%d\r\n%s\r\n" % (len(data), data)
            connection.sendall(request)
            stream = connection.makefile("rb")
            line = stream.readline().decode().rstrip("\r\n")
            if line.startswith("-"):
                raise AssertionError(f"{words}: {line}")
            if line.startswith("$") and line != "$-1":
                return stream.read(int(line[1:])).decode()
            return line[1:]

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


CLUSTER_OPTIONS = ("--cluster-enabled", "yes", "--cluster-node-timeout", "60000", "--cluster-replica-no-failover", "yes")


def start_cluster(test, masters=3):
    """Masters that share the slots, and one replica of the last master."""
    nodes = []
    for _ in range(masters + 1):
        bus_port = free_port()  # unless told, 10,000 above the other, where anybody may be
        node = RedisServer(*CLUSTER_OPTIONS, "--cluster-port", str(bus_port))
        node.bus_port = bus_port
        test.addCleanup(node.close)
        nodes.append(node)
    bounds = [16384 * i // masters for i in range(masters + 1)]
    for i in range(masters):
        nodes[i].command("CLUSTER", "ADDSLOTSRANGE", bounds[i], bounds[i + 1] - 1)
        nodes[i].command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
    for node in nodes[1:]:
        node.command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, nodes[0].bus_port)

    def knows_all(node):
        return f"cluster_known_nodes:{len(nodes)}" in node.command("CLUSTER", "INFO").split("\r\n")

    wait_until(lambda: all(map(knows_all, nodes)), "the nodes know each other")
    nodes[-1].command("CLUSTER", "REPLICATE", nodes[-2].command("CLUSTER", "MYID"))

    def is_whole(node):
        lines = node.command("CLUSTER", "INFO").split("\r\n")
        return "cluster_state:ok" in lines and "slave" in node_lines(node)[nodes[-1].port]

    def node_lines(node):
        lines = node.command("CLUSTER", "NODES").strip().split("\n")
        return {int(line.split()[1].split("@")[0].rsplit(":", 1)[1]): line for line in lines}

    wait_until(lambda: all(map(is_whole, nodes)), "the cluster is whole")
    wait_until(lambda: "master_link_status:up" in nodes[-1].command("INFO", "replication"), "the replica follows")
    return nodes
