"""Takes the samples of a row: ours, its floor and its peers in turn, round by round."""
import json
import os
import re
import subprocess
import tempfile
import time

import figures
import rows
from servers import Failure, Server, free_port, is_listening, stop_all

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOAD_SECONDS = 180


class Bench:
    """Starts nodes, floors and loads as the options say. `net_threads` is set before each row."""

    def __init__(self, options):
        self.options = options
        self.build = os.path.abspath(options.build)
        self.node = options.skyloom or os.path.join(self.build, "skyloom")
        self.load = os.path.join(self.build, "skyloom-load")
        self.scratch = tempfile.mkdtemp(prefix="skyloom-bench-")
        self.scale = 0.2 if options.quick else 1.0
        self.net_threads = options.net_threads[0]

    def program(self, name):
        return os.path.join(self.build, "bench", name)

    def config(self, bootstrap, backend, thread=None):
        handle, path = tempfile.mkstemp(".conf", "bench_", self.scratch)
        lines = [f'io_backend = "{backend}"', f'bootstrap = "{bootstrap}"',
                 f"thread = {thread or self.options.thread}", f"net_threads = {self.net_threads}", "harbor = 0",
                 f'cpath = "{self.build}/bench/?.so"', f'lualoader = "{ROOT}/lualib/loader.lua"',
                 f'lua_path = "{ROOT}/lualib/?.lua"', f'luaservice = "{ROOT}/service/?.lua;{ROOT}/bench/lua/?.lua"']
        with open(handle, "w", encoding="ascii") as config:
            config.write("\n".join(lines) + "\n")
        return path

    # --- servers

    def start_node(self, bootstrap, protocol="tcp", backend=None, thread=None):
        port = free_port(protocol)
        server = Server([self.node, self.config(bootstrap.replace("PORT", str(port)),
                                                backend or self.options.backend, thread)])
        server.wait_until(lambda: is_listening(port, protocol))
        server.port = port
        return server

    def start_program(self, command):
        name, *arguments = command
        server = Server([self.program(name), *arguments])
        server.port = int(server.wait_for_line(r"^port (\d+)$")[1])
        return server

    def starter(self, row, side):
        """A function that starts the server of a side."""
        options, protocol = self.options, row.get("protocol", "tcp")
        if side == "ours" and not options.self_check:
            return lambda: self.start_node(row["ours"], protocol)
        if side == "floor" and options.against:
            return lambda: self.start_node(row["ours"], protocol, options.against)
        return lambda: self.start_program(row["floor"] if side in ("ours", "floor") else row["peers"][side])

    # --- loads

    def run_load(self, server, arguments):
        command = [self.load, "--port", str(server.port), "--json", "--quiet", *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=LOAD_SECONDS,
                                  check=False)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{' '.join(command)}: still running after {LOAD_SECONDS} s") from error
        except OSError as error:
            raise Failure(f"{self.load}: {error.strerror}") from error
        if done.returncode != 0:
            raise Failure(f"{' '.join(command)}: status {done.returncode}\n"
                          f"{done.stdout.strip()}{done.stderr.strip()}")
        return json.loads(done.stdout)

    def measure(self, server, arguments):
        before = server.cpu_seconds()
        result = self.run_load(server, arguments)
        cpu = server.cpu_seconds() - before
        messages = result["messages_total"]
        if messages == 0:
            raise Failure("the load completed no message")
        return dict(cost=cpu * 1e6 / messages, rate=result["rate"], lost=result["lost"],
                    p50=result["latency_us"]["p50"], p99=result["latency_us"]["p99"],
                    rss=server.resident_bytes())

    # --- samplers: each yields one sample of a side after the other

    def load_samples(self, row, side):
        server = self.starter(row, side)()
        count = max(1, int(row["messages"] * self.scale))
        option = row.get("count_option", "--messages")
        self.measure(server, [*row["load"], option, str(max(1, count // 10))])
        while True:
            yield self.measure(server, [*row["load"], option, str(count)])

    def memory_samples(self, row, side):
        count = max(100, int(row["connections"] * self.scale))
        framing = ["--framing", "2"] if "--frames" in row["floor"] else []
        warm_up = [] if "alone" in row["ours"] else ["--connections", "10", "--messages", "100", *framing]
        start = self.starter(row, side)
        while True:
            server = start()
            if warm_up:
                self.run_load(server, warm_up)
            before = server.resident_bytes()
            holder = self.hold(server, count, framing)
            cost = (server.resident_bytes() - before) / count
            holder.stop()
            server.stop()
            yield dict(cost=cost)

    def hold(self, server, count, framing=()):
        """Idle connections, when they are all there and memory has settled: equal twice in a row."""
        holder = Server([self.load, "--port", str(server.port), "--connections", "0", "--idle",
                         str(count), "--duration", "600", "--quiet", *framing])
        sizes = []

        def is_settled():
            if holder.process.poll() is not None:
                raise Failure(f"the idle connections ended:\n{holder.output().strip()}")
            time.sleep(0.1)
            sizes.append(server.resident_bytes())
            has_all = len(os.listdir(f"/proc/{server.pid}/fd")) >= count
            return has_all and len(sizes) > 3 and sizes[-1] == sizes[-3]

        server.wait_until(is_settled, 60)
        return holder

    def wakeup_samples(self, row, side):
        seconds = 1 if self.options.quick else 3
        server = self.starter(row, side)()
        time.sleep(0.5)
        while True:
            before = server.context_switches()
            time.sleep(seconds)
            yield dict(cost=(server.context_switches() - before) / seconds)

    def program_samples(self, row, side):
        count = str(int(row["messages"] * self.scale))
        if side == "ours" and not self.options.self_check:
            command = [self.node, self.config(row["ours"].replace("COUNT", count), self.options.backend)]
        else:
            name, *arguments = row["floor"]
            command = [self.program(name), *(a.replace("COUNT", count) for a in arguments)]
        while True:
            yield dict(cost=self.run_program(command, row.get("pattern", rows.CPU)) / 1e3)

    @staticmethod
    def run_program(command, pattern):
        program = Server(command)
        found = program.result(pattern, LOAD_SECONDS)
        program.stop()
        return float(found[1])

    # --- rows

    def can_start(self, command):
        """False when it is not built, or when the system does not let it (io_uring in a container)."""
        try:
            self.start_program(command).stop()
        except Failure:
            return False
        return True

    def sides(self, row):
        """Ours, the floor and the peers that are there; and the names of those that are not."""
        wanted = [side for side in ("ours", "floor") if side in row]
        if self.options.floor_only:
            wanted = wanted[1:]
        peers = {} if self.options.no_peers or self.options.self_check else row.get("peers", {})
        built = [name for name, command in peers.items() if self.can_start(command)]
        return wanted + built, [name for name in peers if name not in built]

    def run_row(self, row, net_threads):
        self.net_threads = net_threads
        sampler = {"load": self.load_samples, "program": self.program_samples,
                   "memory": self.memory_samples, "wakeups": self.wakeup_samples}[row["kind"]]
        sides, missing = self.sides(row)
        result = dict(name=row["name"], title=row["title"], kind=row["kind"], unit=row.get("unit"),
                      net_threads=net_threads, target=row.get("target"), absolute=row.get("absolute"),
                      missing=missing, samples={side: [] for side in sides})
        try:
            running = [(side, sampler(row, side)) for side in sides]
            for _ in range(self.options.rounds):
                for side, samples in running:
                    result["samples"][side].append(next(samples))
                running.append(running.pop(0))  # nobody is always the first
        except (Failure, OSError) as failure:
            result["failure"] = str(failure)
        finally:
            stop_all()
        return figures.summarize(result)
