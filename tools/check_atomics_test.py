#!/usr/bin/env python3
"""Tests of check_atomics.py on small trees."""
import pathlib
import tempfile
import unittest

import check_atomics


class CheckAtomicsTest(unittest.TestCase):
    def findings(self, code, page):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "src/net").mkdir(parents=True)
            (root / "docs/design").mkdir(parents=True)
            (root / "src/net/a.hpp").write_text(code)
            (root / check_atomics.PAGE).write_text(page)
            return list(check_atomics.findings(root))

    def test_an_atomic_without_a_row_is_found(self):
        self.assertEqual(len(self.findings("std::atomic<int> count_{0};", "`other_`")), 1)

    def test_an_atomic_with_a_row_is_not(self):
        self.assertEqual(self.findings("std::atomic<std::vector<int>*> list_{nullptr};", "| `Shard::list_` |"), [])

    def test_the_members_of_counters_share_a_row(self):
        code = "struct Counters {\n  std::atomic<int> lost{0};\n};\nstd::atomic<bool> asleep_{false};"
        self.assertEqual(self.findings(code, "`asleep_`"), [])

    def test_an_array_of_atomics_is_one(self):
        self.assertEqual(len(self.findings("std::array<std::atomic<int*>, 4> slots_{};", "")), 1)

    def test_a_comment_is_not_a_declaration(self):
        self.assertIn("pattern", self.findings("// std::atomic<int> count_;", "")[0])


if __name__ == "__main__":
    unittest.main()
