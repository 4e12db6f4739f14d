#!/usr/bin/env python3
"""Counts the instructions of the hot paths under callgrind and holds them against expected.json.

Each path is walked twice, once with more steps; the difference by the steps is what one costs, so
that starting and ending do not count. Seconds differ from run to run, these numbers do not: they are
a gate. They belong to one compiler and one C library; on another they are printed and not compared.

usage: counts.py [--build DIR] [--accept | --profile PATH]
exit status: 0 as expected; 1 a count differs or a path failed; 77 nothing was compared
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXPECTED = HERE / "expected.json"
TOLERANCE = 0.03
SKIPPED = 77
SECONDS = 120

# Path: steps of the short walk; the long one has twice as many. Enough that what happens seldom (a
# ring that grows, a collection of garbage) is spread evenly.
PATHS = dict(mailbox=6400, dispatch=6400, message=6400, socket_read=6400, socket_send=6400, frame_echo=6400,
             timer=3200, lua_call=3200, lua_echo=3200, table_index=6400, shared_index=6400, table_pairs=6400,
             shared_pairs=6400, table_rows=6400, shared_rows=6400)


# Path: another one, and how often its instructions this may cost. That holds with any compiler.
RATIOS = dict(shared_index=("table_index", 3), shared_pairs=("table_pairs", 3), shared_rows=("table_rows", 3))


class Failure(Exception):
    pass


def per_step(few, many, steps):
    """What one step costs, from the totals of a walk of `steps` and one of twice as many."""
    return (many - few) / steps


def compare(expected, measured, tolerance=TOLERANCE):
    """Lines that tell each path, and whether all are within the tolerance. A gain is a difference, too:
    if nobody wrote it down, the same could be lost again unnoticed. What only others are measured by is told,
    and may be anything: it is Lua's own code, and another build of the same version places it otherwise."""
    floors = {other for other, _ in RATIOS.values()}
    lines, is_good = [], True
    for path in sorted(set(expected) | set(measured)):
        was, now = expected.get(path), measured.get(path)
        if was is None or now is None:
            change, fits = "new path" if was is None else "no longer measured", False
        else:
            change, fits = f"{(now - was) / was:+.1%}", path in floors or abs(now - was) <= tolerance * was
        lines.append(f"{path:<12} expected {number(was)}  measured {number(now)}  {change}" + ("" if fits else "  DIFFERS"))
        is_good = is_good and fits
    return lines, is_good


def compare_ratios(measured):
    """Lines that tell each ratio, and whether all are within their bounds."""
    lines, is_good = [], True
    for path, (other, bound) in RATIOS.items():
        if path not in measured or other not in measured:
            continue
        ratio = measured[path] / measured[other]
        fits = ratio <= bound
        lines.append(f"{path:<12} {ratio:.2f} times {other}, at most {bound}" + ("" if fits else "  TOO MANY"))
        is_good = is_good and fits
    return lines, is_good


def number(value):
    return f"{'-':>9}" if value is None else f"{value:9.1f}"


def toolchain(build):
    """What the numbers hang on, apart from our code: the compiler and the libraries that it links."""
    cache = (pathlib.Path(build) / "CMakeCache.txt").read_text(encoding="utf-8")

    def cached(name):
        found = re.search(rf"^{name}:\w+=(.*)$", cache, re.M)
        return found[1] if found else "?"

    version = subprocess.run([cached("CMAKE_CXX_COMPILER"), "--version"], capture_output=True, text=True, check=True)
    return (f"{version.stdout.splitlines()[0]}; {' '.join(platform.libc_ver())}; Lua {cached('LUA_VERSION')}; "
            f"{platform.machine()}")


class Walks:
    """Runs the program in surroundings that are the same everywhere: Lua makes the seed of its hashes from
    addresses of the stack, and those depend on the length of every argument and variable."""

    def __init__(self, program):
        self.folder = tempfile.TemporaryDirectory(prefix="skyloom-counts-")
        os.symlink(program, os.path.join(self.folder.name, "count_paths"))
        os.symlink(ROOT, os.path.join(self.folder.name, "root"))
        self.environment = dict(lualoader="root/lualib/loader.lua", lua_path="root/lualib/?.lua",
                                luaservice="root/service/?.lua;root/bench/lua/?.lua")

    def instructions(self, path, steps, out="/dev/null"):
        command = [shutil.which("valgrind"), "--tool=callgrind", f"--callgrind-out-file={out}", "./count_paths", path,
                   f"{steps:08}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS,
                              env=self.environment, cwd=self.folder.name)
        found = re.search(r"Collected : (\d+)", done.stderr)
        if done.returncode != 0 or not found:
            raise Failure(f"{' '.join(command)}: status {done.returncode}\n{done.stderr.strip()}")
        return int(found[1])


def profile(program, path):
    """Prints where the instructions of a path go, by function."""
    with tempfile.NamedTemporaryFile(prefix="callgrind.") as out:
        Walks(program).instructions(path, 10 * PATHS[path], out.name)
        subprocess.run(["callgrind_annotate", "--show-percs=yes", "--auto=no", out.name], check=True)


def measure(program, paths):
    walks = Walks(program)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        totals = {path: [pool.submit(walks.instructions, path, steps * times) for times in (1, 2)]
                  for path, steps in paths.items()}
        return {path: round(per_step(*(total.result() for total in totals[path]), steps), 1)
                for path, steps in paths.items()}


def accept(measured, tools):
    EXPECTED.write_text(json.dumps(dict(toolchain=tools, instructions=measured), indent=2) + "\n", encoding="ascii")
    print(f"accepted: {EXPECTED.relative_to(ROOT)}; say in the commit what changed them")


def judge(expected, measured, tools):
    lines, are_ratios_good = compare_ratios(measured)
    if lines:
        print("\n".join(lines))
    if not are_ratios_good:
        return 1
    if expected["toolchain"] != tools:
        print(f"counts: not compared: expected.json is of '{expected['toolchain']}', this is '{tools}'")
        for path, value in measured.items():
            print(f"{path:<12} measured {number(value)}")
        return SKIPPED
    lines, is_good = compare(expected["instructions"], measured)
    print("instructions for one step of each path:")
    print("\n".join(lines))
    if not is_good:
        print(f"counts: more than {TOLERANCE:.0%} from what was written down. If that is meant: ./dev counts --accept")
    return 0 if is_good else 1


def main():
    parser = argparse.ArgumentParser(description="Instruction counts of the hot paths.")
    parser.add_argument("--build", default=ROOT / "build" / "release", help="build folder (default build/release)")
    parser.add_argument("--accept", action="store_true", help="write down what is measured now")
    parser.add_argument("--profile", metavar="PATH", choices=PATHS, help="show the functions of one path: " + ", ".join(PATHS))
    options = parser.parse_args()
    program = pathlib.Path(options.build).resolve() / "bench" / "counts" / "count_paths"
    if shutil.which("valgrind") is None:
        print("counts: not compared: valgrind is not installed (./dev setup installs it)")
        return SKIPPED
    try:
        if options.profile:
            profile(program, options.profile)
            return 0
        measured = measure(program, PATHS)
    except (Failure, OSError, subprocess.SubprocessError) as failure:
        print(f"counts: {failure}")
        return 1
    tools = toolchain(options.build)
    if options.accept:
        accept(measured, tools)
        return 0
    return judge(json.loads(EXPECTED.read_text(encoding="ascii")), measured, tools)


if __name__ == "__main__":
    sys.exit(main())
