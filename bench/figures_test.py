#!/usr/bin/env python3
"""Tests of what is computed from samples, and of how it is shown."""
import pathlib
import sys
import unittest
import xml.dom.minidom

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import charts  # noqa: E402
import figures  # noqa: E402
import table  # noqa: E402
from rows import ROWS  # noqa: E402


def samples(*costs):
    return [dict(cost=cost) for cost in costs]


def result(target=None, absolute=None, **sides):
    return figures.summarize(dict(name="row", title="a row", kind="load", net_threads=0, target=target, absolute=absolute,
                                  missing=[], samples=sides))


class FiguresTest(unittest.TestCase):
    def test_a_ratio_compares_what_was_measured_in_the_same_round(self):
        disturbed = result(target=1.5, ours=samples(1, 10, 1), floor=samples(1, 10, 1))
        self.assertEqual(disturbed["ratios"]["floor"], [1, 1, 1])

    def test_the_median_of_the_rounds_is_shown_with_the_least_and_the_largest(self):
        found = result(target=9, ours=samples(2, 3, 8, 4, 5), floor=samples(1, 1, 1, 1, 1))
        self.assertEqual(found["costs"], dict(ours=4, floor=1))
        self.assertEqual(found["ratios"]["floor"], [4, 2, 8])
        self.assertEqual(table.spread_text(found["ratios"]["floor"]), "4.00 (2.00..8.00)")

    def test_what_is_above_its_target_is_over(self):
        self.assertEqual(result(target=1.15, ours=samples(1.16), floor=samples(1))["verdict"], "OVER")
        self.assertEqual(result(target=1.15, ours=samples(1.15), floor=samples(1))["verdict"], "ok")

    def test_an_absolute_target_bounds_our_cost_whatever_the_floor_costs(self):
        self.assertEqual(result(absolute=512, ours=samples(513), floor=samples(600))["verdict"], "OVER")
        self.assertEqual(result(absolute=512, ours=samples(512), floor=samples(1))["verdict"], "ok")

    def test_a_peer_that_is_cheaper_is_named_and_a_second_floor_is_not(self):
        found = result(target=2, ours=samples(1.1), floor=samples(1), io_uring=samples(0.5), libuv=samples(1),
                       asio=samples(1.2))
        self.assertEqual(found["verdict"], "slower than libuv")

    def test_over_the_target_counts_more_than_slower_than_a_peer(self):
        self.assertEqual(result(target=1, ours=samples(2), floor=samples(1), libuv=samples(1))["verdict"], "OVER")

    def test_a_row_that_failed_says_so_even_with_samples_of_some_rounds(self):
        broken = dict(name="row", title="a row", kind="load", net_threads=0, target=2, absolute=None, failure="no",
                      missing=[], samples=dict(ours=samples(1), floor=[]))
        self.assertEqual(figures.summarize(broken)["verdict"], "FAILED")
        self.assertIn("FAILED", table.cells(broken))

    def test_a_floor_that_costs_nothing_gives_no_ratio(self):
        self.assertEqual(result(target=None, ours=samples(1), floor=samples(0))["ratios"], {})

    def test_floors_alone_have_no_verdict(self):
        self.assertEqual(result(target=1.1, floor=samples(1))["verdict"], "-")

    def test_every_row_has_a_name_of_its_own_and_a_target_or_says_that_it_has_none(self):
        names = [row["name"] for row in ROWS]
        self.assertEqual(len(names), len(set(names)))
        for row in ROWS:
            self.assertTrue("target" in row or "absolute" in row, row["name"])

    def test_the_cells_of_a_row_fit_the_headings(self):
        found = result(target=2, ours=samples(1), floor=samples(1))
        self.assertEqual(len(table.cells(found)), len(table.HEADINGS))


class ChartsTest(unittest.TestCase):
    def bar(self, **changed):
        return dict(dict(label="a <b>", value=1.2, least=1.1, largest=1.3, target=1.15, marks=dict(libuv=1)), **changed)

    def test_ticks_cover_the_whole_axis_in_round_steps(self):
        self.assertEqual(charts.ticks(10), [0, 2, 4, 6, 8, 10])
        for top in (0.03, 1.2, 7, 44, 99, 12345):
            found = charts.ticks(top)
            self.assertGreaterEqual(found[-1], top * (1 - 1e-9))
            self.assertLess(found[-2], top)

    def test_bars_are_well_formed_and_say_in_words_what_is_over(self):
        image = charts.bars("title", [self.bar(), self.bar(value=1.1)])
        xml.dom.minidom.parseString(image)
        self.assertEqual(image.count('class="over"'), 1)
        self.assertIn("1.20 over", image)
        self.assertIn("a &lt;b&gt;", image)

    def test_a_bar_is_as_long_as_the_factor_above_the_floor(self):
        image = charts.bars("title", [self.bar(value=value, least=value, largest=value) for value in (1, 2, 4)])
        none, short, tall = [float(rect.getAttribute("width")) for rect in
                             xml.dom.minidom.parseString(image).getElementsByTagName("rect")]
        self.assertEqual(none, 0)
        self.assertAlmostEqual(tall / short, 2, places=1)

    def test_what_is_cheaper_than_the_floor_lies_on_its_other_side(self):
        drawn = xml.dom.minidom.parseString(charts.bars("title", [self.bar(value=0.8, least=0.8), self.bar()]))
        cheaper, dearer = drawn.getElementsByTagName("rect")
        end = float(cheaper.getAttribute("x")) + float(cheaper.getAttribute("width"))
        self.assertAlmostEqual(end, float(dearer.getAttribute("x")), places=0)

    def test_lines_leave_out_what_was_not_measured(self):
        image = charts.lines("title", ["ours", "floor"], [(1, [1, 2]), (10, [2, None]), (100, [3, 4])], "us", "connections")
        drawn = xml.dom.minidom.parseString(image)
        self.assertEqual([len(polyline.getAttribute("points").split()) for polyline in
                          drawn.getElementsByTagName("polyline")], [3, 2])

    def test_a_logarithmic_axis_has_a_place_for_what_is_a_million_times_as_much(self):
        drawn = xml.dom.minidom.parseString(charts.lines("t", ["a"], [(1, [40]), (10, [4e7]), (100, [4e4])], "us", "n",
                                                         "logarithmic"))
        most, middle, least = sorted(float(dot.getAttribute("cy")) for dot in drawn.getElementsByTagName("circle"))
        self.assertAlmostEqual(middle - most, least - middle, delta=0.2)

    def test_times_ten_is_the_same_distance_everywhere(self):
        drawn = xml.dom.minidom.parseString(charts.lines("t", ["a"], [(1, [1]), (10, [1]), (100, [1])], "us", "n"))
        places = [float(dot.getAttribute("cx")) for dot in drawn.getElementsByTagName("circle")]
        self.assertAlmostEqual(places[1] - places[0], places[2] - places[1], places=1)


if __name__ == "__main__":
    unittest.main()
