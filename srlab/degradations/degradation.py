"""A degradation: steps that make a low-resolution picture of a high-resolution one."""

import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from srlab.errors import UserError
from srlab.imaging.colour import quantise

BICUBIC = "MATLAB bicubic"  # what makes low resolution unless another degradation is chosen

# From a picture ``(1, C, H, W)``, float64, C is 1 or 3, in ``[0, 1]`` or a little beyond, to
# another; with what it draws from, and the height and width of low resolution.
Step = Callable[[Tensor, np.random.Generator, tuple[int, int]], Tensor]


class Degradation:
    """Steps, one after the other, and what they draw from.

    The picture that comes of it is a pure function of the seed, the picture's key and the number of
    the variant: nothing has a state.

    Args:
        name: What tables call it.
        steps: The steps by name, in order. One of them must shrink.
        variants: How many low-resolution pictures a training has of each high-resolution one, each
            with draws of its own; a test set has the first.
        seed: Draws others.

    Raises:
        ValueError: There are no steps, or fewer than one variant.
    """

    def __init__(self, name: str, steps: dict[str, Step], variants: int = 16, seed: int = 0):
        check_steps(steps)
        if name == BICUBIC:
            raise ValueError(f"a degradation of steps cannot be called {BICUBIC}")
        if variants < 1:
            raise ValueError(f"variants must be at least 1, got {variants}")
        if seed < 0:
            raise ValueError(f"seed must not be negative, got {seed}")
        self.name, self.variants = name, variants
        self.preset = name  # as its config says it, where scores call it otherwise
        self._steps, self._seed = dict(steps), seed

    @property
    def mark(self) -> str:
        """A short sum of what it is described by, which tells it from others of its name."""
        return f"{zlib.crc32(self.described.encode()):08x}"

    @property
    def described(self) -> str:
        """All that its pictures depend on, as a text: of each step the class and its attributes."""
        return _described([self._seed, self.variants, self._steps])

    def __call__(self, hr: Tensor, scale: int, key: int, variant: int = 0) -> Tensor:
        """Return a low-resolution picture ``(1, C, H, W)`` of ``hr (1, C, sH, sW)``.

        Args:
            hr: Of 8 bits, in ``[0, 1]``; C is 1 or 3.
            scale: The factor s.
            key: Which picture it is: see ``picture_key``.
            variant: Which of its variants.

        Returns:
            float64, rounded to 8 bits.

        Raises:
            UserError: The steps do not end at the low-resolution size.
        """
        height, width = hr.shape[-2:]
        size = (height // scale, width // scale)
        rng = np.random.default_rng((self._seed, key, variant))
        image = hr.double()
        for step in self._steps.values():
            image = step(image, rng, size)
        if tuple(image.shape[-2:]) != size:
            got = f"{image.shape[-1]}x{image.shape[-2]}"
            raise UserError(
                f"degradation {self.name} makes {got} pixels, not {size[1]}x{size[0]}: one of its "
                f"steps must be srlab.degradations.shrink.Shrink"
            )
        return quantise(image)


def _described(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_described, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{k}: {_described(v)}' for k, v in value.items())}}}"
    if isinstance(value, np.ndarray | Tensor):
        return _described(value.tolist())
    if isinstance(value, partial):
        return _described([value.func, value.args, value.keywords])
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "__dict__"):
        kind = type(value)
        return f"{kind.__module__}.{kind.__qualname__}{_described(vars(value))}"
    if not isinstance(value, str | int | float | bool | None):
        raise UserError(
            f"a step of a degradation holds a {type(value).__name__}, which cannot be told from "
            f"others: let it hold numbers, texts, arrays, and objects with these"
        )
    return repr(value)


def check_steps(steps: Mapping[str, Any]) -> None:
    """Check that steps can be taken.

    Raises:
        ValueError: There is none, or one is no step.
    """
    if not steps:
        raise ValueError("steps must name one at least")
    wrong = [name for name, step in steps.items() if not callable(step)]
    if wrong:
        raise ValueError(f"step {wrong[0]} is no step: it needs a _target_, got {steps[wrong[0]]}")


def picture_key(name: str) -> int:
    """Return the key of a picture: that of its name, wherever it lies."""
    return zlib.crc32(name.encode())
