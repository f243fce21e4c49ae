"""Other sizes: to low resolution, or to any on the way."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.degradations.ranges import Range, drawn, ends_of
from srlab.imaging.resample import shrink

Kind = Literal["bicubic", "bilinear", "area", "nearest"]
_LEAST = 8  # pixels a side on the way


class Shrink:
    """Shrink to low resolution, from whatever size.

    ``bicubic`` and ``bilinear`` are antialiased, the first from s times the size MATLAB's
    ``imresize``; ``area`` takes means; ``nearest`` the pixel in the middle of each block.

    Args:
        kinds: Which of these; one of them is drawn.

    Raises:
        ValueError: There are none.
    """

    def __init__(self, kinds: Sequence[Kind] = ("bicubic",)):
        self._kinds = _checked(kinds)

    def __call__(self, image: Tensor, rng: np.random.Generator, size: tuple[int, int]) -> Tensor:
        """Return ``(1, C, *size)``."""
        return resized(image, size, _one_of(rng, self._kinds))


class Resize:
    """Resize by a factor, on the way.

    Args:
        factor: The factor.
        kinds: As of ``Shrink``.
        of: Whether of the picture's own size, or of that of low resolution.

    Raises:
        ValueError: The factor is out of range, or there are no kinds.
    """

    def __init__(
        self,
        factor: Range = 1.0,
        kinds: Sequence[Kind] = ("bicubic",),
        of: Literal["own", "low"] = "own",
    ):
        self._factor, self._kinds, self._of = (
            ends_of("factor", factor, 0.05, 8),
            _checked(kinds),
            of,
        )

    def __call__(self, image: Tensor, rng: np.random.Generator, size: tuple[int, int]) -> Tensor:
        """Return ``(1, C, h, w)``, at least 8 pixels a side."""
        factor, kind = drawn(rng, self._factor), _one_of(rng, self._kinds)
        base = image.shape[-2:] if self._of == "own" else size
        height, width = (max(_LEAST, round(side * factor)) for side in base)
        return resized(image, (height, width), kind)


def _checked(kinds: Sequence[Kind]) -> list[Kind]:
    if not kinds:
        raise ValueError("kinds must name one at least")
    return list(kinds)


def _one_of(rng: np.random.Generator, kinds: Sequence[Kind]) -> Kind:
    return kinds[int(rng.integers(len(kinds)))]


def resized(image: Tensor, size: tuple[int, int], kind: Kind) -> Tensor:
    """Return ``(1, C, H, W)`` at another size."""
    height, width = image.shape[-2:]
    if size == (height, width):
        return image
    scale = height // size[0]
    if kind == "bicubic" and (size[0] * scale, size[1] * scale) == (height, width):
        return shrink(image, scale)
    if kind == "area":
        return F.interpolate(image, size=size, mode="area")
    if kind == "nearest":
        rows, columns = (
            _middles(side, new) for side, new in zip((height, width), size, strict=True)
        )
        return image[..., rows[:, None], columns]
    return F.interpolate(image, size=size, mode=kind, antialias=True)


def _middles(side: int, new: int) -> Tensor:
    """Return which of ``side`` pixels is in the middle of each of ``new`` blocks; halves go up."""
    return (2 * torch.arange(new) + 1) * side // (2 * new)
