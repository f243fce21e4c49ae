"""Guards: intervals cover, p values hold, and methods that differ get letters of their own."""

from itertools import combinations, product

import numpy as np
import pytest
from common import for_all
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from srlab.reporting.statistics import Comparison, compare, groups, holm, not_told_from_best, rank

SCORES = arrays(np.float64, (3, 4), elements=st.floats(-50, 50, width=16))


def differences(rng, seeds, images, of_seeds, of_images, rest):
    """Return made-up differences with a mean of 0 and these deviations."""
    return (
        of_seeds * rng.normal(size=(seeds, 1))
        + of_images * rng.normal(size=images)
        + rest * rng.normal(size=(seeds, images))
    )


def method(rng, images, seeds, mean=0.0, of_seeds=0.03):
    """Return made-up scores of a method on images of very different difficulty."""
    own = differences(rng, seeds, len(images), of_seeds, 0.05, 0.02)
    return images + mean + own


def told_apart(ranking):
    letters = [set(place.letters) for place in ranking.places]
    return sum(not x & y for x, y in combinations(letters, 2))


def test_intervals_cover_for_new_seeds_and_new_images():
    def check(seeds, images, deviations):
        rng = np.random.default_rng(0)
        zero = np.zeros((seeds, images))
        times = 500
        found = [compare(differences(rng, *zero.shape, *deviations), zero) for _ in range(times)]
        covered = sum(c.low <= 0 <= c.high for c in found) / times
        assert covered >= 0.92  # 3 deviations beneath 95 %

    seldom = [(5, 3, (0.1, 0.1, 1)), (5, 19, (1, 0, 0)), (3, 3, (0, 1, 0))]
    kinds = [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (0.3, 1, 0.1)]
    for_all([*product((2,), (3, 19), kinds), *seldom], check)


def test_intervals_are_no_wider_than_they_must_be():
    for deviations in ((1, 0, 0), (0, 1, 0)):
        rng = np.random.default_rng(1)
        zero = np.zeros((3, 5))
        found = [compare(differences(rng, 3, 5, *deviations), zero) for _ in range(2000)]
        assert np.mean([c.low <= 0 <= c.high for c in found]) == pytest.approx(0.95, abs=0.02)


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
    assert compare(scores, scores) == Comparison(0, 0, 0, 1, 3, 5)


def test_a_difference_that_never_varies_is_certain():
    assert compare(np.full((2, 3), 30.5), np.full((2, 3), 30)) == Comparison(0.5, 0.5, 0.5, 0, 2, 3)


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


