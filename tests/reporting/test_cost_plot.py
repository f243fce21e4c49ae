"""Guards: a plot of costs joins what is told apart alone, and its axis magnifies no trifle."""

import re

import pytest

from srlab.reporting import sheet
from srlab.reporting.cost_plot import CostPoint, decided_front, draw_cost
from srlab.reporting.svg import axis_span


def at(label, cost, quality, half=None):
    ends = (None, None) if half is None else (quality - half, quality + half)
    return CostPoint(label, cost, quality, *ends)


POINTS = [at("dear", 40, 30.5), at("middle", 20, 30.2), at("twin", 10, 29.9), at("cheap", 10, 30.0)]


@pytest.mark.parametrize(
    ("alike", "front"),
    [
        (set(), ["cheap", "middle", "dear"]),
        ({"cheap middle"}, ["cheap", "dear"]),
        ({"middle dear"}, ["cheap", "middle"]),
        ({"cheap dear"}, ["cheap", "middle"]),
        ({"cheap middle", "cheap dear"}, ["cheap"]),
    ],
)
def test_each_two_on_the_front_are_told_apart(alike, front):
    def told_apart(one, other):
        return not {f"{one} {other}", f"{other} {one}"} & alike

    assert [POINTS[k].label for k in decided_front(POINTS, told_apart)] == front


def test_what_costs_more_and_is_worse_is_on_no_front():
    points = [at("good", 10, 30.0), at("worse", 20, 29.0), at("as good", 30, 30.0)]
    assert decided_front(points, lambda *_: True) == [0]


def test_the_axis_spans_what_it_must_and_all_intervals():
    low, high = axis_span([30.0, 30.0005], 0.2)
    assert high - low == pytest.approx(0.2)
    assert low < 30.0 < 30.0005 < high
    low, high = axis_span([30.0, 28.1, 32.1], 0.2)
    assert low < 28.1 < 32.1 < high


def test_a_front_of_one_is_drawn_as_none():
    pytest.importorskip("matplotlib")
    orange = re.compile(re.escape(sheet.ORANGE))
    assert not orange.search(draw_cost(POINTS, "cost", "PSNR, dB", [3], 0.2))
    assert orange.search(draw_cost(POINTS, "cost", "PSNR, dB", [3, 0], 0.2))
