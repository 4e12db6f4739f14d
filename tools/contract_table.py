#!/usr/bin/env python3
"""Which test proves which rule of the contract through the C interface: docs/reference/contract-tests.md.

A test's name says it. It begins with the numbers of its rules (S_17_, D_18_D_19_), with the section of the kernel
(K_3_4_: section 3.4), or with the name of the function that it is about. The tests are those that the programs
themselves know: the engine's print their names with --list, those with a node are methods of a Python module.

usage: contract_table.py [--check] --engine PROGRAM      writes the page; --check: fails when it is out of date.
Either way it fails when a rule has no test.
"""
import argparse
import ast
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/reference/contract-tests.md"
HEADERS = ("socket_server", "skynet_socket")
NODE_TESTS = sorted((ROOT / "tests/capi").glob("*_test.py"))

SOCKET_RULES = {
    "S-01": "order of sends", "S-02": "two priorities, no torn frame", "S-03": "direct write",
    "S-04": "accepted or refused", "S-05": "sends that are dropped, and those after the peer's end",
    "S-06": "start in every state", "S-07": "accepted sockets wait for start", "S-08": "what reads without start",
    "S-09": "pause", "S-10": "one CLOSE, to the owner", "S-11": "CLOSE by the peer", "S-12": "close with output",
    "S-13": "shutdown", "S-14": "ids that are gone", "S-15": "failed writes, resets", "S-16": "nothing after CLOSE",
    "S-17": "warnings", "S-18": "accept without descriptors", "S-19": "port 0", "S-20": "UDP addresses",
    "S-21": "UDP default destination, close", "S-22": "UDP receive errors", "S-23": "OBJECT buffers",
    "S-24": "statistics", "S-25": "bound descriptors",
}
DIFFERENCES = {
    "D-01": "foreign libraries and the allocator", "D-02": "a failed allocation fails the operation",
    "D-03": "any number of module types; cpath without ?", "D-04": "SETENV of an existing key",
    "D-05": "malformed command arguments", "D-10": "no fixed cap on sockets; stale ids", "D-11": "name lookup",
    "D-12": "all addresses are tried", "D-13": "deadlines", "D-14": "capped write buffers", "D-15": "lingering close",
    "D-16": "close while connecting", "D-17": "foreign descriptors stay open", "D-18": "sockets of a dead service",
    "D-19": "queued events of a dead service", "D-20": "sends before CONNECT", "D-21": "close-on-exec",
    "D-22": "commands never block", "D-23": "one terminal event", "D-24": "any number of network threads",
    "D-25": "bounded work per turn", "D-26": "reads in blocks of their size", "D-27": "accept errors",
    "D-28": "errno of the failing operation", "D-29": "UDP address strings", "D-30": "buffers of a dead output",
    "D-31": "nothing ends the process", "D-32": "no data races", "D-33": "many inherited descriptors",
    "D-34": "frame lengths", "D-40": "mailboxes shrink and are capped", "D-41": "orderly stop",
    "D-42": "logging never blocks", "D-43": "LOGOFF during a dump",
}
KERNEL = {
    "3.1": "handles and names", "3.2": "messages", "3.3": "mailboxes and scheduling", "3.4": "timer",
    "3.5": "monitor", "3.6": "process and signals", "3.7": "exit and error answers", "3.8": "configuration",
    "3.9": "boot order", "3.10": "log lines", "3.11": "message dump", "3.12": "accounting",
}


def functions():
    """The public functions, as the headers declare them."""
    names = []
    for header in HEADERS:
        text = (ROOT / f"include/skynet/{header}.h").read_text()
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        for name in re.findall(rf"\b((?:{header}|socket_info)_\w+)\s*\(", text):
            if name not in names and name != "skynet_socket_buffer_of":  # ours, for the inline forms
                names.append(name)
    return names + ["socket_info_release"]


def node_tests():
    """The names of the test methods."""
    for path in NODE_TESTS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield node.name[len("test_"):]


def rules_of(test, names):
    """The rules that the test's name begins with."""
    found = []
    rest = test
    while match := re.match(r"([SD])_(\d\d)_|(K)_(3)_(\d+)_", rest):
        found.append(f"{match[1]}-{match[2]}" if match[1] else f"3.{match[5]}")
        rest = rest[match.end():]
    about = [name for name in names if rest.startswith(name + "_")]
    return found + ([max(about, key=len)] if about else [])


def table(title, rules, tests):
    lines = [f"## {title}", "", "| rule | engine alone | in a node |", "|---|---|---|"]
    missing = []
    for rule, about in rules.items():
        cells = ["<br>".join(f"`{test}`" for test in face.get(rule, [])) or "-" for face in tests]
        if all(cell == "-" for cell in cells):
            missing.append(f"{rule} ({about})" if about else rule)
        lines.append(f"| {rule}{' ' + about if about else ''} | {cells[0]} | {cells[1]} |")
    return lines + [""], missing


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", required=True, nargs=argparse.REMAINDER, help="the engine's test program; last")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    listed = subprocess.run([*arguments.engine, "--list"], capture_output=True, text=True, check=True).stdout
    names = functions()
    known = {**SOCKET_RULES, **DIFFERENCES, **KERNEL, **dict.fromkeys(names, "")}
    faces, strangers = [], []
    for tests in (listed.split(), list(node_tests())):
        face = {}
        for test in tests:
            for rule in rules_of(test, names):
                face.setdefault(rule, []).append(test)
                if rule not in known:
                    strangers.append(f"{test}: there is no rule {rule}")
        faces.append(face)
    lines = ["# Which test proves which rule", "",
             "Generated by `tools/contract_table.py` from the names of the tests; ctest checks that it is up to date and",
             "that no rule is without a test. The engine's tests are in `tests/capi/engine`, those in a node in",
             "`tests/capi/*_test.py`.", ""]
    missing = []
    for title, rules in (("Functions", dict.fromkeys(names, "")), ("Socket layer", SOCKET_RULES),
                         ("Deliberate differences", DIFFERENCES), ("Kernel", KERNEL)):
        part, gaps = table(title, rules, faces)
        lines += part
        missing += gaps
    text = "\n".join(lines).rstrip() + "\n"
    for finding in strangers + [f"no test: {rule}" for rule in missing]:
        print(finding, file=sys.stderr)
    if not arguments.check:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(text)
    elif not PAGE.exists() or PAGE.read_text() != text:
        print(f"{PAGE.relative_to(ROOT)} is out of date: python3 tools/contract_table.py --engine "
              f"{' '.join(arguments.engine)}", file=sys.stderr)
        return 1
    return 1 if missing or strangers else 0


if __name__ == "__main__":
    sys.exit(main())
