"""Timing that a noisy machine does not mislead: repetitions in turn, medians, ratios by pairs."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence


def interleaved(
    runs: Mapping[str, Callable[[], object]], repeats: int, warm_up: int = 1, rest: float = 0.0
) -> dict[str, list[float]]:
    """Call several functions in turn, A B C A B C ..., and return the seconds of each call.

    Args:
        runs: The functions by name; each must wait for what it starts on another device.
        repeats: Calls of each that count.
        warm_up: Calls of each before these.
        rest: Seconds of sleep before each call: the threads of some libraries spin on for a while
            when their work is done, at the cost of whoever comes next.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(-warm_up, repeats):
        for name, run in runs.items():
            time.sleep(rest)
            start = time.perf_counter()
            run()
            if number >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median of the ratios of calls that were made one after the other."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))
