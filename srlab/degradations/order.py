"""Steps of steps: in any order, one of several, now and then."""

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from srlab.degradations.degradation import Step, check_steps
from srlab.degradations.ranges import ends_of


class Shuffled:
    """Steps in an order that is drawn each time (BSRGAN: Zhang et al., ICCV 2021, section 3).

    Args:
        steps: The steps by name.
    """

    def __init__(self, steps: dict[str, Step]):
        check_steps(steps)
        self._steps = list(steps.values())

    def __call__(self, image: Tensor, rng: np.random.Generator, size: tuple[int, int]) -> Tensor:
        """Return ``(1, C, H, W)`` after all of them."""
        for number in rng.permutation(len(self._steps)):
            image = self._steps[number](image, rng, size)
        return image


class InTurn:
    """Steps one after the other, as one.

    Args:
        steps: The steps by name, in order.
    """

    def __init__(self, steps: dict[str, Step]):
        check_steps(steps)
        self._steps = list(steps.values())

    def __call__(self, image: Tensor, rng: np.random.Generator, size: tuple[int, int]) -> Tensor:
        """Return ``(1, C, H, W)`` after all of them."""
        for step in self._steps:
            image = step(image, rng, size)
        return image


class OneOf:
    """One of several steps.

    Args:
        steps: The steps by name.
        weights: How likely each is beside the others; null: all alike.

    Raises:
        ValueError: There are no steps, or not a weight above 0 for each.
    """

    def __init__(self, steps: dict[str, Step], weights: Sequence[float] | None = None):
        check_steps(steps)
        self._steps = list(steps.values())
        chances = np.ones(len(self._steps)) if weights is None else np.array(weights, float)
        if chances.shape != (len(self._steps),) or not (chances > 0).all():
            raise ValueError(f"weights must have a number above 0 for each step, got {weights}")
        self._chances = chances / chances.sum()

    def __call__(self, image: Tensor, rng: np.random.Generator, size: tuple[int, int]) -> Tensor:
        """Return ``(1, C, H, W)`` after one of them."""
        return self._steps[int(rng.choice(len(self._steps), p=self._chances))](image, rng, size)


class Sometimes:
    """A step that may be left out.

    Args:
        step: The step.
        chance: How likely it is done.

    Raises:
        ValueError: The chance is not from 0 to 1.
    """

    def __init__(self, step: Step, chance: float = 0.5):
        check_steps({"of it": step})
        self._step, (self._chance, _) = step, ends_of("chance", chance, 0, 1)

    def __call__(self, image: Tensor, rng: np.random.Generator, size: tuple[int, int]) -> Tensor:
        """Return ``(1, C, H, W)``, after the step or as it was."""
        return self._step(image, rng, size) if rng.random() < self._chance else image
