"""A bug that is put back counts as caught only when its test ran, failed and said why; patches must not rot."""
import pathlib
import tempfile
import unittest

import mutants

HEADER = """Bug: two is three
Preset: release
Target: some_test
Test: some_test
Filter: Numbers.*
Expect: TwoIsTwo
Expect: it is three

"""
DIFF = """--- a/number.txt
+++ b/number.txt
@@ -1,3 +1,3 @@
 one
-two
+three
 four
"""


class MutantsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name) / 'tree'
        self.root.mkdir()
        self.source = self.root / 'number.txt'
        self.source.write_text('one\ntwo\nfour\n')

    def mutant(self, text):
        path = self.root.parent / '07-number.patch'
        path.write_text(text)
        return mutants.Mutant(path)

    def test_a_whole_patch_that_applies_has_no_problems(self):
        mutant = self.mutant(HEADER + DIFF)
        self.assertEqual(mutant.problems(self.root), [])
        self.assertEqual(mutant.number, '07')
        self.assertEqual(mutant.fields['Expect'], ['TwoIsTwo', 'it is three'])

    def test_a_bug_in_lua_files_alone_is_not_built(self):
        self.assertTrue(self.mutant(HEADER + DIFF).is_built)
        lua = DIFF.replace('number.txt', 'lualib/number.lua')
        self.assertFalse(self.mutant(HEADER + lua).is_built)
        self.assertTrue(self.mutant(HEADER + lua + DIFF).is_built)

    def test_a_patch_for_code_that_has_changed_is_a_problem(self):
        self.source.write_text('one\n2\nfour\n')
        self.assertIn('does not apply', ''.join(self.mutant(HEADER + DIFF).problems(self.root)))

    def test_a_patch_without_words_to_expect_is_a_problem(self):
        text = HEADER.replace('Expect', 'Hope') + DIFF
        self.assertIn('no line "Expect: ..."', ''.join(self.mutant(text).problems(self.root)))

    def test_what_was_applied_is_taken_back_whole(self):
        mutant = self.mutant(HEADER + DIFF)
        self.assertEqual(mutants.apply(mutant.path, self.root).returncode, 0)
        self.assertEqual(self.source.read_text(), 'one\nthree\nfour\n')
        mutants.apply(mutant.path, self.root, '--reverse')
        self.assertEqual(self.source.read_text(), 'one\ntwo\nfour\n')

    def test_a_failure_that_says_all_the_words_is_caught(self):
        self.assertEqual(mutants.judge(8, 'TwoIsTwo: it is three', ['TwoIsTwo', 'it is three']), 'caught')

    def test_a_failure_for_another_reason_is_not_caught(self):
        self.assertIn('it is three', mutants.judge(8, 'TwoIsTwo: out of memory', ['TwoIsTwo', 'it is three']))

    def test_a_test_that_passes_lets_the_bug_survive(self):
        self.assertEqual(mutants.judge(0, 'TwoIsTwo passed: it is three', ['it is three']), 'SURVIVED')

    def test_a_filter_that_matches_no_test_catches_nothing(self):
        self.assertEqual(mutants.judge(0, 'Running 0 tests from 0 test suites.', ['it']), 'runs no test')
        self.assertEqual(mutants.judge(8, 'No tests were found!!!', ['No']), 'runs no test')

    def test_a_hang_is_not_a_message(self):
        self.assertNotEqual(mutants.judge(8, 'it is three ***Timeout', ['it is three']), 'caught')


if __name__ == '__main__':
    unittest.main()
