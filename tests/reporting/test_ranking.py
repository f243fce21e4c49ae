"""Guards: methods that differ get letters of their own, and what is claimed of them holds."""

from itertools import combinations

import numpy as np
import pytest
from common import for_all

from srlab.reporting.statistics import needs, not_told_from_best, rank, seeds_may_tell


def method(rng, images, seeds, mean=0.0, of_seeds=0.03):
    """Return made-up scores of a method on images of very different difficulty."""
    own = of_seeds * rng.normal(size=(seeds, 1)) + 0.05 * rng.normal(size=len(images))
    return images + mean + own + 0.02 * rng.normal(size=(seeds, len(images)))


def told_apart(ranking):
    letters = [set(place.letters) for place in ranking.places]
    return sum(not x & y for x, y in combinations(letters, 2))


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
        against = found.comparisons["a", "b"]
        assert (against.difference, against.low, against.p) == (10, None, None)
        assert (against.seeds, against.images) == (seeds, 3)
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


def alike(differences, seeds, images, spread, rng_seed=7):
    """Return scores of methods that differ by this much, and vary by ``spread``, in dB."""
    rng = np.random.default_rng(rng_seed)
    hard = rng.normal(28, 3, images)
    return {
        name: hard + difference + spread * rng.normal(size=(seeds, images))
        for name, difference in differences.items()
    }


def ranked(scores, **options):
    return rank(scores, {name: range(len(of)) for name, of in scores.items()}, **options)


def test_equal_within_a_margin_is_a_third_answer():
    scores = alike({"a": 0.3, "b": 0.0, "c": -0.001}, 5, 50, 0.01)
    found = ranked(scores, margin=0.05)
    assert found.pairs.equal("b", "c")
    assert not found.pairs.told_apart("c", "b")
    assert found.pairs.told_apart("a", "b")
    assert not found.pairs.equal("a", "b")
    assert found.pairs.undecided() == []
    without = ranked(scores)
    assert not without.pairs.equal("b", "c")
    assert [set(pair) for pair in without.pairs.undecided()] == [{"b", "c"}]


def test_a_small_difference_may_be_both_told_apart_and_equal():
    found = ranked(alike({"a": 0.01, "b": 0.0}, 5, 100, 0.005), margin=0.05)
    assert found.pairs.told_apart("a", "b")
    assert found.pairs.equal("a", "b")
    assert found.best == ["a"]


def test_what_may_be_best_is_corrected_for_comparisons_with_the_best_alone():
    fewer = 0
    for seed in range(10):
        names = {name: 0.01 * k for k, name in enumerate("abcdefgh")}
        found = ranked(alike(names, 3, 20, 0.03, seed))
        left = not_told_from_best(found)
        assert found.places[0].name in found.best
        assert set(found.best) <= set(left)
        fewer += len(found.best) < len(left)
    assert fewer > 3


def test_of_two_methods_one_may_be_best_if_and_only_if_they_are_told_apart():
    for difference in np.linspace(0, 0.1, 9):
        found = ranked(alike({"a": difference, "b": 0}, 3, 10, 0.05))
        assert (len(found.best) == 1) == found.pairs.told_apart("a", "b")


def test_what_is_needed_is_about_what_is_needed():
    rng = np.random.default_rng(9)

    def of(seeds):
        scores = {n: method(rng, np.zeros(200), seeds, 0.0 if n < "f" else -1) for n in "abcdefgh"}
        found = ranked(scores, margin=0.02)
        half = [found.comparisons[p].half_width(found.pairs.first_step) for p in found.comparisons]
        return needs(found, 0.03), max(half)

    needed, _ = of(8)
    assert 8 < needed.seeds < 40
    assert np.median([of(8 + needed.seeds)[1] for _ in range(5)]) == pytest.approx(0.03, rel=0.25)


def test_seeds_alone_never_tell_what_differs_by_image():
    rng = np.random.default_rng(8)
    of_images = 0.3 * rng.normal(size=(2, 10))
    scores = {n: 28 + of_images[k] + 0.01 * rng.normal(size=(3, 10)) for k, n in enumerate("ab")}
    needed = needs(ranked(scores, margin=0.05), 0.05)
    assert needed.seeds is None
    assert needed.images > 100


def test_nothing_is_needed_where_all_is_decided():
    assert needs(ranked(alike({"a": 1.0, "b": 0.0}, 3, 10, 0.01), margin=0.05), 0.05) is None


def test_more_seeds_are_vain_where_the_images_decide():
    def check(images, seeds, of_images, difference, expected):
        rng = np.random.default_rng(8)
        by_image = of_images * rng.normal(size=images)
        scores = {"a": 28 + difference + by_image - by_image.mean(), "b": np.full(images, 28.0)}
        scores = {n: of + 0.01 * rng.normal(size=(seeds, images)) for n, of in scores.items()}
        assert seeds_may_tell(ranked(scores).comparisons["a", "b"], 0.05, 0.05, 0.001) == expected

    for_all(
        [(10, 5, 0.3, 0.0, False), (10, 5, 0.3, 2.0, True), (10, 5, 0.01, 0.0, True),
         (1, 5, 0.3, 0.0, False), (10, 2, 0.3, 0.0, True), (10, 1, 0.3, 0.0, True)],
        check,
    )  # fmt: skip
