"""The tour check finds a file or a function that is gone, and takes every way to define one."""
import pathlib
import tempfile
import unittest

import check_tour

SOURCE = """
namespace skyloom::net {
// void Shard::in_comment() {}
const char* text = "void Shard::in_string() {}";
Shard::Shard(Poller& poller) : poller_(poller), limit_(max(1, 2)) {}
size_t Shard::turn(std::span<Event> into,
                   std::optional<Nanos> (*timeout)(int)) const noexcept {
  helper(into);
  if (called_in_condition(into)) {
  }
  return ready ? called_in_ternary(into) : 0;
}
auto Shard::trailing() -> int { return 1; }
Result<int> free_function(int a) SKYLOOM_REQUIRES(mutex_) { return a; }
void Shard::declared();
template <class T>
class Table {
 public:
  T* find(uint32_t id) const noexcept {
    return nullptr;
  }
  void only_declared(int x);
};
}
"""


class CheckTourTest(unittest.TestCase):
    def assert_defined(self, *names):
        for name in names:
            self.assertTrue(check_tour.is_defined(SOURCE, name), name)

    def assert_not_defined(self, *names):
        for name in names:
            self.assertFalse(check_tour.is_defined(SOURCE, name), name)

    def test_definitions_are_found_in_every_form(self):
        self.assert_defined("Shard::turn", "Shard::Shard", "Shard::trailing", "free_function", "Table::find",
                            "net::Shard::turn", "net::free_function")

    def test_calls_declarations_comments_and_strings_define_nothing(self):
        self.assert_not_defined("helper", "called_in_condition", "called_in_ternary", "Shard::declared",
                                "Table::only_declared", "Shard::in_comment", "Shard::in_string")

    def test_a_part_of_a_name_is_not_the_name(self):
        self.assert_not_defined("Shard::tur", "hard::turn", "function", "Other::turn", "Other::find", "turn")

    def findings(self, tour):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "src/net").mkdir(parents=True)
            (root / "src/net/shard.cpp").write_text(SOURCE)
            if tour is not None:
                (root / "ARCHITECTURE.md").write_text(tour)
            return check_tour.check(root)

    def test_a_true_tour_has_no_findings(self):
        self.assertEqual(self.findings("1. `net/shard.cpp Shard::turn` reads.\n2. `net/shard.cpp free_function()`"), [])

    def test_a_file_that_is_gone_is_found_with_its_line(self):
        self.assertEqual(self.findings("\n`net/gone.cpp Shard::turn`"),
                         ["ARCHITECTURE.md:2: there is no file net/gone.cpp"])

    def test_a_function_that_is_gone_is_found(self):
        self.assertEqual(self.findings("`net/shard.cpp Shard::spin`"),
                         ["ARCHITECTURE.md:1: net/shard.cpp does not define Shard::spin"])

    def test_a_tour_without_steps_is_a_finding(self):
        self.assertEqual(len(self.findings("nothing")), 1)
        self.assertEqual(self.findings(None), ["ARCHITECTURE.md is missing"])


if __name__ == "__main__":
    unittest.main()
