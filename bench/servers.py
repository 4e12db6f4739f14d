"""Child processes that are measured, and the ports that they listen at."""
import os
import re
import socket
import subprocess
import tempfile
import time

START_SECONDS = 10
TICKS = os.sysconf("SC_CLK_TCK")


class Failure(Exception):
    pass


class Server:
    """A child process that is killed whatever happens."""

    alive = []

    def __init__(self, command, cwd=None):
        self.log = tempfile.TemporaryFile(mode="w+")
        try:
            self.process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL,
                                            stdout=self.log, stderr=subprocess.STDOUT)
        except OSError as error:
            raise Failure(f"{command[0]}: {error.strerror}") from error
        self.command = command
        self.pid = self.process.pid
        self.port = 0
        Server.alive.append(self)

    def output(self):
        self.log.seek(0)
        return self.log.read()

    def wait_until(self, is_up, seconds=START_SECONDS):
        deadline = time.monotonic() + seconds
        while not is_up():
            if self.process.poll() is not None:
                raise Failure(f"{' '.join(self.command)}: ended with status "
                              f"{self.process.returncode}\n{self.output().strip()}")
            if time.monotonic() > deadline:
                raise Failure(f"{' '.join(self.command)}: not so far after {seconds} s\n"
                              f"{self.output().strip()}")
            time.sleep(0.02)

    def wait_for_line(self, pattern, seconds=START_SECONDS):
        self.wait_until(lambda: re.search(pattern, self.output(), re.M), seconds)
        return re.search(pattern, self.output(), re.M)

    def result(self, pattern, seconds):
        """What the program printed, when it has ended well."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise Failure(f"{' '.join(self.command)}: still running after {seconds} s\n"
                          f"{self.output().strip()}") from error
        found = re.search(pattern, self.output())
        if self.process.returncode != 0 or not found:
            raise Failure(f"{' '.join(self.command)}: status {self.process.returncode}\n"
                          f"{self.output().strip()}")
        return found

    def cpu_seconds(self):
        try:
            with open(f"/proc/{self.pid}/stat", encoding="ascii", errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError as error:
            raise Failure(f"{self.command[0]}: has ended") from error
        # utime + stime come in ticks of 10 ms, rounded down. The threads' run times are the same
        # figure in nanoseconds, but without the threads that have ended: the larger one is right.
        return max((int(fields[11]) + int(fields[12])) / TICKS, self.thread_seconds())

    def thread_seconds(self):
        total = 0
        try:
            for task in os.listdir(f"/proc/{self.pid}/task"):
                with open(f"/proc/{self.pid}/task/{task}/schedstat", encoding="ascii") as times:
                    total += int(times.read().split()[0])
        except (OSError, IndexError):
            return 0  # a thread that ends right now, or a kernel without it
        return total / 1e9

    def resident_bytes(self, which="VmRSS"):
        """`which`: VmRSS, or VmHWM for the most that it ever was."""
        with open(f"/proc/{self.pid}/status", encoding="ascii", errors="replace") as status:
            return int(re.search(which + r":\s+(\d+)", status.read()).group(1)) * 1024

    def context_switches(self):
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/status", encoding="ascii") as status:
                total += int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", status.read())[1])
        return total

    def stop(self):
        if self in Server.alive:
            Server.alive.remove(self)
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def stop_all():
    for server in list(Server.alive):
        server.stop()


def free_port(protocol):
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port, protocol):
    """Looks without connecting: a probe would be a client of the server."""
    wanted = f"{port:04X}"
    state = "0A" if protocol == "tcp" else "07"
    for table in (protocol, protocol + "6"):
        try:
            with open(f"/proc/net/{table}", encoding="ascii") as lines:
                for line in lines:
                    fields = line.split()
                    if fields[1].endswith(":" + wanted) and fields[3] == state:
                        return True
        except OSError:
            continue
    return False
