"""The answer of a report, in sentences."""

import statistics
from itertools import combinations

from srlab.commands.report.costs import Cost
from srlab.commands.report.decided import (
    against_baseline,
    listed,
    what_is_equal,
    what_is_needed,
    what_may_be_best,
    with_sign,
)
from srlab.commands.report.results import Choice, Results
from srlab.reporting.statistics import Comparison, Place, Ranking, not_told_from_best

_ROUNDING = 0.5  # grey levels: a checkerboard below is less than rounding to 8 bits may change


_ALIKE = 1.1  # ratio of times that may be the machine's mood


_FEW = 10  # images


def warnings_of(results: Results) -> list[str]:
    """Return what keeps the report from being trusted as it stands."""
    warnings = []
    single = [c.label for c in results.choices if len(c.runs) == 1]
    if results.of_networks:
        warnings.append(
            "Networks are compared as they are: intervals are for new images of the kind. Trained "
            "again, with other seeds, each would come out otherwise."
        )
    elif single:
        warnings.append(
            f"A single seed of {listed(single)}: no interval can be given, and no difference "
            f"from {'it' if len(single) == 1 else 'them'} is evidence. Add seeds by the same "
            f"command with seed=0,1,2."
        )
    if results.missing:
        warnings.append(
            f"{len(results.missing)} runs of the sweep are not finished and left out: "
            f"{listed(results.missing)}."
        )
    if results.left_out:
        warnings.append(
            f"Not all choices have these seeds, so their runs are left out: "
            f"{listed(results.left_out)}."
        )
    below = [c.label for c in results.choices if _is_below_bicubic(results, c)]
    if below:
        warnings.append(
            f"No better than bicubic interpolation, without any training: {listed(below)}."
        )
    if len(results.images) < 5:
        warnings.append(
            f"Only {len(results.images)} images were judged: intervals are wide, and they speak of "
            f"images like these alone."
        )
    return warnings


def _is_below_bicubic(results: Results, choice: Choice) -> bool:
    return bool(choice.scores("psnr").mean() < results.bicubic["psnr"].mean())


def answer(
    results: Results,
    ranking: Ranking,
    costs: dict[str, Cost],
    ripples: dict[str, list[float]],
    baseline: str | None = None,
) -> list[str]:
    """Return what the sweep has shown, the headline first."""
    first = ranking.places[0]
    if len(ranking.places) == 1:
        return [f"{first.name}: {first.mean:.2f} dB; there is nothing to compare it with."]
    several = {choice.label for choice in results.choices if len(choice.runs) > 1}
    if not results.of_networks and (first.name not in several or len(several) == 1):
        said = [
            f"{_highest(ranking)}, but with a single seed that is no evidence that "
            f"{'they are' if len(_level(ranking)) > 1 else 'it is'} better."
        ]
        return [*said, *_checkerboards(ripples)]
    level = _level(ranking)
    leading = [n for n in ranking.names if n in level or n in not_told_from_best(ranking)]
    said = [_headline(ranking, leading), *what_may_be_best(ranking), *what_is_equal(ranking)]
    said += [*_left_open(ranking), *_taken_alone(ranking, _what_may_tell(results))]
    said += [*what_is_needed(ranking), *against_baseline(ranking, baseline)]
    if len(leading) > 1:
        said.append(_quickest(ranking, leading, costs))
    return [*said, *_checkerboards(ripples)]


def _level(ranking: Ranking) -> list[str]:
    """Return the best and those whose difference from it rounds to zero: none is put forward."""
    return [
        place.name
        for place in ranking.places
        if place.against_best is None or not float(f"{place.against_best.difference:.2f}")
    ]


def _highest(ranking: Ranking) -> str:
    level, mean = _level(ranking), f"{ranking.places[0].mean:.2f} dB"
    if len(level) == 1:
        return f"{level[0]} has the highest mean, {mean}"
    differ = _told_apart(ranking, level)
    but = " (what differs between them rounds to 0.00 dB)" if differ else ""
    return f"{listed(level)} share the highest mean, {mean}{but}"


def _told_apart(ranking: Ranking, names: list[str]) -> bool:
    """Tell whether any of these are told apart."""
    return any(ranking.pairs.told_apart(*pair) for pair in combinations(names, 2))


