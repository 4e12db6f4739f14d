#!/usr/bin/env python3
"""Checks that every #include follows the layers (CONTRIBUTING.md, "Layers").

CMake refuses a library that links upwards. A header needs no link, so this reads the same
skyloom_library() calls and holds every #include against them. It also finds sources of src/ that no
CMakeLists.txt names: they are compiled by nobody.

usage: check_layers.py [ROOT]      exit status 1 and one line per finding when there are any
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)
CALL = re.compile(r"\b(skyloom_library|skyloom_test)\s*\(([^)]*)\)")
KEYWORDS = {"LAYER", "SOURCES", "DEPS", "LIBS", "LABELS", "TIMEOUT", "ARGS", "ENVIRONMENT"}
SUFFIXES = {".c", ".h", ".cpp", ".hpp"}

# Promises: whoever is built on a node may use them, and nobody below.
PUBLIC = {"skynet", "skyloom"}
PUBLIC_LAYER_MIN = 3  # node makes messages of the layout that include/skynet promises

# Folders whose includes are listed here, whatever they link.
ONLY = {
    "src/services": {"skyloom", "codec", "base", "services"},
    "include/skynet": {"skynet"},
    "include/skyloom": {"skyloom", "skynet"},
    "apps/skyloom-load": {"os", "codec", "base", "apps"},
    "examples": PUBLIC,
}
# Third-party headers and the only folders that may name them.
THIRD_PARTY = {
    r"(lua|lualib|lauxlib|luaconf)\.(h|hpp)": ("src/lua", "bench"),
    r"CLI/.*": ("apps", "bench"),
    r"fmt/.*": ("src", "apps", "bench"),
    r"liburing\.h": ("src/net/poller", "bench"),
    r"(uv\.h|asio\.hpp)": ("bench/peers",),
    r"sys/epoll\.h": ("src/net/poller", "src/os", "src/testing", "apps/skyloom-load", "bench", "tests"),
    r"openssl/.*": ("src/net/tls", "src/codec"),
    r"ares\.h": ("src/os",),
    r"(zlib|zstd)\.h": ("src/codec",),
    r"(gtest|gmock|rapidcheck)/.*": ("src/testing", "tests"),  # and tests anywhere
    r"benchmark/.*": ("bench",),
    r"boost/.*": (),
}


def parse_cmake(text):
    """The skyloom_library() and skyloom_test() calls: [(function, name, {keyword: [values]})]."""
    text = re.sub(r"#[^\n]*", "", text)
    calls = []
    for function, body in CALL.findall(text):
        words = re.sub(r'"', " ", body).split()
        values, keyword = {}, None
        for word in words[1:]:
            if word in KEYWORDS:
                keyword = word
                values.setdefault(keyword, [])
            elif keyword:
                values[keyword].append(word)
        if words and "$" not in words[0]:
            calls.append((function, words[0], values))
    return calls


class Tree:
    """What the CMakeLists.txt files of src/ say."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.folder_of = {}  # library -> folder of src/
        self.deps_of = {}  # library -> libraries
        self.layer_of = {}  # library -> number
        self.tests = {}  # path of a source of a test -> libraries
        self.problems = []
        for path in sorted(self.root.glob("src/**/CMakeLists.txt")):
            self._read(path)
        for library in list(self.deps_of):
            self._check_arrows(library)
        self.folders = {path.name for path in self.root.glob("src/*") if path.is_dir()}

    def _read(self, path):
        folder = path.relative_to(self.root / "src").parts[0]
        for function, name, values in parse_cmake(path.read_text()):
            if function == "skyloom_library":
                self.folder_of[name] = folder
                self.deps_of[name] = values.get("DEPS", [])
                self.layer_of[name] = int(values["LAYER"][0])
            else:
                for source in values.get("SOURCES", []):
                    self.tests[path.parent / source] = values.get("DEPS", [])

    def _check_arrows(self, library):
        for dep in self.deps_of[library]:
            if dep not in self.layer_of:
                self.problems.append(f"library {library} uses {dep}, which is not defined")
            elif self.layer_of[dep] >= self.layer_of[library]:
                self.problems.append(
                    f"library {library} ({self.layer_of[library]}) may not use {dep} ({self.layer_of[dep]})"
                )

    def closure(self, libraries):
        """The folders of these libraries and of all that they use."""
        seen, todo = set(), list(libraries)
        while todo:
            library = todo.pop()
            if library not in seen and library in self.folder_of:
                seen.add(library)
                todo += self.deps_of[library]
        return {self.folder_of[library] for library in seen}

    def libraries_in(self, folder):
        return [library for library, where in self.folder_of.items() if where == folder]

    def layer(self, folder):
        return max((self.layer_of[library] for library in self.libraries_in(folder)), default=-1)


