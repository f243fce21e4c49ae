"""Methods ranked: which are told apart, which are equal within a margin, and what the best is.

Intervals and p values are by Student's t, not by a percentile bootstrap as in Agarwal et al.,
"Deep Reinforcement Learning at the Edge of the Statistical Precipice" (rliable), NeurIPS 2021: over
3 seeds that reaches at most from the least to the greatest of them, which at a nominal 95% covers
75%. The letters stand for the critical difference diagrams of Demsar, "Statistical Comparisons of
Classifiers over Multiple Data Sets", JMLR 2006, whose ranks leave the seeds out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from srlab.reporting.statistics.comparison import (
    Comparison,
    compare,
    compare_all,
    compare_networks,
    without_evidence,
)
from srlab.reporting.statistics.family import Family, Pair, family_of
from srlab.reporting.statistics.multiplicity import groups

Rows = Mapping[str, Mapping[int, np.ndarray]]


@dataclass(frozen=True)
class Place:
    """A method in a ranking: two methods share a letter if and only if they are not told apart.

    ``letters`` has spaces between them where the ranking has more than 26. ``against_best`` is this
    method minus the best; None for the best.
    """

    name: str
    mean: float
    letters: str
    against_best: Comparison | None


@dataclass(frozen=True)
class Ranking:
    """Methods, best first.

    Args:
        places: The methods.
        comparisons: By (name, name), in both orders.
        pairs: All pairs, as one family.
        best: What may be the best, best first. It holds the best with a chance of at least
            ``level``, and each of the best where several tie. Nothing in it is told apart from the
            first place. That another is left out says that it is not the best; which one is better
            than it, only ``pairs`` can say.
        margin: What counts as equal, or None.
    """

    places: list[Place]
    comparisons: dict[Pair, Comparison]
    pairs: Family
    best: list[str]
    margin: float | None

    @property
    def adjusted(self) -> dict[Pair, float | None]:
        """The p of a difference, by Holm over all pairs, by (name, name) in both orders."""
        return self.pairs.different

    @property
    def names(self) -> list[str]:
        """The methods, best first."""
        return [place.name for place in self.places]


def not_told_from_best(ranking: Ranking) -> list[str]:
    """Return the best method and those that cannot be told from it, best first."""
    best, *others = ranking.names
    return [best, *(name for name in others if not ranking.pairs.told_apart(name, best))]


def rank(
    scores: Mapping[str, np.ndarray],
    seeds: Mapping[str, Sequence[int]],
    higher_is_better: bool = True,
    level: float = 0.95,
    margin: float | None = None,
) -> Ranking:
    """Return methods by their mean over their own seeds and images, and which are told apart.

    Methods are compared over the seeds that all have, their variances moderated towards what they
    have in common; where that are fewer than two, pair by pair over the seeds that both have. With
    fewer than two of those, or one image, a pair has no interval and cannot be told apart. The
    others are if their p, for new seeds and new images and by Holm over all pairs, is at most
    ``1 - level``: the chance to tell any equal methods apart.

    The best are those that no other beats at ``1 - level`` by Bonferroni over M - 1 comparisons
    (Hsu's multiple comparisons with the best, Ann. Statist. 9, 1981, but by two-sided p, so that of
    two methods one is left out if and only if they are told apart), less those told apart from the
    first place: Holm's last steps ask for less than Bonferroni. One-sided, each of the two errs in
    half of ``1 - level`` or less.

    Args:
        scores: For each method ``(S, n)``: its S seeds, the n images of all.
        seeds: For each method the seeds of its rows.
        higher_is_better: Whether the best has the highest mean. Methods of equal means stay in the
            order of ``scores``.
        level: The confidence level.
        margin: How far methods may differ that count as equal; None: none do.

    Raises:
        ValueError: Scores do not fit the seeds or the images of the others, or are not finite.
    """
    rows: dict[str, dict[int, np.ndarray]] = {}
    for name, score in scores.items():
        rows[name] = dict(zip(seeds[name], np.asarray(score, np.float64), strict=True))
        if not len(score) or len(rows[name]) < len(score):
            raise ValueError(f"{name} needs seeds, each of them once: {list(seeds[name])}")
    means = {name: float(np.mean(list(by_seed.values()))) for name, by_seed in rows.items()}
    names = sorted(means, key=lambda name: -means[name] if higher_is_better else means[name])
    comparisons = _compared({name: rows[name] for name in names}, level)
    return _ranked({name: means[name] for name in names}, comparisons, level, margin)


def rank_networks(
    scores: Mapping[str, np.ndarray],
    higher_is_better: bool = True,
    level: float = 0.95,
    margin: float | None = None,
) -> Ranking:
    """Return networks by their mean, as they are: see ``rank``, but only the images vary.

    Args:
        scores: For each network ``(n,)``: the n images of all.
        higher_is_better: Whether the best has the highest mean.
        level: The confidence level.
        margin: How far networks may differ that count as equal; None: none do.

    Raises:
        ValueError: The networks have scores of different numbers of images, or not finite ones.
    """
    means = {name: float(np.mean(score)) for name, score in scores.items()}
    names = sorted(means, key=lambda name: -means[name] if higher_is_better else means[name])
    found = compare_networks(np.stack([scores[name] for name in names]), level)
    comparisons = _both_ways(list(combinations(names, 2)), found)
    return _ranked({name: means[name] for name in names}, comparisons, level, margin)


def _ranked(
    means: dict[str, float],
    comparisons: dict[Pair, Comparison],
    level: float,
    margin: float | None,
) -> Ranking:
    """Return the ranking of methods by their means, best first."""
    names = list(means)
    family = family_of(comparisons, list(combinations(names, 2)), margin, level)
    number = {name: index for index, name in enumerate(names)}
    different = [(number[x], number[y]) for x, y in comparisons if family.told_apart(x, y)]
    places = [
        Place(name, means[name], letters, comparisons.get((name, names[0])))
        for name, letters in zip(names, groups(len(names), different), strict=True)
    ]
    best = [
        name for name in _beaten_by_none(names, comparisons, level)
        if not family.told_apart(name, names[0])
    ]  # fmt: skip
    return Ranking(places, comparisons, family, best, margin)


def _compared(rows: Rows, level: float) -> dict[Pair, Comparison]:
    """Return the comparisons of all pairs, in both orders."""
    pairs = list(combinations(rows, 2))
    shared = [s for s in next(iter(rows.values()), {}) if all(s in of for of in rows.values())]
    if len(shared) > 1 and len(rows) > 1:
        scores = np.stack([np.stack([of[seed] for seed in shared]) for of in rows.values()])
        found = compare_all(scores, level)
    else:
        found = [_compared_alone(rows[x], rows[y], level) for x, y in pairs]
    return _both_ways(pairs, found)


def _both_ways(pairs: Sequence[Pair], found: Sequence[Comparison]) -> dict[Pair, Comparison]:
    known = dict(zip(pairs, found, strict=True))
    return known | {(y, x): c.swapped() for (x, y), c in known.items()}


def _compared_alone(
    one: Mapping[int, np.ndarray], other: Mapping[int, np.ndarray], level: float
) -> Comparison:
    common = [seed for seed in one if seed in other]
    if common:
        a, b = (np.stack([of[seed] for seed in common]) for of in (one, other))
        return compare(a, b, level)
    a, b = (np.stack(list(of.values())) for of in (one, other))
    return without_evidence(float(a.mean() - b.mean()), 0, a.shape[1])


def _beaten_by_none(
    names: list[str], comparisons: Mapping[Pair, Comparison], level: float
) -> list[str]:
    """Return those of names, best first, that none before them beats by Bonferroni over M - 1."""
    least = (1 - level) / max(1, len(names) - 1)
    kept = []
    for place, name in enumerate(names):
        p = (comparisons[name, better].p for better in names[:place])
        if all(value is None or value > least for value in p):
            kept.append(name)
    return kept