def test_holm_by_hand():
    assert holm([0.04, None, 0.01, 0.03, 0.02]) == pytest.approx([0.06, None, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1, 1]
    assert holm([None]) == [None]
    assert holm([]) == []


@st.composite
def relations(draw):
    count = draw(st.integers(1, 7))
    pairs = list(combinations(range(count), 2))
    return count, draw(st.sets(st.sampled_from(pairs))) if pairs else set()


@given(relations())
def test_methods_share_a_letter_if_and_only_if_they_are_not_told_apart(relation):
    count, different = relation
    letters = groups(count, different)
    assert "a" in letters[0]
    for i, j in combinations(range(count), 2):
        assert bool(set(letters[i]) & set(letters[j])) == ((i, j) not in different)
    used = {
        letter: {i for i in range(count) if letter in letters[i]} for letter in "".join(letters)
    }
    assert not any(x < y for x in used.values() for y in used.values())


def test_letters_go_by_rank():
    assert groups(4, {(0, 2), (3, 0), (1, 3)}) == ["a", "ab", "bc", "c"]
    assert groups(0, set()) == []


def test_letters_after_z():
    letters = groups(28, set(combinations(range(28), 2)) - {(26, 27), (25, 27)})
    assert letters[:25] == list("abcdefghijklmnopqrstuvwxy")
    assert letters[25:] == ["z", "aa", "z aa"]


def test_equal_methods_are_seldom_told_apart():
    rng = np.random.default_rng(4)
    wrong = 0
    for _ in range(150):
        images = rng.normal(28, 3, 19)
        scores = {name: method(rng, images, 3) for name in "abcdef"}
        wrong += told_apart(rank(scores, dict.fromkeys(scores, range(3)))) > 0
    assert wrong <= 0.05 * 150


def test_a_real_difference_is_found_nearly_always():
    def check(methods, seeds, of_seeds):
        rng = np.random.default_rng(5)
        found = 0
        for _ in range(60):
            images = rng.normal(28, 3, 19)
            scores = {str(m): method(rng, images, seeds, 0.0, of_seeds) for m in range(1, methods)}
            scores["best"] = method(rng, images, seeds, 0.2, of_seeds)
            places = rank(scores, dict.fromkeys(scores, range(seeds))).places
            assert places[0].name == "best"
            found += not any(set(places[0].letters) & set(p.letters) for p in places[1:])
        assert found >= 0.9 * 60

    for_all([(2, 3, 0.03), (6, 5, 0.02)], check)


def test_methods_are_paired_by_the_seeds_that_both_have():
    images = np.array([20.0, 30.0, 40.0])
    of_seeds = np.array([[0.0], [5.0], [-5.0], [9.0]])
    noise = 0.01 * np.random.default_rng(6).normal(size=(4, 3))
    scores = {"a": images + of_seeds, "b": (images + of_seeds + 1 + noise)[[3, 1, 0]]}
    found = rank(scores, {"a": [0, 1, 2, 3], "b": [3, 1, 0]})
    assert [place.name for place in found.places] == ["b", "a"]
    assert found.places[0].against_best is None
    against = found.places[1].against_best
    assert against == found.comparisons["a", "b"]
    assert (against.seeds, against.images) == (3, 3)
    assert against.difference == pytest.approx(-1, abs=0.02)
    assert -1.1 < against.low < against.high < -0.9
    back = found.comparisons["b", "a"]
    assert (back.low, back.high, back.p) == (-against.high, -against.low, against.p)
    assert [place.letters for place in found.places] == ["a", "b"]


def test_fewer_than_two_common_seeds_tell_nothing_apart():
    for other in ([0], [7], [7, 8]):
        scores = {"a": np.full((2, 3), 30.0), "b": np.full((len(other), 3), 20.0)}
        found = rank(scores, {"a": [0, 1], "b": other})
        seeds = len({0, 1} & set(other))
        assert found.comparisons["a", "b"] == Comparison(10, None, None, None, seeds, 3)
        assert found.adjusted["a", "b"] is None
        assert [place.letters for place in found.places] == ["a", "a"]


def test_the_order_is_by_mean_and_ties_keep_theirs():
    scores = {name: np.full((2, 2), mean) for name, mean in [("x", 1), ("y", 2), ("z", 1)]}
    seeds = {name: [0, 1] for name in scores}
    assert [p.name for p in rank(scores, seeds).places] == ["y", "x", "z"]
    assert [p.name for p in rank(scores, seeds, higher_is_better=False).places] == ["x", "z", "y"]
    assert [p.letters for p in rank(scores, seeds).places] == ["a", "b", "b"]
    assert rank({}, {}).places == []


def test_seeds_that_do_not_fit_the_scores_are_refused():
    for seeds in ([0], [0, 0], [0, 1, 2]):
        with pytest.raises(ValueError, match=r"zip|once"):
            rank({"a": np.ones((2, 3))}, {"a": seeds})


def test_those_not_told_from_the_best_are_found_among_many_letters():
    rng = np.random.default_rng(0)
    levels = {f"m{k:02}": -float(k) for k in range(40)}
    scores = {n: level + 0.01 * rng.standard_normal((5, 8)) for n, level in levels.items()}
    ranking = rank(scores, {name: range(5) for name in scores})
    assert len({place.letters for place in ranking.places}) > 26
    assert not_told_from_best(ranking) == ["m00"]