def is_test(path):
    # A header or source that several tests of a folder share has "_test_" in its name.
    return "_test_" in path.name or "test_support" in path.name or path.name.endswith(
        ("_test.cpp", "_test.c", "_test.hpp", "_fuzz.cpp", "_bench.cpp"))


def allowed_in_src(tree, path, folder):
    """The folders of src/ and include/ that a file of src/<folder> may include."""
    allowed = tree.closure(tree.libraries_in(folder)) | {folder}
    if tree.layer(folder) >= PUBLIC_LAYER_MIN or folder == "capi":
        allowed |= PUBLIC
    if is_test(path) and folder != "testing":
        below = [d for d in tree.tests.get(path, []) if tree.layer_of.get(d, 99) < tree.layer(folder)]
        allowed |= tree.closure(below) | {"testing"}
    elif folder != "testing":
        allowed.discard("testing")
    return allowed


def allowed(tree, path, relative):
    """None: anything of ours."""
    for prefix, names in ONLY.items():
        if relative.startswith(prefix + "/"):
            return names | ({"testing"} if is_test(path) and prefix.startswith("src/") else set())
    parts = relative.split("/")
    if parts[0] == "src" and tree.libraries_in(parts[1]):
        return allowed_in_src(tree, path, parts[1])
    if parts[0] == "apps":
        return (tree.folders - {"testing"}) | PUBLIC
    return None


def is_ours(tree, quote, name, path):
    """The folder that an include names, or None for the system's (such as <net/if.h>)."""
    first = name.split("/")[0]
    if "/" in name and first in tree.folders and (quote == '"' or (tree.root / "src" / name).exists()):
        return first
    for public in PUBLIC:
        if (name.startswith(public + "/") and (tree.root / "include" / name).exists()) or (
            "/" not in name and (tree.root / "include" / public / name).exists()
            and not (path.parent / name).exists()
        ):
            return public
    return None


def check_file(tree, path):
    relative = path.relative_to(tree.root).as_posix()
    text = path.read_text(errors="replace")
    permitted = allowed(tree, path, relative)
    for match in INCLUDE.finditer(text):
        quote, name = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        where = f"{relative}:{line}: includes {name}"
        if quote == '"' and ".." in name.split("/"):
            yield f"{where}: write the path from src/, without '..'"
        folder = is_ours(tree, quote, name, path)
        if folder is not None:
            if permitted is not None and folder not in permitted:
                yield f"{where}: may include {', '.join(sorted(permitted))} only"
            continue
        for pattern, folders in THIRD_PARTY.items():
            if not re.fullmatch(pattern, name):
                continue
            if pattern.startswith("(gtest") and is_test(path):
                continue
            if not any(relative.startswith(folder + "/") for folder in folders):
                yield f"{where}: only {', '.join(folders) or 'nobody'} may name it"


def orphans(tree):
    for path in sorted(tree.root.glob("src/**/*.c*")):
        if path.suffix not in {".c", ".cpp"}:
            continue
        lists = [folder / "CMakeLists.txt" for folder in path.parents if tree.root / "src" in [folder, *folder.parents]]
        texts = [file.read_text() for file in lists if file.exists()]
        if not any(re.search(rf"\b{re.escape(path.name)}\b|\bGLOB\b", text) for text in texts):
            yield f"{path.relative_to(tree.root).as_posix()}: no CMakeLists.txt names it"


def check(root):
    tree = Tree(root)
    problems = list(tree.problems)
    for top in ("src", "apps", "bench", "include", "examples", "fuzz", "tests"):
        for path in sorted((tree.root / top).glob("**/*")):
            if path.suffix in SUFFIXES and path.is_file():
                problems += check_file(tree, path)
    return problems + list(orphans(tree))


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    problems = check(root)
    for problem in problems:
        print(f"layers: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
