#!/usr/bin/env python3
"""The benchmarks run, write their figures, and the page is made from them. Figures are not judged here."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = os.environ.get("SKYLOOM_BUILD_DIR", str(HERE.parent / "build" / "release"))
# One of each kind, and the quick ones of scale.py.
ROWS = ["echo", "udp", "message", "idle_memory", "lua_launch"]


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
