"""Learning-rate schedules: pure functions from the step to a factor on the learning rate."""

import math
from collections.abc import Callable, Sequence

Schedule = Callable[[int, int], float]


def constant(step: int, steps: int, warmup: int = 0) -> float:
    """Return 1, after a linear warm-up over the first ``warmup`` steps."""
    return _warm(step, warmup)


def step_decay(
    step: int,
    steps: int,
    warmup: int = 0,
    milestones: Sequence[float] = (0.5, 0.75, 0.9),
    gamma: float = 0.5,
) -> float:
    """Multiply by ``gamma`` at each milestone, given as a fraction of all steps."""
    passed = sum(step >= m * steps - 1e-6 for m in milestones)
    return _warm(step, warmup) * gamma**passed


def cosine(step: int, steps: int, warmup: int = 0, final: float = 0.0) -> float:
    """Fall from 1 to ``final`` along half a cosine (Loshchilov and Hutter, ICLR 2017)."""
    progress = min(step / max(steps, 1), 1.0)
    return _warm(step, warmup) * (final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2)


def _warm(step: int, warmup: int) -> float:
    return min(1.0, (step + 1) / warmup) if warmup > 0 else 1.0
