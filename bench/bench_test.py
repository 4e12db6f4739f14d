#!/usr/bin/env python3
"""The benchmarks run, write their figures, and the page is made from them. Figures are not judged here."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = os.environ.get("SKYLOOM_BUILD_DIR", str(HERE.parent / "build" / "release"))
# One of each kind, and the quick ones of scale.py.
ROWS = ["echo", "udp", "message", "idle_memory", "lua_launch"]


ECHOES = ["floor_echo_epoll", "floor_echo_uring", "peer_echo_libuv", "peer_echo_asio"]
DATAGRAM_ECHOES = ["floor_udp_echo", "peer_udp_libuv", "peer_udp_asio"]


def run(program, *arguments):
    return subprocess.run([sys.executable, "-B", str(HERE / program), *arguments], capture_output=True, text=True,
                          check=False, timeout=250)


def bench(*arguments):
    return run("run", "--build", BUILD, "--quick", "--rounds", "1", *arguments)


class BenchTest(unittest.TestCase):
    def test_rows_and_growth_become_a_page_with_plots(self):
        with tempfile.TemporaryDirectory() as folder:
            rows, growth = os.path.join(folder, "rows.json"), os.path.join(folder, "growth.json")
            done = bench("--json", rows, *(word for row in ROWS for word in ("--row", row)))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            done = bench("--json", growth, "--scale", "services")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            with open(rows, encoding="utf-8") as file:
                found = {result["name"]: result for result in json.load(file)["rows"]}
            self.assertEqual(set(found), set(ROWS))
            for name, result in found.items():
                self.assertLessEqual({"ours", "floor"}, set(result["costs"]), name)
            done = run("page", rows, growth, "--out", folder)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            page = pathlib.Path(folder, "benchmarks.md").read_text(encoding="utf-8")
            for name in ("ratios_0.svg", "services_0.svg"):
                self.assertIn(f"benchmarks/{name}", page)
                self.assertTrue(pathlib.Path(folder, "benchmarks", name).exists(), name)
            self.assertIn(found["echo"]["title"], page)

    def echo(self, command, *loads):
        """Lets skyloom-load, which verifies every byte, loose on a floor or peer."""
        name, *arguments = command
        program = os.path.join(BUILD, "bench", name)
        if name.startswith("peer_") and not os.path.exists(program):
            self.skipTest(f"{name} is not installed")
        with subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True) as server:
            try:
                said = server.stdout.readline()
                if not said and name == "floor_echo_uring":
                    self.skipTest("this system has no io_uring for us")
                port = said.split()[1]
                for load in loads:
                    done = subprocess.run([os.path.join(BUILD, "skyloom-load"), "--port", port, "--quiet", *load.split()],
                                          capture_output=True, text=True, check=False, timeout=60)
                    self.assertEqual(done.returncode, 0, f"{command} {load}: {done.stdout}{done.stderr}")
            finally:
                server.terminate()

    def test_floors_and_peers_give_back_every_byte(self):
        for name in ECHOES:
            with self.subTest(name):
                self.echo([name], "--connections 20 --size 1-60000 --pipeline 8 --messages 2000",
                          "--connections 3 --size 2000000 --pipeline 4 --messages 24", "--connections 20 --churn 500")

    def test_floors_and_peers_cut_frames_wherever_they_are_torn(self):
        for name in ECHOES:
            with self.subTest(name):
                self.echo([name, "--frames"], "--framing 2 --connections 20 --size 1-65535 --pipeline 8 --messages 1000",
                          "--framing 2 --connections 20 --size 1-100 --pipeline 64 --messages 50000")

    def test_floors_and_peers_of_datagrams_give_back_what_was_sent(self):
        for name in DATAGRAM_ECHOES:
            with self.subTest(name):
                self.echo([name], "--protocol udp --connections 5 --size 16-1400 --messages 5000")

    @unittest.skipUnless(shutil.which("redis-benchmark"), "redis is not installed")
    def test_pipelines_of_redis_are_measured_beside_redis_benchmark(self):
        done = run("redis_pipeline.py", "--build", BUILD, "--rounds", "1", "--count", "1600", "--batches", "1", "16")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        figures = re.findall(r"^ +(\d+) (\S+) +[\d.]+ s  cpu +[\d.]+ s  ratio +[\d.]+$", done.stdout, re.M)
        self.assertEqual(figures, [("1", "redis-benchmark"), ("1", "call"), ("16", "redis-benchmark"), ("16", "last"),
                                   ("16", "results"), ("16", "prepared")], done.stdout)

    def test_an_unknown_row_is_refused_with_the_names_of_those_that_there_are(self):
        done = bench("--row", "nothing")
        self.assertEqual(done.returncode, 2)
        self.assertIn("there is none; there are churn, echo,", done.stderr)

    def test_a_server_that_cannot_start_fails_its_row_and_the_run(self):
        done = run("run", "--build", BUILD, "--rounds", "1", "--row", "echo", "--skyloom", "/bin/true")
        self.assertEqual(done.returncode, 1)
        self.assertIn("FAILED", done.stdout)
        self.assertIn("ended with status 0", done.stdout)


if __name__ == "__main__":
    unittest.main()
