"""Seeds that are added until every comparison of a sweep is decided, or as many as may be."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, count
from pathlib import Path

from srlab.commands.report.decided import listed
from srlab.commands.report.results import gather, ranked
from srlab.reporting.statistics import Ranking, seeds_may_tell
from srlab.runs.sweep_plan import read_sweep

# A difference ends a sweep early only at this p (Haybittle 1971, Peto et al. 1976), and errors stay
# at 5%. At the report's 0.05, looking after every seed would tell equal choices apart in up to 17%
# of sweeps, as simulated by scripts/measure/comparison_errors.py.
STOP = 0.001


def still_open(
    folder: Path, names: Sequence[str], width: float
) -> tuple[list[str], int, str | None]:
    """Return what is undecided of finished runs, in words, how much is not, and why seeds are vain.

    A comparison is decided if its choices are told apart, at p of ``STOP``, or its interval for
    new images, corrected for the number of all pairs, is at most ``width`` dB to either side; one
    whose choices are equal within the width always is. Seeds of the runs alone count, so that a
    sweep that is taken up decides as it did. The last is None as long as more seeds may decide any.
    """
    sweep = read_sweep(folder)
    results = gather(folder, replace(sweep, runs={name: sweep.runs[name] for name in names}))
    ranking = ranked(results, "psnr")
    found = {pair: _open(ranking, *pair, width) for pair in combinations(ranking.names, 2)}
    unknown = {pair: text for pair, text in found.items() if text is not None}
    known = ranking.pairs.first_step
    vain = None
    if not any(seeds_may_tell(ranking.comparisons[p], width, known, STOP) for p in unknown):
        few = len(results.images) < 2
        vain = "there is one test image" if few else "the images differ too much"
    return list(unknown.values()), len(found) - len(unknown), vain


def _open(ranking: Ranking, one: str, other: str, width: float) -> str | None:
    half = ranking.comparisons[one, other].half_width(ranking.pairs.first_step)
    p = ranking.adjusted[one, other]
    if half is None or p is None:
        return f"{one} and {other}"
    return None if p <= STOP or half <= width else f"{one} and {other} (known to {half:.2g} dB)"


def next_seed(seeds: Sequence[str]) -> str:
    """Return the least seed that is not there."""
    return next(text for text in map(str, count()) if text not in seeds)


def outcome(
    undecided: Sequence[str], decided: int, vain: str | None, seeds: int, most: int, width: float
) -> str:
    """Say how far a sweep has decided its comparisons, and what comes next."""
    total = len(undecided) + decided
    many = "the comparison is" if total == 1 else f"all {total} comparisons are"
    with_seeds = f"{seeds} seed{'s' if seeds != 1 else ''}"
    if not undecided:
        return f"{many} decided to {width} dB, with {with_seeds}"
    said = f"{len(undecided)} of {total} comparisons undecided to {width} dB, with {with_seeds}"
    if vain is not None and 1 < seeds < most:
        return f"{said}; seeds alone never can, as {vain}: {listed(undecided)}"
    if seeds < most:
        return f"{said}: one more is added, of {most} at most"
    return f"{said}, which is what most_seeds={most} allows: {listed(undecided)}"
