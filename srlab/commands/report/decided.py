"""What a ranking decides, and what would decide the rest, in sentences."""

from collections.abc import Sequence
from itertools import combinations

from srlab.reporting.sheet import MINUS
from srlab.reporting.statistics import Family, Needs, Ranking, needs

_SHOWN = 8  # names, or pairs, in a sentence


def with_sign(value: float, digits: int) -> str:
    """Return a number with its sign, also where it is positive; zero has none."""
    said = f"{value:+.{digits}f}"
    return said.replace("-", MINUS) if float(said) else f"{0:.{digits}f}"


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them, the first of many."""
    many = len(names) > _SHOWN
    shown = [*names[: _SHOWN - 1], f"{len(names) - _SHOWN + 1} more"] if many else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def what_is_equal(ranking: Ranking) -> list[str]:
    """Say which choices are equal within the margin of a ranking."""
    equal = [
        f"{one} and {other} ({with_sign(ranking.comparisons[other, one].difference, 3)})"
        for one, other in combinations(ranking.names, 2)
        if ranking.pairs.equal(one, other)
    ]
    return [f"Equal within {ranking.margin} dB: {listed(equal)}."] if equal else []


def what_may_be_best(ranking: Ranking) -> list[str]:
    """Say which choices may be the best, where that is not one."""
    if len(ranking.best) < 2 or len(ranking.best) == len(ranking.places):
        return []
    return [f"With 95 % confidence the best is one of: {listed(ranking.best)}."]


def against_baseline(ranking: Ranking, baseline: str | None) -> list[str]:
    """Say how all others compare with a baseline."""
    if baseline is None:
        return []
    kinds = dict[str, list[str]]()
    for name in ranking.names:
        if name != baseline:
            difference = ranking.comparisons[name, baseline].difference
            kind = verdict(ranking.pairs, name, baseline, difference, ranking.margin)
            kinds.setdefault(kind or "without an interval", []).append(
                f"{name} ({with_sign(difference, 2)})"
            )
    said = "; ".join(f"{kind}: {listed(of)}" for kind, of in kinds.items())
    return [f"Against {baseline}: {said}."]


def verdict(
    family: Family,
    one: str,
    other: str,
    difference: float,
    margin: float | None,
    higher: bool = True,
    unit: str = "dB",
) -> str:
    """Return what is decided of one choice against another, in words; none without evidence."""
    if family.different.get((one, other)) is None:
        return ""
    better = "better" if (difference > 0) == higher else "worse"
    said = [better] if family.told_apart(one, other) else []
    said += [f"equal within {margin} {unit}"] if family.equal(one, other) else []
    return ", but ".join(said) or "not told apart"


def what_is_needed(ranking: Ranking) -> list[str]:
    """Say how many comparisons are undecided, and how many seeds or images would tell."""
    if ranking.margin is None or all(c.p is None for c in ranking.comparisons.values()):
        return []
    count, width = len(ranking.pairs.undecided()), f"{ranking.margin} dB"
    pairs = len(ranking.comparisons) // 2
    if not count:
        which = "The comparison" if pairs == 1 else f"All {pairs} comparisons"
        verb = "is" if pairs == 1 else "are"
        return [f"{which} {verb} decided: told apart, or equal within {width}."]
    found = needs(ranking, ranking.margin)
    of_networks = all(c.seeds < 2 for c in ranking.comparisons.values())
    of = f"{count} of {pairs} comparisons" if pairs > 1 else "The comparison"
    is_open = f"{of} {'is' if count == 1 else 'are'} undecided"
    without = [pair for pair in ranking.pairs.undecided() if ranking.adjusted[pair] is None]
    if found is not None:
        all_ = "all others" if without else "all"
        said = f"{is_open}. To tell {width} apart in {all_}: {what_it_takes(found, of_networks)}."
    elif len(without) < count:
        every = "every other" if without else "every"
        said = f"{is_open}, but {every} difference is known to {width} either way."
    else:
        said = f"{is_open}."
    return [said, *_without_interval(without)]


def _without_interval(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Say which pairs nothing is known of, as too few seeds are those of both."""
    if not pairs:
        return []
    named = listed([f"{one} with {other}" for one, other in pairs])
    return [f"No interval, as they have no two seeds in common: {named}."]


def what_it_takes(found: Needs, of_networks: bool) -> str:
    """Say what would decide it, where seeds and images may not be enough alone."""
    ways = []
    if found.seeds is not None:
        ways.append(_more(found.seeds, "seed"))
    if found.images is not None:
        ways.append(_more(found.images, "image"))
    if found.both is not None:
        ways.append(f"{_more(found.both[0], 'seed')} and {_more(found.both[1], 'image')} together")
    if not ways:
        return (
            f"no number of {'images' if of_networks else 'seeds and images'} within reach is enough"
        )
    never = found.seeds is None and not of_networks
    alone = " (seeds alone never can: the images differ too much)" if never else ""
    return ", or ".join(ways) + alone


def _more(count: int, what: str) -> str:
    return f"{count:,} more {what}{'s' if count != 1 else ''}"
