"""How many more seeds, or images, would decide what is undecided."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from srlab.reporting.statistics.comparison import Comparison
from srlab.reporting.statistics.family import Pair
from srlab.reporting.statistics.ranking import Ranking
from srlab.reporting.statistics.variances import Spreads

_MOST_SEEDS = 1000
_MOST_IMAGES = 1_000_000


@dataclass(frozen=True)
class Needs:
    """What would tell apart all that differ by a width.

    Args:
        width: Half the width that the intervals are to have.
        pairs: What is undecided, and whose intervals are wider.
        seeds: More seeds for that, on the same number of images; None where no number is enough,
            and where networks are compared as they are.
        images: More images, of the same seeds; None where no number is enough.
        both: More seeds and images together where seeds are not enough alone: twice the seeds or
            more, and the images that are missing then; else None.
    """

    width: float
    pairs: list[Pair]
    seeds: int | None
    images: int | None
    both: tuple[int, int] | None


def needs(ranking: Ranking, width: float) -> Needs | None:
    """Return what it would take to know all that is undecided in a ranking to a width.

    The variances are taken for what they are estimated at, and the intervals are those of Holm's
    first step, corrected for all pairs: a plan, not a promise. None where nothing undecided has a
    wider interval, or there is no interval to go by.
    """
    pairs = [pair for pair in ranking.pairs.undecided() if _is_wide(ranking, pair, width)]
    found = [ranking.comparisons[pair] for pair in pairs]
    if not found:
        return None
    return Needs(width, pairs, *needed(found, width, ranking.pairs.first_step))


def needed(
    found: Sequence[Comparison], width: float, p: float
) -> tuple[int | None, int | None, tuple[int, int] | None]:
    """Return how many more seeds, images, or both, make intervals at level 1 - p so narrow.

    The last three of ``Needs``, for comparisons that have intervals.
    """

    def reached(more_seeds: int, more_images: int) -> bool:
        return all(_half_width(c, more_seeds, more_images, p) <= width for c in found)

    def images_with(more_seeds: int) -> int | None:
        return _least(lambda more: reached(more_seeds, more), _MOST_IMAGES)

    by_seeds, both = None, None
    if found[0].seeds > 1:
        by_seeds = _least(lambda more: reached(more, 0), _MOST_SEEDS)
    if found[0].seeds > 1 and by_seeds is None:
        tried = (found[0].seeds * factor for factor in (1, 2, 4, 8, 16))
        both = next(((s, i) for s in tried if (i := images_with(s)) is not None), None)
    return by_seeds, images_with(0), both


def seeds_may_tell(c: Comparison, width: float, known: float, apart: float) -> bool:
    """Tell whether more seeds, of the same images, may make two methods known or told apart.

    They may not where 1000 more would leave the interval at level 1 - ``known`` wider than
    ``width`` to either side, and that at level 1 - ``apart`` wider than the difference, taken at
    either end of its interval for these images, which more seeds may lead to. Nor may they with
    fewer than two images. Two seeds are too few to say what more of them would not.
    """
    if c.images < 2:
        return False
    if c.seeds < 3 or c.spread is None or c.these_low is None or c.these_high is None:
        return True
    if _half_width(c, _MOST_SEEDS, 0, known) <= width:
        return True
    return _half_width(c, _MOST_SEEDS, 0, apart) <= max(abs(c.these_low), abs(c.these_high))


def _is_wide(ranking: Ranking, pair: Pair, width: float) -> bool:
    half = ranking.comparisons[pair].half_width(ranking.pairs.first_step)
    return half is not None and half > width


def _least(enough: Callable[[int], bool], most: int) -> int | None:
    """Return the least number that is enough, where more never are too few; None beyond most."""
    if not enough(most):
        return None
    low, high = -1, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _half_width(c: Comparison, more_seeds: int, more_images: int, p: float) -> float:
    """Return what half the width would be with more seeds and images.

    The components of variance are those of the crossed layout: of what varies from seed to seed,
    ``rest / n`` is by chance of the images, and of what varies from image to image ``rest / S``.
    """
    assert c.spread is not None
    seeds, images, rest = c.seeds + more_seeds, c.images + more_images, c.spread.rest
    own_seeds = max(0.0, c.spread.of_seeds - rest / c.images)
    own_images = max(0.0, c.spread.of_images - rest / c.seeds)
    then = Spreads(
        np.array(c.difference), np.array(own_seeds + rest / images),
        np.array(c.spread.df * (seeds - 1) / max(1, c.seeds - 1)),
        np.array(own_images + rest / seeds), np.array(rest), seeds, images,
    )  # fmt: skip
    return float(then.half_width(p))
