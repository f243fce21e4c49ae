"""Guards: a report names no best where there is none, and says what would decide the rest."""

import re
from types import SimpleNamespace

import numpy as np
from common import for_all

from srlab.commands.report.answer import answer
from srlab.reporting.statistics import rank


def said(means, seeds=5, images=50, of_images=0.01, baseline=None):
    """What a report says of methods with these means."""
    rng = np.random.default_rng(0)
    hard = rng.normal(28, 3, images)
    scores = {
        name: hard + mean - hard.mean() + of_images * rng.normal(size=images)
        + 0.004 * rng.normal(size=(seeds, images))
        for name, mean in means.items()
    }  # fmt: skip
    ranking = rank(scores, dict.fromkeys(means, range(seeds)), margin=0.05)
    return said_of(ranking, scores, baseline)


def said_of(ranking, scores, baseline=None):
    """What a report says of a ranking of scores."""
    choices = [SimpleNamespace(label=name, runs=[None] * len(of)) for name, of in scores.items()]
    images = next(iter(scores.values()))[0]
    results = SimpleNamespace(choices=choices, images=images, of_networks=False)
    costs = dict.fromkeys(scores, SimpleNamespace(seconds=0.01))
    return answer(results, ranking, costs, {name: [0.0] for name in scores}, baseline)


def test_no_name_is_put_forward_for_a_difference_that_rounds_to_zero():
    headline, *rest = said({"a": 30, "b": 30.0005, "c": 29})
    assert "a and b share the highest mean" in headline or "b and a share" in headline
    assert "c is worse, \N{MINUS SIGN}1.00 dB" in headline
    assert any(line.startswith("Equal within 0.05 dB: ") for line in rest)
    assert "All 3 comparisons are decided: told apart, or equal within 0.05 dB." in rest


def test_choices_that_are_all_equal_are_called_so():
    said_first = said({"a": 30, "b": 30.002}, of_images=0.05)[0]
    assert said_first.startswith("Both choices are equal within 0.05 dB: ")


def test_what_is_undecided_comes_with_what_would_tell():
    lines = said({"a": 30, "b": 30.05, "c": 25}, of_images=0.3, baseline="c")
    assert any("undecided. To tell 0.05 dB apart in all: " in line for line in lines)
    assert any("seeds alone never can" in line for line in lines)
    assert any(line.startswith("With 95 % confidence the best is one of: ") for line in lines)
    assert any(line.startswith("Against c: better: ") for line in lines)


def test_what_is_told_apart_from_the_first_may_not_be_the_best():
    by_the_last_step = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        means = {"a": 30.02, "b": 30.0, "c": 29.0}
        scores = {name: mean + 0.02 * rng.normal(size=(3, 10)) for name, mean in means.items()}
        ranking = rank(scores, dict.fromkeys(means, range(3)), margin=0.05)
        headline, *rest = said_of(ranking, scores)
        may_be = [line for line in rest if line.startswith("With 95 % confidence the best is")]
        if ranking.pairs.told_apart("a", "b"):
            assert headline.startswith("a is best, ")
            assert not may_be
            by_the_last_step += ranking.comparisons["a", "b"].p > 0.05 / 2
        else:
            assert may_be[0].endswith("one of: a and b.")
    assert by_the_last_step >= 3


def test_what_is_told_apart_is_not_called_undecided_though_it_rounds_to_zero():
    def check(margin, others):
        rng = np.random.default_rng(3)
        of = {"a": 30.0044, "b": 30.0} | others
        scores = {n: mean + 0.002 * rng.normal(size=(5, 50)) for n, mean in of.items()}
        if "c" in scores:
            by_image = rng.normal(size=50)
            scores["c"] += 0.2 * (by_image - by_image.mean())
        ranking = rank(scores, dict.fromkeys(of, range(5)), margin=margin)
        assert ranking.pairs.told_apart("a", "b")
        lines = said_of(ranking, scores)
        assert "a and b share the highest mean" in lines[0]
        assert "(what differs between them rounds to 0.00 dB)" in lines[0]
        assert "The data cannot tell" not in lines[0]
        assert not any("no evidence" in line for line in lines)
        assert any(line.startswith("Not told apart") for line in lines) == ("c" in others)
        assert ("but c (\N{MINUS SIGN}0.0" in lines[0]) == ("c" in others)
        assert ("cannot be told from a" in lines[0]) == ("c" in others)
        assert ("d is worse" in lines[0]) == ("d" in others)

    for_all([(m, o) for m in (0.05, None) for o in ({}, {"c": 29.98}, {"d": 29.9})], check)


def test_choices_are_not_all_called_alike_where_two_of_them_are_told_apart():
    rng = np.random.default_rng(3)
    by_image = rng.normal(size=50)
    of = {"a": 30.05 + 0.6 * (by_image - by_image.mean()), "b": 30.0, "c": 29.95}
    scores = {n: mean + 0.002 * rng.normal(size=(5, 50)) for n, mean in of.items()}
    ranking = rank(scores, dict.fromkeys(of, range(5)), margin=0.01)
    assert ranking.names == ["a", "b", "c"]
    assert not ranking.pairs.told_apart("a", "c")
    assert ranking.pairs.told_apart("b", "c")
    headline = said_of(ranking, scores)[0]
    assert re.fullmatch(
        r"a has the highest mean, [\d.]+ dB, but b \(.*\) and c \(.*\) cannot be told from it\.",
        headline,
    )


def test_choices_without_two_seeds_in_common_are_not_called_known():
    def check(of_images, said_of_others):
        rng = np.random.default_rng(0)
        by_image = of_images * rng.normal(size=(3, 10))
        scores = {n: 30 + by_image[k] + 0.001 * rng.normal(size=(2, 10))
                  for k, n in enumerate("abc")}  # fmt: skip
        ranking = rank(scores, {"a": [0, 1], "b": [0, 1], "c": [2, 3]}, margin=0.05)
        lines = said_of(ranking, scores)
        missing = [line for line in lines if line.startswith("No interval, as they have no two")]
        assert len(missing) == 1
        pairs = re.findall(r"(\w) with (\w)", missing[0])
        assert sorted(map(set, pairs), key=sorted) == [{"a", "c"}, {"b", "c"}]
        assert any(said_of_others in line for line in lines)
        assert not any("every difference is known" in line for line in lines)

    check(0.0, "2 of 3 comparisons are undecided.")
    check(0.5, "3 of 3 comparisons are undecided. To tell 0.05 dB apart in all others: ")


def test_a_single_seed_of_one_choice_takes_nothing_from_the_others():
    rng = np.random.default_rng(0)
    hard = rng.normal(28, 3, 50)

    def said_with(**seeds):
        means = {"a": 30.0, "b": 29.9, "c": 29.0}
        scores = {
            name: hard + means[name] + 0.004 * rng.normal(size=(count, 50))
            for name, count in seeds.items()
        }
        ranking = rank(scores, {name: range(n) for name, n in seeds.items()}, margin=0.05)
        return said_of(ranking, scores)

    headline, *rest = said_with(a=3, b=1, c=3)
    assert headline.startswith("a has the highest mean, ")
    assert "b (\N{MINUS SIGN}0.10) cannot be told from it; c is worse" in headline
    assert any("a with b" in line for line in rest if "no two seeds in common" in line)
    for seeds in ({"a": 1, "b": 3, "c": 3}, {"a": 3, "b": 1, "c": 1}):
        assert "with a single seed that is no evidence" in said_with(**seeds)[0]
