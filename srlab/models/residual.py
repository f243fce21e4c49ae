"""The global residual: a network adds to the interpolated picture."""

from typing import Literal

from torch import Tensor

from srlab.imaging.resample import REACH, interpolate, reframe

Residual = Literal["none", "nearest", "bicubic"]


def residual_reach(residual: Residual) -> int:
    """Return the frame, in low-resolution pixels, that the residual needs.

    Raises:
        ValueError: The residual is unknown.
    """
    if residual not in ("none", "nearest", "bicubic"):
        raise ValueError(f"residual must be none, nearest or bicubic, got {residual!r}")
    return 0 if residual == "none" else REACH[residual]


def add_residual(sr: Tensor, framed: Tensor, halo: int, scale: int, residual: Residual) -> Tensor:
    """Add the interpolated ``framed`` input, which carries ``halo`` pixels, to ``sr``."""
    if residual == "none":
        return sr
    return sr + interpolate(reframe(framed, halo, REACH[residual]), scale, residual)
