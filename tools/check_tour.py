#!/usr/bin/env python3
"""Checks that the tour of ARCHITECTURE.md is still true.

Each step of the tour names its place as `net/shard.cpp Shard::turn`, in backquotes: a file below src/
(or below the root, for apps/ and include/) and a function that is defined in it.

usage: check_tour.py [ROOT]      exit status 1 and one line per finding when there are any
"""
import pathlib
import re
import sys

STEP = re.compile(r"`([\w./-]+\.(?:c|h|cpp|hpp)) ([A-Za-z_~][\w:~]*)(?:\(\))?`")
BLANKED = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | "(?:\\.|[^"\\\n])*" | (?<!\w)'(?:\\.|[^'\\\n])+'""",
    re.VERBOSE | re.DOTALL,
)
# What may stand between the parameters and the body: const, noexcept, override, attributes, a return
# type, or the start of an initializer list.
TAIL = re.compile(r"\s*(?:[\w:&<>*\s,]|->|\[\[[^\]]*\]\]|\([^(){};]*\))*\{")
INITIALIZERS = re.compile(r"\s*(?:noexcept\s*)?:(?!:)")
NOT_A_TAIL = re.compile(r"\s*[,)]")


def blank(text):
    """The code without comments, strings and characters."""
    return BLANKED.sub(lambda m: '""' if m.group()[0] == '"' else " " * (m.group()[0] != "/"), text)


def after_parentheses(text, start):
    """The index behind the parenthesis that closes the one at `start`; None when none does."""
    depth = 0
    for index in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return index + 1
    return None


def has_definition(code, name):
    for match in re.finditer(rf"(?<![\w:~.]){re.escape(name)}\s*\(", code):
        end = after_parentheses(code, match.end() - 1)
        if end is None or NOT_A_TAIL.match(code, end):
            continue
        if TAIL.match(code, end):
            return True
        # A constructor; elsewhere this would be the middle of `a ? name(b) : c`.
        if name.split("::")[-1][0].isupper() and INITIALIZERS.match(code, end):
            return True
    return False


def is_defined(text, name):
    """Whether `name` (Class::function or function) has a body in `text`."""
    code = blank(text)
    parts = name.split("::")
    # Inside its namespace a name is written shorter than in the tour.
    for start in range(len(parts)):
        if start < len(parts) - 1 or len(parts) == 1:
            if has_definition(code, "::".join(parts[start:])):
                return True
    if len(parts) == 1:
        return False
    if re.search(rf"\bnamespace\s+[\w:]*\b{re.escape(parts[-2])}\b", code):
        return has_definition(code, parts[-1])
    in_class = re.search(rf"\b(?:class|struct)\s+(?:\w+\s+)?{re.escape(parts[-2])}\b[^;{{]*\{{", code)
    return in_class is not None and has_definition(code[in_class.end():], parts[-1])


def check(root):
    root = pathlib.Path(root)
    tour = root / "ARCHITECTURE.md"
    if not tour.exists():
        return ["ARCHITECTURE.md is missing"]
    text = tour.read_text()
    problems = []
    steps = list(STEP.finditer(text))
    if not steps:
        problems.append("ARCHITECTURE.md has no step such as `net/shard.cpp Shard::turn`")
    for step in steps:
        file, function = step.groups()
        where = f"ARCHITECTURE.md:{text.count(chr(10), 0, step.start()) + 1}"
        path = next((p for p in (root / "src" / file, root / file) if p.is_file()), None)
        if path is None:
            problems.append(f"{where}: there is no file {file}")
        elif not is_defined(path.read_text(errors="replace"), function):
            problems.append(f"{where}: {file} does not define {function}")
    return problems


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    problems = check(root)
    for problem in problems:
        print(f"tour: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
