"""Two methods compared: how far one lies above the other, and how sure that is."""

from dataclasses import dataclass, replace

import numpy as np

from srlab.reporting.statistics.variances import Spreads, spreads


@dataclass(frozen=True)
class Spread:
    """What a difference varies by, and with how many degrees of freedom over seeds.

    ``of_seeds``, ``df``, ``of_images`` and ``rest`` are those of ``variances.Spreads``.
    """

    of_seeds: float
    df: float
    of_images: float
    rest: float


@dataclass(frozen=True)
class Comparison:
    """The difference of two methods; all but it is None without two seeds and two images.

    Args:
        difference: The first method less the second.
        low: Where the interval for new seeds and new images of the same kind begins.
        high: Where it ends.
        p: The chance of so large a difference between equal methods, of new seeds and images.
        seeds: The number of seeds.
        images: The number of images.
        these_low: Where the interval for new seeds on these images begins.
        these_high: Where it ends.
        these_p: The chance of so large a difference between methods that are equal on these images.
        spread: What the difference varies by.
    """

    difference: float
    low: float | None
    high: float | None
    p: float | None
    seeds: int
    images: int
    these_low: float | None = None
    these_high: float | None = None
    these_p: float | None = None
    spread: Spread | None = None

    def half_width(self, p: float) -> float | None:
        """Return half the width of the interval at level 1 - p, for new seeds and images."""
        found = self._spreads()
        return None if found is None else float(found.half_width(p)[0])

    def p_within(self, margin: float) -> float | None:
        """Return the p at which the interval, at level 1 - p, just lies within plus and minus.

        That p is at most 0.05 is the test of equivalence by two one-sided tests (Schuirmann, J.
        Pharmacokinet. Biopharm. 15, 1987), each of them at 2.5 %: half of what is usual, so that
        one interval tells of a difference and of equality.
        """
        found = self._spreads()
        if found is None:
            return None
        left = margin - abs(self.difference)
        return float(found.p_at(np.array([left]))[0]) if left > 0 else 1.0

    def swapped(self) -> "Comparison":
        """Return the second method less the first."""
        ends = {
            "low": self.high, "high": self.low,
            "these_low": self.these_high, "these_high": self.these_low,
        }  # fmt: skip
        negated = {name: None if end is None else -end for name, end in ends.items()}
        return replace(self, difference=-self.difference, **negated)  # type: ignore[arg-type]

    def _spreads(self) -> Spreads | None:
        if self.spread is None:
            return None
        found = self.spread
        values = (self.difference, found.of_seeds, found.df, found.of_images, found.rest)
        difference, of_seeds, df, of_images, rest = (np.array([value]) for value in values)
        return Spreads(difference, of_seeds, df, of_images, rest, self.seeds, self.images)


def compare(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> Comparison:
    """Return how far method a lies above b, by their own variances alone.

    Args:
        a: Scores, ``(S, n)``: S seeds, n images.
        b: Scores of the other method with the same seeds on the same images, ``(S, n)``.
        level: The confidence level.

    Raises:
        ValueError: The shapes differ or are empty, or a score is not finite.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or a.ndim != 2 or not a.size:
        raise ValueError(f"scores need one shape (seeds, images), not {a.shape} and {b.shape}")
    return compare_all(np.stack([a, b]), level)[0]


def compare_all(scores: np.ndarray, level: float = 0.95) -> list[Comparison]:
    """Return how all pairs of methods compare, in the order of ``itertools.combinations``.

    Args:
        scores: ``(M, S, n)``: M methods, the same S seeds, the same n images.
        level: The confidence level of each interval.

    Raises:
        ValueError: A score is not finite.
    """
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    methods, seeds, images = scores.shape
    if seeds < 2 or images < 2:
        means = scores.mean((1, 2))
        pairs = zip(*np.triu_indices(methods, 1), strict=True)
        return [without_evidence(float(means[i] - means[j]), seeds, images) for i, j in pairs]
    return _comparisons(spreads(scores), level)


def compare_networks(scores: np.ndarray, level: float = 0.95) -> list[Comparison]:
    """Return how all pairs of networks compare as they are, in the order of ``combinations``.

    Only the images vary: intervals are Student's, paired by image, for new images of the kind and
    these very networks. Of other trainings they say nothing.

    Args:
        scores: ``(M, n)``: M networks, the same n images.
        level: The confidence level of each interval.

    Raises:
        ValueError: A score is not finite.
    """
    if not np.isfinite(scores).all():
        raise ValueError("a score is not finite")
    one, other = np.triu_indices(len(scores), 1)
    apart = scores[one] - scores[other]
    pairs, images = apart.shape
    if images < 2:
        return [without_evidence(float(d), 1, images) for d in apart.mean(-1)]
    none = np.zeros(pairs)
    found = Spreads(apart.mean(-1), none, none + 1, apart.var(-1, ddof=1), none, 1, images)
    return _comparisons(found, level)


def _comparisons(found: Spreads, level: float) -> list[Comparison]:
    difference = found.difference
    half, here = (found.half_width(1 - level, new) for new in (True, False))
    p, p_here = (found.p_at(np.abs(difference), new) for new in (True, False))
    return [
        Comparison(
            float(difference[k]), float(difference[k] - half[k]), float(difference[k] + half[k]),
            float(p[k]), found.seeds, found.images, float(difference[k] - here[k]),
            float(difference[k] + here[k]), float(p_here[k]),
            Spread(float(found.of_seeds[k]), float(found.df[k]), float(found.of_images[k]),
                   float(found.rest[k])),
        )
        for k in range(len(difference))
    ]  # fmt: skip


def without_evidence(difference: float, seeds: int, images: int) -> Comparison:
    """Return the comparison of methods that have no two seeds, or no two images, in common."""
    return Comparison(difference, None, None, None, seeds, images)
