"""Each rule finds what it is about, and leaves alone what only looks like it."""
import pathlib
import tempfile
import unittest

import check_tidy

# rule, path, a text that breaks it, a text that does not
CASES = [
    ("unfinished", "src/net/a.cpp", "// TO" + "DO: later", "// autodidact"),
    ("unfinished", "README.md", "FIX" + "ME", "mktemp x.XXXXXX"),
    ("banned-name", "src/net/a.cpp", "class SocketManager {", "class Manage {"),
    ("banned-name", "src/net/a.cpp", "struct peer_info {", "struct Information {"),
    ("banned-name", "src/net/a.cpp", "namespace skyloom::string_util {", "// class AHelper"),
    ("banned-name", "src/net/socket_helper.cpp", "", None),
    ("banned-verb", "src/net/a.cpp", "void do_read() {", "void redo_read(); handle_ = handle_(x);"),
    ("banned-verb", "apps/x/a.cpp", "  handle_event(event);", "event.handle_event_count;"),
    ("sleep-in-test", "src/net/a_test.cpp", "std::this_thread::sleep_for(1ms);", "sleeps(3);"),
    ("sleep-in-test", "tests/e2e.cpp", "::usleep(10);", '"sleep(1)"'),
    ("errno", "src/net/a.cpp", "return Error::from_errno(errno);", "return error.sys_errno();"),
    ("ambient", "src/actor/a.cpp", "auto t = std::chrono::steady_clock::now();", "clock_.now();"),
    ("ambient", "src/actor/a.cpp", "x = std::getenv(name);", "x = system.getenv(name);"),
    ("ambient", "src/lua/a.cpp", "seed = ::rand();", "operand();"),
    ("pointer-in-kernel", "src/net/a.cpp", "event.data.ptr = this;", "event.data.u64 = id;"),
    ("shared-ptr", "src/net/a.cpp", "std::shared_ptr<int> x;", "std::shared_ptr<int> x;  // ADR 12"),
    ("volatile", "src/net/a.cpp", "volatile bool stop;", 'asm volatile("pause");'),
    ("goto", "src/net/a.cpp", "goto fail;", "// goto"),
    ("using-namespace", "src/net/a.hpp", "#pragma once\nusing namespace std;", "#pragma once\nusing std::size_t;"),
    ("pragma-once", "src/net/a.hpp", "int x;", "#pragma once"),
    ("long-file", "src/net/a.cpp", "\n" * 601, "\n" * 600),
]


class CheckTidyTest(unittest.TestCase):
    def rules(self, path, text):
        return [rule for rule, _, _ in check_tidy.check_text(path, text)]

    def test_each_rule_finds_what_it_is_about(self):
        for rule, path, bad, _ in CASES:
            self.assertEqual(self.rules(path, bad), [rule], bad)

    def test_each_rule_leaves_alone_what_only_looks_like_it(self):
        for rule, path, _, good in CASES:
            if good is not None:
                self.assertEqual(self.rules(path, good), [], good)

    def test_each_rule_has_a_case(self):
        self.assertLessEqual({rule.name for rule in check_tidy.RULES}, {case[0] for case in CASES})

    def test_lines_are_counted_across_comments(self):
        found = list(check_tidy.check_text("src/net/a.cpp", "/* one\n two */\n// three\ngoto end;"))
        self.assertEqual([(rule, line) for rule, line, _ in found], [("goto", 4)])

    def findings(self, ratchet):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for path, text in {"src/net/a.cpp": "goto end;", "tools/ratchet.txt": ratchet}.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            return check_tidy.check(root)

    def test_an_exception_needs_a_reason_and_a_use(self):
        self.assertEqual(self.findings("goto src/net/a.cpp  # the cleanup of a C interface\n"), [])
        self.assertEqual(len(self.findings("# nothing\n")), 1)
        self.assertEqual(len(self.findings("goto src/net/a.cpp\n")), 2)
        self.assertEqual(len(self.findings("goto src/net/a.cpp # a\ngoto src/net/b.cpp # b\n")), 1)


if __name__ == "__main__":
    unittest.main()
