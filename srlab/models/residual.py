"""The global residual: a network adds to the interpolated picture."""

from typing import Literal

from torch import Tensor

from srlab.imaging.resample import REACH, Framed, interpolate

Residual = Literal["none", "nearest", "bicubic"]


def residual_reach(residual: Residual) -> int:
    """Return the frame, in low-resolution pixels, that the residual needs.

    Raises:
        ValueError: The residual is unknown.
    """
    if residual not in ("none", "nearest", "bicubic"):
        raise ValueError(f"residual must be none, nearest or bicubic, got {residual!r}")
    return 0 if residual == "none" else REACH[residual]


def add_residual(sr: Tensor, picture: Framed, scale: int, residual: Residual) -> Tensor:
    """Add the interpolated input to ``sr``."""
    if residual == "none":
        return sr
    return sr + interpolate(picture.within(REACH[residual]), scale, residual)
