"""Which methods differ: comparisons over seeds and images, and rankings with letters.

Intervals and p values are by Student's t, not by a percentile bootstrap as in Agarwal et al.,
"Deep Reinforcement Learning at the Edge of the Statistical Precipice" (rliable), NeurIPS 2021: over
3 seeds that reaches at most from the least to the greatest of them, which at a nominal 95% covers
75%. The letters stand for the critical difference diagrams of Demsar, "Statistical Comparisons of
Classifiers over Multiple Data Sets", JMLR 2006, whose ranks leave the seeds out.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

_LEAST_P = 1e-300  # what lies beneath it is 0
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Comparison:
    """The difference of two methods; interval and p are None without two seeds and two images."""

    difference: float
    low: float | None
    high: float | None
    p: float | None
    seeds: int
    images: int


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
    """Methods, best first; comparisons and adjusted p by (name, name), in both orders."""

    places: list[Place]
    comparisons: dict[tuple[str, str], Comparison]
    adjusted: dict[tuple[str, str], float | None]


def compare(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> Comparison:
    """Return how far method a lies above b, for new seeds and new images of the same kind.

    The differences follow ``d[s, i] = mu + A[s] + B[i] + E[s, i]``, all random and normal: the
    two-way crossed layout without replication (Searle, Casella and McCulloch, Variance Components,
    1992). With its mean squares, S n times the variance of the grand mean is estimated by
    MS_A + MS_B - MS_E. Student's t with the degrees of freedom of Satterthwaite (1946) covers as
    little as 88% there at 2 seeds, where seeds that agree by chance also raise the degrees of
    freedom. Instead each mean square takes the t of its own: the interval is

        mean +- sqrt((t[S - 1]^2 MS_A + t[n - 1]^2 MS_B) / (S n))

    which covers at least the level whatever the variances (Banerjee, "Approximate Confidence
    Interval for Linear Functions of Means of k Populations when the Population Variances are not
    Equal", Sankhya 22, 1960), as the distribution function of chi-squared is concave at one degree
    of freedom. Simulated with 2, 3 and 5 seeds, 3, 5 and 19 images and deviations from 0 to 1 of
    each kind, it covers 95% to 99.97%, 97.5% on average; most where neither seeds nor images have
    an effect of their own.

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
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("a score is not finite")
    d = a - b
    seeds, images = d.shape
    mean = float(d.mean())
    if seeds < 2 or images < 2:
        return Comparison(mean, None, None, None, seeds, images)
    by_seed = d.mean(1, keepdims=True) - mean
    by_image = d.mean(0, keepdims=True) - mean
    df = np.array([seeds - 1, images - 1, (seeds - 1) * (images - 1)], np.float64)
    residual = d - mean - by_seed - by_image
    sums = np.array([images * (by_seed**2).sum(), seeds * (by_image**2).sum(), (residual**2).sum()])
    errors = np.sqrt(sums / df / d.size)

    def half_width(p: float) -> float:
        quantiles = np.where(errors > 0, -stdtrit(df, p / 2), 0.0)  # at tiny p they are infinite
        of_seeds, of_images, rest = quantiles * errors
        # Means of seeds and of images may agree by chance where the scores do not.
        return max(math.hypot(of_seeds, of_images), float(rest))

    half = half_width(1 - level)
    return Comparison(mean, mean - half, mean + half, _p(abs(mean), half_width), seeds, images)


def not_told_from_best(ranking: Ranking, level: float = 0.95) -> list[str]:
    """Return the best method and those that cannot be told from it, best first."""
    best = ranking.places[0].name
    pairs = {p.name: ranking.adjusted.get((p.name, best)) for p in ranking.places}
    return [name for name, p in pairs.items() if name == best or p is None or p > 1 - level]


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Return p values adjusted for their number (Holm, Scand. J. Statist. 6, 1979).

    None, a pair without evidence, stays None and counts for nothing.
    """
    adjusted: list[float | None] = [None] * len(p)
    known = sorted((value, index) for index, value in enumerate(p) if value is not None)
    least = 0.0
    for rank, (value, index) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * value))
        adjusted[index] = least
    return adjusted


def groups(count: int, different: Iterable[tuple[int, int]]) -> list[str]:
    """Return letters for each of ``count`` methods: a letter is shared by those not told apart.

    The compact letter display by insertion and absorption (Piepho, "An Algorithm for a Letter-Based
    Representation of All-Pairwise Comparisons", J. Comput. Graph. Statist. 13, 2004). Letters go by
    rank, so that method 0, the best, has 'a'. After 'z' comes 'aa'; then spaces part the letters.

    Args:
        count: The number of methods, which are numbered by rank.
        different: The pairs that are told apart, in either order.
    """
    columns = {frozenset(range(count))} if count else set()
    for i, j in different:
        if i == j:
            raise ValueError(f"method {i} cannot differ from itself")
        split = {c for c in columns if i in c and j in c}
        kept = columns - split
        halves = {c - {leave} for c in split for leave in (i, j)}
        columns = kept | {h for h in halves if not any(h < other for other in kept | halves)}
    names = [_letter(index) for index in range(len(columns))]
    between = "" if len(columns) <= len(_ALPHABET) else " "
    ordered = sorted(columns, key=sorted)
    return [
        between.join(name for name, c in zip(names, ordered, strict=True) if method in c)
        for method in range(count)
    ]


def rank(
    scores: Mapping[str, np.ndarray],
    seeds: Mapping[str, Sequence[int]],
    higher_is_better: bool = True,
    level: float = 0.95,
) -> Ranking:
    """Return methods by their mean over their own seeds and images, and which are told apart.

    Two methods are compared over the seeds that both have. With fewer than two of them, or one
    image, they have no interval and cannot be told apart. The others are if their p, by Holm over
    all pairs, is at most ``1 - level``: the chance to tell any equal methods apart. Few seeds find
    little among many methods: of six, the largest difference must be 17 times its standard error
    over 3 seeds, 6 times over 5.

    Args:
        scores: For each method ``(S, n)``: its S seeds, the n images of all.
        seeds: For each method the seeds of its rows.
        higher_is_better: Whether the best has the highest mean. Methods of equal means stay in the
            order of ``scores``.
        level: The confidence level.

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
    pairs = list(combinations(names, 2))
    comparisons = {}
    for one, other in pairs:
        common = [seed for seed in rows[one] if seed in rows[other]]
        if common:
            a, b = (np.stack([rows[name][seed] for seed in common]) for name in (one, other))
            found = compare(a, b, level)
        else:
            images = np.shape(scores[one])[1]
            found = Comparison(means[one] - means[other], None, None, None, 0, images)
        comparisons[one, other] = found
    adjusted = dict(zip(pairs, holm([comparisons[pair].p for pair in pairs]), strict=True))
    number = {name: index for index, name in enumerate(names)}
    different = [
        (number[one], number[other])
        for (one, other), p in adjusted.items()
        if p is not None and p <= 1 - level
    ]
    comparisons |= {(y, x): _swapped(found) for (x, y), found in comparisons.items()}
    adjusted |= {(y, x): p for (x, y), p in adjusted.items()}
    places = [
        Place(name, means[name], letters, comparisons.get((name, names[0])))
        for name, letters in zip(names, groups(len(names), different), strict=True)
    ]
    return Ranking(places, comparisons, adjusted)


def _p(distance: float, half_width: Callable[[float], float]) -> float:
    """Return the p at which the interval, which narrows as p grows, just reaches 0."""
    if distance == 0:
        return 1.0
    if half_width(_LEAST_P) <= distance:
        return 0.0
    low = math.log(_LEAST_P)
    return math.exp(brentq(lambda x: half_width(math.exp(x)) - distance, low, 0.0, xtol=1e-9))


def _swapped(c: Comparison) -> Comparison:
    low = None if c.high is None else -c.high
    high = None if c.low is None else -c.low
    return Comparison(-c.difference, low, high, c.p, c.seeds, c.images)


def _letter(index: int) -> str:
    letters = ""
    index += 1
    while index:
        index, last = divmod(index - 1, len(_ALPHABET))
        letters = _ALPHABET[last] + letters
    return letters
