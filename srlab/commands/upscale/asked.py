"""The size that is asked for: a factor, or so many pixels; and what is said of its shape."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from srlab.config.schema import UpscaleConfig
from srlab.errors import UserError
from srlab.imaging.sizes import (
    LARGEST,
    SizeOf,
    by_factor,
    exactly,
    of_height,
    of_width,
    quotient,
    widening,
)


@dataclass(frozen=True)
class Asked:
    """How large pictures are to become.

    Args:
        size_of: The rows and columns of each.
        mark: What names of files say of it.
        goal: What sentences say of it.
        factor: How many times as large on each side; None where pixels were asked for.
    """

    size_of: SizeOf
    mark: str
    goal: str
    factor: Fraction | None = None

    @property
    def scale(self) -> int | None:
        """The factor where it is whole."""
        if self.factor is None or self.factor.denominator > 1:
            return None
        return int(self.factor)


def by_scale(scale: int) -> Asked:
    """Return what a network's own scale asks for."""
    return Asked(by_factor(scale), f"x{scale}", f"x{scale}", Fraction(scale))


def asked_size(config: UpscaleConfig) -> Asked | None:
    """Return the size that is asked for, if any is.

    Raises:
        UserError: Two are, or one makes no sense.
    """
    keys = [key for key in ("scale", "size", "width", "height") if getattr(config, key) is not None]
    if keys == ["width", "height"]:
        raise UserError(f"width and height together are size={config.width}x{config.height}")
    if len(keys) > 1:
        raise UserError(f"give one of scale, size, width and height, not {' and '.join(keys)}")
    if config.scale is not None:
        return _scale(config.scale)
    if config.size is not None:
        sides = re.fullmatch(r"0*([1-9]\d{0,9})[xX]0*([1-9]\d{0,9})", config.size)
        if sides is None:
            raise UserError(
                f"size is WIDTHxHEIGHT in pixels, as in size=3840x2160, got {config.size!r}; "
                f"width=3840 or height=2160 alone keeps the shape"
            )
        columns, rows = int(sides[1]), int(sides[2])
        said = f"{columns}x{rows}"
        return Asked(exactly(rows, columns), said, said)
    for side, size_of in (("width", of_width), ("height", of_height)):
        pixels = getattr(config, side)
        if pixels is not None:
            if pixels < 1:
                raise UserError(f"{side} must be at least 1 pixel, got {pixels}")
            return Asked(size_of(pixels), f"{side[0]}{pixels}", f"a {side} of {pixels}")
    return None


def _scale(scale: Any) -> Asked:
    if isinstance(scale, bool) or not isinstance(scale, int | float):
        raise UserError(f"scale is a number above 1, as in scale=3 or scale=2.5, got {scale!r}")
    if not scale > 1:
        raise UserError(
            f"scale must be above 1, got {scale}; size, width and height make pictures smaller, "
            f"too, and a network of scale 1 needs none of these"
        )
    if scale > LARGEST:
        raise UserError(f"scale must be at most {LARGEST}, got {scale}")
    factor = quotient(scale)
    said = f"x{int(factor) if factor.denominator == 1 else scale}"
    return Asked(by_factor(factor), said, said, factor)


def changed_shape(size: tuple[int, int], new: tuple[int, int]) -> str:
    """Say what becomes of a picture's shape; nothing where it is kept."""
    by, (rows, columns) = widening(size, new), new
    if not by:
        return ""
    return (
        f"as {columns}x{rows} it looks {100 * abs(float(by)):.0f} % "
        f"{'wider' if by > 0 else 'narrower'} than it was; width={columns} or height={rows} alone "
        f"keeps its shape"
    )
