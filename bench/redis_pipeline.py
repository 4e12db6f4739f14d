#!/usr/bin/env python3
"""Pipelines of skynet.db.redis beside redis-benchmark's own client, in turns at one server, one connection each.

redis-benchmark sends one prepared buffer again and again. Ours makes the tables of the commands anew for each pipeline and
sends it (`last`: no table for the results; `results`: with one); `prepared` sends the same tables again, `call` is a plain call.
Times and processor time (with that of start and end) are the medians of the rounds, for a million SETs; the ratio is the median of
those within a round.
"""
import argparse
import os
import pathlib
import re
import resource
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tests" / "e2e"), str(HERE.parent / "tests" / "lua")]

from redis_server import RedisServer  # pylint: disable=wrong-import-position

CONFIGURATION = """\
thread = 1
harbor = 0
bootstrap = "snlua bootstrap"
start = "bench_redis_pipeline {port} {count} {batch} {mode}"
lualoader = "{root}/lualib/loader.lua"
lua_path = "{root}/lualib/?.lua;{root}/lualib/?/init.lua"
luaservice = "{root}/bench/lua/?.lua;{root}/service/?.lua"
"""


def measure(command, pattern, count):
    """Seconds and seconds of the processor that a million take; the program says how many it does in a second."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = re.search(pattern, output)
    if not found:
        sys.exit(f"{' '.join(command)}: no figure in its output:\n{output}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1e6 / float(found[1]), cpu / count * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(HERE.parent / "build" / "release"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=400_000, help="commands in a round")
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 16, 100, 1000])
    options = parser.parse_args()
    server = RedisServer()
    with tempfile.TemporaryDirectory() as folder:
        for batch in options.batches:
            count = options.count if batch > 1 else options.count // 8
            commands = {"redis-benchmark": ["redis-benchmark", "-p", str(server.port), "-t", "set", "-n", str(count), "-P",
                                            str(batch), "-c", "1", "-q"]}
            for mode in ["last", "results", "prepared"] if batch > 1 else ["call"]:
                path = os.path.join(folder, f"{mode}_{batch}")
                pathlib.Path(path).write_text(CONFIGURATION.format(root=HERE.parent, port=server.port, count=count,
                                                                   batch=batch, mode=mode), encoding="utf-8")
                commands[mode] = [os.path.join(options.build, "skyloom"), path]
            rounds = [{name: measure(command, r"([\d.]+) requests per second", count)
                       for name, command in commands.items()} for _ in range(options.rounds)]
            for name in commands:
                seconds, cpu = (statistics.median(each[name][i] for each in rounds) for i in range(2))
                ratio = statistics.median(each[name][0] / each["redis-benchmark"][0] for each in rounds)
                print(f"{batch:5} {name:16} {seconds:6.2f} s  cpu {cpu:5.2f} s  ratio {ratio:5.2f}", flush=True)
    server.close()


if __name__ == "__main__":
    main()
