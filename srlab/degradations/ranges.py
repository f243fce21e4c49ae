"""Numbers that are drawn: one value, or a range of which each is as likely as any other."""

from collections.abc import Sequence

import numpy as np

Range = float | Sequence[float]


def ends_of(name: str, value: Range, least: float, most: float) -> tuple[float, float]:
    """Return the ends of a range.

    Args:
        name: What the argument is called.
        value: A number, or ``[low, high]``.
        least: The least that is allowed.
        most: The most.

    Raises:
        ValueError: It is neither, its ends are the wrong way round, or one is not allowed.
    """
    ends = [value, value] if isinstance(value, int | float) else list(value)
    if len(ends) != 2 or ends[0] > ends[1]:
        raise ValueError(f"{name} must be a number or [low, high], got {value}")
    if not least <= ends[0] <= ends[1] <= most:
        raise ValueError(f"{name} must lie from {least:g} to {most:g}, got {value}")
    return float(ends[0]), float(ends[1])


def drawn(rng: np.random.Generator, ends: tuple[float, float]) -> float:
    """Draw a number of a range."""
    return float(rng.uniform(*ends))


def drawn_whole(rng: np.random.Generator, ends: tuple[float, float]) -> int:
    """Draw a whole number of a range, ends included."""
    return int(rng.integers(round(ends[0]), round(ends[1]) + 1))
