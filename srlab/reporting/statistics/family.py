"""Comparisons that are made together: what is told apart, what is equal, with p by Holm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from srlab.reporting.statistics.comparison import Comparison
from srlab.reporting.statistics.multiplicity import holm

Pair = tuple[str, str]


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


def family_of(
    comparisons: Mapping[Pair, Comparison],
    pairs: Sequence[Pair],
    margin: float | None,
    level: float,
) -> Family:
    """Return comparisons of pairs as one family; those that differ by ``margin`` are not equal."""
    found = [comparisons[pair] for pair in pairs]
    different = dict(zip(pairs, holm([c.p for c in found]), strict=True))
    inside = holm([None if margin is None else c.p_within(margin) for c in found])
    within = dict(zip(pairs, inside, strict=True))
    return Family(_both_ways(different), _both_ways(within), level)


def _both_ways(p: dict[Pair, float | None]) -> dict[Pair, float | None]:
    return p | {(other, one): value for (one, other), value in p.items()}
