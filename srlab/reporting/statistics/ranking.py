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
    without_evidence,
)
from srlab.reporting.statistics.multiplicity import groups, holm

Pair = tuple[str, str]
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
class Family:
    """Comparisons that are made together, with p by Holm over their number.

    ``different`` and ``within``, by (name, name) in both orders: p of a difference, and of one
    that reaches out of the margin; None without evidence. The chance of any claim of a difference
    between equal methods is at most ``1 - level``; so is that of any claim of equality between
    methods that differ by the margin or more.

    All pairs of a ranking are one family, also where fewer are looked at, as those with a baseline
    are: variances that are moderated keep the chance that low for all pairs at once, where the one
    method whose seeds scatter far is in few of them. Corrected for those with a baseline alone, 8%
    of sweeps of nine equal methods would err, if one of them scatters five to ten times as far; and
    variances that are safe there find no more than the correction for all pairs does.
    """

    different: dict[Pair, float | None]
    within: dict[Pair, float | None]
    level: float

    @property
    def first_step(self) -> float:
        """The p that the smallest of all must reach, by Holm: where intervals hold all at once."""
        return (1 - self.level) * 2 / max(2, len(self.different))

    def told_apart(self, one: str, other: str) -> bool:
        """Tell whether one is better than the other."""
        p = self.different.get((one, other))
        return p is not None and p <= 1 - self.level

    def equal(self, one: str, other: str) -> bool:
        """Tell whether they are equal within the margin; they may be told apart all the same."""
        p = self.within.get((one, other))
        return p is not None and p <= 1 - self.level

    def undecided(self) -> list[Pair]:
        """Return the pairs that are neither told apart nor equal, in one order each."""
        return [
            pair for pair in list(self.different)[: len(self.different) // 2]
            if not self.told_apart(*pair) and not self.equal(*pair)
        ]  # fmt: skip


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
    family = _family(comparisons, list(combinations(names, 2)), margin, level)
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
        found = dict(zip(pairs, compare_all(scores, level), strict=True))
    else:
        found = {(x, y): _compared_alone(rows[x], rows[y], level) for x, y in pairs}
    return found | {(y, x): c.swapped() for (x, y), c in found.items()}


def _compared_alone(
    one: Mapping[int, np.ndarray], other: Mapping[int, np.ndarray], level: float
) -> Comparison:
    common = [seed for seed in one if seed in other]
    if common:
        a, b = (np.stack([of[seed] for seed in common]) for of in (one, other))
        return compare(a, b, level)
    a, b = (np.stack(list(of.values())) for of in (one, other))
    return without_evidence(float(a.mean() - b.mean()), 0, a.shape[1])


def _family(
    comparisons: Mapping[Pair, Comparison],
    pairs: Sequence[Pair],
    margin: float | None,
    level: float,
) -> Family:
    found = [comparisons[pair] for pair in pairs]
    different = dict(zip(pairs, holm([c.p for c in found]), strict=True))
    inside = holm([None if margin is None else c.p_within(margin) for c in found])
    within = dict(zip(pairs, inside, strict=True))
    return Family(_both_ways(different), _both_ways(within), level)


def _both_ways(p: dict[Pair, float | None]) -> dict[Pair, float | None]:
    return p | {(other, one): value for (one, other), value in p.items()}


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
