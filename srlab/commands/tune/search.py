"""Which runs a search makes next: successive halving, then what lies beside the best.

All of it is a function of the scores that there are, so that a search that was stopped goes on by
being asked again. The halving is that of Jamieson and Talwalkar (AISTATS 2016). It may stop a low
rate that would have won at the end, so the rates beside the best are trained to the end, too.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """Values that are tried for a choice.

    Args:
        values: By the keys that are searched, as the command line has them.
        names: Its runs, one for each seed.
    """

    values: dict[str, str]
    names: list[str]


# The mean score of a candidate at a stop, None for the end: None where it has not come so far,
# minus infinity where it failed.
Score = Callable[[Candidate, int | None], float | None]


def stops_of(steps: int, eval_every: int, fractions: Sequence[float]) -> list[int]:
    """Return the steps at which runs are compared: evaluations before the end, the nearest."""
    nearest = {max(1, round(fraction * steps / eval_every)) * eval_every for fraction in fractions}
    return sorted(step for step in nearest if step < steps)


def halving(
    candidates: Sequence[Candidate], score: Score, stops: Sequence[int], keep: float
) -> tuple[list[Candidate], int | None]:
    """Return those that are to come to the next stop, and the stop: none when all have.

    Args:
        candidates: What is tried for a choice.
        score: Theirs.
        stops: Steps at which the poorer ones stop.
        keep: The part that goes on.
    """
    alive = list(candidates)
    for stop in (*stops, None):
        missing = [c for c in alive if score(c, stop) is None]
        if missing:
            return missing, stop
        alive.sort(key=lambda c: known(score(c, stop)), reverse=True)
        alive = alive[: math.ceil(keep * len(alive))]
    return [], None


def best_of(candidates: Sequence[Candidate], score: Score) -> Candidate:
    """Return the best of those that came to the end."""
    return max(candidates, key=lambda c: known(score(c, None)))


def lowest_of(
    best: Candidate, candidates: Sequence[Candidate], score: Score, key: str, margin: float
) -> Candidate:
    """Return the candidate with the lowest value of a key that comes within a margin of the best.

    All else is equal to the best's, and both came to the end.
    """
    least = known(score(best, None)) - margin
    near = [c for c in _alike(best, candidates, key) if known(score(c, None)) >= least]
    return min(near, key=lambda c: float(c.values[key]))


def _alike(one: Candidate, candidates: Sequence[Candidate], key: str) -> list[Candidate]:
    """Return the candidates whose values are those of one but for a key."""

    def others(candidate: Candidate) -> dict[str, str]:
        return {k: v for k, v in candidate.values.items() if k != key}

    return [c for c in candidates if others(c) == others(one)]


def known(score: float | None) -> float:
    """Return a score, minus infinity where there is none."""
    return -math.inf if score is None else score


def beside(
    best: Candidate, candidates: Sequence[Candidate], key: str
) -> tuple[Candidate | float, Candidate | float]:
    """Return what is tried with the next lower and the next higher value of a key, all else equal.

    Where nothing is, the value that would go on with the ladder.
    """
    alike = {float(c.values[key]): c for c in _alike(best, candidates, key)}
    ladder = sorted(alike)
    place = ladder.index(float(best.values[key]))
    first, last = (ladder[1] / ladder[0], ladder[-1] / ladder[-2]) if len(ladder) > 1 else (2, 2)
    lower = alike[ladder[place - 1]] if place else ladder[0] / first
    higher = alike[ladder[place + 1]] if place + 1 < len(ladder) else ladder[-1] * last
    return lower, higher
