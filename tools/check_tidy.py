#!/usr/bin/env python3
"""Checks the rules of the code that a regular expression can see (CONTRIBUTING.md, "Rules").

An exception is one line of tools/ratchet.txt: rule, path, and the reason behind a '#'. That file only
shrinks: a line that excuses nothing is a finding, too.

usage: check_tidy.py [ROOT]      exit status 1 and one line per finding when there are any
"""
import pathlib
import re
import subprocess
import sys
from dataclasses import dataclass

from check_tour import blank

CODE = (".c", ".h", ".cpp", ".hpp")
LINES_MAX = 600
BANNED_WORDS = "Manager|Helper|Util|Utils|Misc|Info"
# Skynet's own names, which we must keep.
FOREIGN_NAMES = r"^(include/skynet/|src/capi/|tests/capi/|tests/compat/|examples/)"
TESTS = r"(_test\.(c|cpp|hpp)$|^tests/|^src/testing/|^fuzz/|^bench/)"


@dataclass
class Rule:
    name: str
    says: str
    pattern: str
    where: str  # paths that it is about
    unless: str = r"^$"  # paths that it is not about
    suffixes: tuple = CODE
    raw: bool = False  # look into comments and strings, too


RULES = [
    # Put together, so that this file does not find itself.
    Rule("unfinished", "finish it or write an issue", r"\b(" + "TO" + "DO|FIX" + "ME|X" + "XX)\\b", r"",
         suffixes=CODE + (".py", ".md", ".txt", ".cmake", ".lua", ".sh", ""), raw=True),
    Rule("banned-name", "say what it is", rf"\b(?:class|struct|enum|namespace)\s+(?:class\s+)?[\w:]*?"
         rf"(?:(?:{BANNED_WORDS})(?![a-z])|_(?:{BANNED_WORDS.lower()})\b)", r"", FOREIGN_NAMES),
    Rule("banned-verb", "a function's name is what it does, without do_ or handle_",
         r"(?<![\w.])(?:do|handle)_[a-z]\w*\s*\(", r"^(src|apps)/", FOREIGN_NAMES),
    Rule("sleep-in-test", "wait for an event, or advance the clock",
         r"\b(?:sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(", r"(_test\.(c|cpp|hpp)$|^tests/)"),
    Rule("errno", "errno is read in os/ only", r"\berrno\b", r"^src/", rf"^src/(os|net/poller)/|{TESTS}"),
    Rule("ambient", "time, chance and the environment are arguments",
         r"\b(?:system_clock|steady_clock)::now\b|(?<!\w)(?:std)?::(?:s?rand|getenv)\s*\("
         r"|\b(?:gettimeofday|clock_gettime)\s*\(",
         r"^src/", rf"^src/os/|{TESTS}"),
    Rule("pointer-in-kernel", "give the kernel an id, never a pointer", r"\bdata\.ptr\b", r"^(src|apps)/"),
    Rule("shared-ptr", "name the ADR on the same line", r"\b(?:shared_ptr|make_shared)\s*<(?![^\n]*ADR)",
         r"^(src|apps)/", TESTS, raw=True),
    Rule("volatile", "an atomic, or a member guarded by a mutex", r"(?<!asm )\bvolatile\b", r"^(src|apps)/", TESTS),
    Rule("goto", "give the loop to a function", r"\bgoto\b", r"^(src|apps)/"),
    Rule("using-namespace", "headers open no namespaces", r"\busing\s+namespace\b", r"",
         suffixes=(".h", ".hpp")),
]


def files_of(root):
    """The files that git knows or would add; all files where there is no repository."""
    listed = subprocess.run(
        ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        paths = (root / line for line in listed.stdout.splitlines())
    else:
        paths = (path for path in root.rglob("*") if not {"build", ".git"} & set(path.parts))
    return sorted(path for path in paths if path.is_file())


def check_text(relative, text):
    """The findings in one file: (rule, line, what)."""
    suffix = pathlib.PurePath(relative).suffix
    code = None
    for rule in RULES:
        if suffix not in rule.suffixes or not re.search(rule.where, relative):
            continue
        if re.search(rule.unless, relative):
            continue
        if not rule.raw and code is None:
            code = blank_keeping_lines(text)
        looked_at = text if rule.raw else code
        for match in re.finditer(rule.pattern, looked_at):
            line = looked_at.count("\n", 0, match.start()) + 1
            yield rule.name, line, f"{match.group().strip()}: {rule.says}"
    if suffix not in CODE:
        return
    lines = text.count("\n")
    if lines > LINES_MAX:
        yield "long-file", lines, f"{lines} lines: probably more than one thing"
    if suffix == ".hpp" and "#pragma once" not in text:
        yield "pragma-once", 1, "a header begins with #pragma once"
    stem = pathlib.PurePath(relative).stem
    if not re.search(FOREIGN_NAMES, relative) and re.search(
            rf"(?:^|_)(?:{BANNED_WORDS.lower()})(?:_|$)", stem):
        yield "banned-name", 1, f"{stem}: say what it is"


def blank_keeping_lines(text):
    # Comments that span lines vanish whole; put their line ends back to keep the numbers right.
    text = re.sub(r"/\*.*?\*/", lambda m: "\n" * m.group().count("\n"), text, flags=re.DOTALL)
    return blank(text)


def read_ratchet(root):
    path = root / "tools" / "ratchet.txt"
    if not path.exists():
        return {}, []
    excused, problems = {}, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"(\S+)\s+(\S+)\s+#\s*(\S.*)", line)
        if match:
            excused[match[1], match[2]] = number
        else:
            problems.append(f"tools/ratchet.txt:{number}: want 'rule path # reason'")
    return excused, problems


def check(root):
    root = pathlib.Path(root)
    excused, problems = read_ratchet(root)
    used = set()
    for path in files_of(root):
        relative = path.relative_to(root).as_posix()
        if path.suffix not in RULES[0].suffixes:
            continue
        text = path.read_text(errors="replace")
        for rule, line, what in check_text(relative, text):
            if (rule, relative) in excused:
                used.add((rule, relative))
            else:
                problems.append(f"{relative}:{line}: [{rule}] {what}")
    for entry, number in excused.items():
        if entry not in used:
            problems.append(f"tools/ratchet.txt:{number}: excuses nothing any more; remove it")
    return problems


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    problems = check(root)
    for problem in problems:
        print(f"tidy: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
