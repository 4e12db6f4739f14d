#!/usr/bin/env python3
"""Tests of the arithmetic of counts.py."""
import contextlib
import io
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import counts  # noqa: E402


class CountsTest(unittest.TestCase):
    def judge(self, expected, measured, tools="gcc 12"):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            status = counts.judge(dict(toolchain="gcc 12", instructions=expected), measured, tools)
        return status, said.getvalue()

    def test_what_starting_costs_is_not_part_of_a_step(self):
        self.assertEqual(counts.per_step(few=1_000_000 + 100 * 70, many=1_000_000 + 200 * 70, steps=100), 70)

    def test_a_change_within_the_tolerance_passes(self):
        self.assertEqual(self.judge(dict(timer=100.0), dict(timer=103.0))[0], 0)
        self.assertEqual(self.judge(dict(timer=100.0), dict(timer=97.0))[0], 0)

    def test_a_loss_names_the_path_both_numbers_and_the_way_to_accept(self):
        status, said = self.judge(dict(timer=100.0, mailbox=50.0), dict(timer=103.5, mailbox=50.0))
        self.assertEqual(status, 1)
        self.assertRegex(said, r"timer +expected +100.0 +measured +103.5 +\+3.5% +DIFFERS")
        self.assertNotRegex(said, r"mailbox.*DIFFERS")
        self.assertIn("./dev counts --accept", said)

    def test_a_gain_that_nobody_wrote_down_fails(self):
        self.assertEqual(self.judge(dict(timer=100.0), dict(timer=90.0))[0], 1)

    def test_a_path_without_a_number_and_a_number_without_a_path_fail(self):
        self.assertEqual(self.judge({}, dict(timer=1.0))[0], 1)
        self.assertEqual(self.judge(dict(timer=1.0), {})[0], 1)

    def test_another_compiler_is_told_and_nothing_is_compared(self):
        status, said = self.judge(dict(timer=100.0), dict(timer=500.0), tools="gcc 13")
        self.assertEqual(status, counts.SKIPPED)
        self.assertIn("not compared: expected.json is of 'gcc 12', this is 'gcc 13'", said)
        self.assertIn("500.0", said)

    def test_a_shared_table_that_costs_more_than_three_tables_fails_with_any_compiler(self):
        measured = dict(table_index=10.0, shared_index=30.0)
        self.assertEqual(self.judge(measured, measured)[0], 0)
        measured["shared_index"] = 30.5
        status, said = self.judge(measured, measured, tools="gcc 13")
        self.assertEqual(status, 1)
        self.assertRegex(said, r"shared_index +3.05 times table_index, at most 3 +TOO MANY")

    def test_what_only_others_are_measured_by_may_change(self):
        status, said = self.judge(dict(table_index=10.0, timer=1.0), dict(table_index=8.0, timer=1.0))
        self.assertEqual(status, 0)
        self.assertRegex(said, r"table_index +expected +10.0 +measured +8.0 +-20.0%")

    def test_expected_json_knows_exactly_the_paths_that_are_walked(self):
        expected = counts.json.loads(counts.EXPECTED.read_text(encoding="ascii"))
        self.assertEqual(set(expected["instructions"]), set(counts.PATHS))


if __name__ == "__main__":
    unittest.main()
