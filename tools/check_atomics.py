#!/usr/bin/env python3
"""Checks that docs/design/memory-ordering.md has a row for each atomic of the code: by its name, in backquotes,
with or without the name of its class.

usage: check_atomics.py [ROOT]      exit status 1 and one line per finding when there are any
"""
import pathlib
import re
import sys

from check_tour import blank

PAGE = "docs/design/memory-ordering.md"
# A member, a variable, or an array of atomics; the name is what follows the template's argument.
DECLARED = re.compile(r"std::atomic(?:<[^;&(){}]*?>+|_flag)\s*(?:\[\]>\s*)?[>]*\s+(\w+)\s*(?:\{|;|=|\n)")
# Figures that anybody adds to and nobody decides anything by: one row for the whole struct.
FIGURES = re.compile(r"struct \w*Counters \{.*?\n\};", re.DOTALL)
TESTS = re.compile(r"(_test\.|_test_|test_support|^src/testing/)")


def declared(root):
    """(path, name) of each atomic that is declared in src/."""
    for path in sorted((root / "src").rglob("*.[ch]pp")):
        relative = path.relative_to(root).as_posix()
        if TESTS.search(relative):
            continue
        for match in DECLARED.finditer(FIGURES.sub("", blank(path.read_text()))):
            yield relative, match[1]


def findings(root):
    text = (root / PAGE).read_text()
    named = {name.split("::")[-1] for name in re.findall(r"`([\w:]+)`", text)}
    found = set()
    for path, name in declared(root):
        found.add(name)
        if name not in named:
            yield f"{path}: the atomic '{name}' has no row in {PAGE}"
    if not found:
        yield "no atomic was found: the pattern of this check is broken"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
    bad = list(findings(root))
    for line in bad:
        print(line, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