def _headline(ranking: Ranking, leading: list[str]) -> str:
    followers, level = ranking.places[1:], _level(ranking)
    others = [place for place in followers if place.name not in leading]
    near = [place for place in followers if place.name in leading and place.name not in level]
    with_best = [_with_difference(place) for place in near]
    them = "it" if len(level) == 1 else "them"
    if len(level) > 1 and _told_apart(ranking, leading):  # what is near, from one of them perhaps
        them = ranking.names[0]
    but = f", but {listed(with_best)} cannot be told from {them}" if with_best else ""
    if not others:
        if all(ranking.pairs.equal(*pair) for pair in combinations(leading, 2)):
            many = "Both" if len(leading) == 2 else f"All {len(leading)}"
            return f"{many} choices are equal within {ranking.margin} dB: {_highest(ranking)}."
        if _told_apart(ranking, leading):
            return f"{_highest(ranking)}{but}."
        against = f", against {them} {listed(with_best)}" if with_best else ""
        return (
            f"The data cannot tell the {len(leading)} choices apart: {_highest(ranking)}{against}."
        )
    behind = others[0].against_best
    assert behind is not None
    gap = f"{with_sign(behind.difference, 2)} dB{_interval_in_words(behind)}"
    if len(leading) == 1:
        best = ranking.places[0]
        return f"{best.name} is best, {best.mean:.2f} dB; {others[0].name} follows, {gap}."
    return f"{_highest(ranking)}{but}; {others[0].name} is worse, {gap}."


def _quickest(ranking: Ranking, leading: list[str], costs: dict[str, Cost]) -> str:
    """Say which of those that lead cost the least time, with those that cost about as much."""
    seconds = {label: costs[label].seconds for label in leading}
    least = min(seconds.values())
    quick = [label for label, time in seconds.items() if time < _ALIKE * least]
    if len(quick) == len(leading):
        return f"All of these take about as long here: {1e3 * least:.1f} ms a picture."
    verb = "upscales" if len(quick) == 1 else "upscale"
    differ = any(ranking.pairs.told_apart(name, leading[0]) for name in leading[1:])
    which = "lead" if differ else "cannot be told from the best"
    return (
        f"Of those that {which}, {listed(quick)} {verb} quickest here: "
        f"{1e3 * least:.1f} ms a picture, against {1e3 * max(seconds.values()):.1f} ms of the "
        f"slowest."
    )


def _with_difference(place: Place) -> str:
    by = place.against_best
    assert by is not None
    return f"{place.name} ({with_sign(by.difference, 2)})"


def _left_open(ranking: Ranking) -> list[str]:
    """Say how far those that cannot be told from the best may lie from it all the same."""
    best, pairs = ranking.names[0], ranking.pairs
    still_open = [n for n in not_told_from_best(ranking)[1:] if not pairs.equal(n, best)]
    by = [p.against_best for p in ranking.places if p.name in still_open]
    ends = [abs(end) for b in by if b and b.low is not None for end in (b.low, b.high) if end]
    if not ends:
        return []
    return [f"Not told apart is not shown to be equal: up to {max(ends):.2f} dB remain possible."]


def _what_may_tell(results: Results) -> str:
    if results.of_networks:
        return "More test images"
    return "More seeds and more test images" if len(results.images) < _FEW else "More seeds"


def _taken_alone(ranking: Ranking, more: str) -> list[str]:
    """Say which intervals exclude no difference, though not among so many comparisons."""
    found = not_told_from_best(ranking)
    intervals = {p.name: p.against_best for p in ranking.places if p.name in found}
    alone = [
        name
        for name, by in intervals.items()
        if by is not None and by.low is not None and by.high is not None and by.low * by.high > 0
    ]
    pairs = len(ranking.places) * (len(ranking.places) - 1) // 2
    if not alone:
        return []
    return [
        f"Taken alone, {listed(alone)} would differ from it at 95 %; among {pairs} comparisons "
        f"that is no evidence. {more} may tell."
    ]


def _interval_in_words(by: Comparison) -> str:
    if by.low is None or by.high is None:
        return ""
    return f" (95 % interval {with_sign(by.low, 2)} to {with_sign(by.high, 2)})"


def _checkerboards(ripples: dict[str, list[float]]) -> list[str]:
    more = f"a checkerboard of more than {_ROUNDING} grey levels"
    seen = {k: statistics.fmean(v) for k, v in ripples.items() if statistics.fmean(v) > _ROUNDING}
    if not seen:
        return [f"None leaves {more} on flat pictures."]
    named = listed([f"{label} ({level:.1f})" for label, level in seen.items()])
    return [f"{more.capitalize()} on flat pictures: {named}."]
