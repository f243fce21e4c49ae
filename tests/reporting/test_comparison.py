"""Guards: intervals of two methods are those of their formulas, and p values agree with them."""

import numpy as np
import pytest
from common import for_all
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from srlab.reporting.statistics import Comparison, compare

SCORES = arrays(np.float64, (3, 4), elements=st.floats(-50, 50, width=16))


def figures(found):
    """What is said of new seeds and new images."""
    return found.difference, found.low, found.high, found.p, found.seeds, found.images


def test_a_small_example_by_hand():
    found = compare(np.array([[1.0, 3.0], [3.0, 5.0]]), np.zeros((2, 2)))
    # Mean 3; MS_A = MS_B = 4, MS_E = 0; t of 1 degree of freedom at 97.5% is 12.7062.
    assert (found.difference, found.seeds, found.images) == (3, 2, 2)
    half = 12.7062 * np.sqrt((4 + 4) / 4)
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half), abs=1e-3)
    # With one df both t are equal, and t has the distribution of Cauchy.
    assert found.p == pytest.approx(1 - 2 / np.pi * np.arctan(3 / np.sqrt(2)))


@given(SCORES, SCORES)
def test_the_p_value_agrees_with_the_interval(a, b):
    p = compare(a, b).p
    if 1e-9 < p < 1 - 1e-9:
        edge = compare(a, b, 1 - p)
        nearest = min(abs(edge.low), abs(edge.high))
        assert nearest == pytest.approx(0, abs=1e-5 * (edge.high - edge.low))


@given(SCORES, SCORES, st.integers(-50, 50))
def test_a_constant_added_to_both_changes_nothing_and_swapping_negates(a, b, constant):
    found, moved, swapped = compare(a, b), compare(a + constant, b + constant), compare(b, a)
    values = (found.difference, found.low, found.high)
    assert (moved.difference, moved.low, moved.high) == pytest.approx(values, abs=1e-9)
    negated = (-swapped.difference, -swapped.high, -swapped.low)
    assert negated == pytest.approx(values, abs=1e-9)
    assert swapped.p == pytest.approx(found.p)


def test_equal_scores_do_not_differ():
    scores = np.random.default_rng(3).normal(30, 3, (3, 5))
    assert figures(compare(scores, scores)) == (0, 0, 0, 1, 3, 5)


def test_a_difference_that_never_varies_is_certain():
    found = compare(np.full((2, 3), 30.5), np.full((2, 3), 30))
    assert figures(found) == (0.5, 0.5, 0.5, 0, 2, 3)


def test_means_that_agree_by_chance_are_no_certainty():
    found = compare(np.array([[2.0, 0.0], [0.0, 2.0]]), np.zeros((2, 2)))
    assert found.low < 0 < found.high
    assert found.p > 0.05


def test_a_single_seed_or_image_is_no_evidence():
    for shape in ((1, 5), (5, 1), (1, 1)):
        found = compare(np.full(shape, 2), np.ones(shape))
        assert found == Comparison(1, None, None, None, *shape)


def test_scores_that_cannot_be_compared_are_refused():
    def check(a, b, reason):
        with pytest.raises(ValueError, match=reason):
            compare(a, b)

    cases = [
        (np.ones((2, 3)), np.ones((1, 3)), "shape"),
        (np.ones(3), np.ones(3), "shape"),
        (np.ones((0, 3)), np.ones((0, 3)), "shape"),
        (np.full((2, 3), np.inf), np.full((2, 3), np.inf), "finite"),
    ]
    for_all(cases, check)


def test_for_these_images_the_seeds_alone_count():
    found = compare(np.array([[1.0, 3.0], [3.0, 5.0]]), np.zeros((2, 2)))
    # The means of the seeds are 2 and 4: a t test of one sample with 1 degree of freedom.
    half = 12.7062
    assert (found.these_low, found.these_high) == pytest.approx((3 - half, 3 + half), abs=1e-3)
    assert found.these_p == pytest.approx(1 - 2 / np.pi * np.arctan(3))


@given(SCORES, SCORES, st.floats(0.01, 100))
def test_equal_within_a_margin_is_that_the_interval_lies_within(a, b, margin):
    found = compare(a, b)
    p = found.p_within(margin)
    for level in (0.5, 0.05):
        end = abs(found.difference) + found.half_width(level)
        if abs(end - margin) > 1e-6 * max(end, margin):
            assert (p <= level) == (end < margin)
