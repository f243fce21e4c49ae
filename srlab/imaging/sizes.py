"""How large pictures become: by a factor, or so many pixels."""

from collections.abc import Callable
from fractions import Fraction
from math import floor

from srlab.errors import UserError

# From the rows and columns of a picture to those that it is to have; raises what follows.
SizeOf = Callable[[int, int], tuple[int, int]]
LARGEST = 64  # times as many rows or columns
_NOTICED = Fraction(1, 100)


def quotient(factor: float) -> Fraction:
    """Return a factor as the quotient p/q of whole numbers that its decimals say."""
    return Fraction(str(factor))


def whole(factor: float) -> int:
    """Return a factor that must be whole.

    Raises:
        ValueError: It is not.
    """
    if factor != int(factor):
        raise ValueError(f"the scale must be a whole number here, got {factor}")
    return int(factor)


def by_factor(factor: int | Fraction) -> SizeOf:
    """Return what makes both sides ``factor`` times as long, rounded to whole pixels."""
    return lambda height, width: _possible(
        height, width, _rounded(factor * height), _rounded(factor * width)
    )


def of_width(wanted: int) -> SizeOf:
    """Return what makes pictures so many columns wide, and as high as keeps their shape."""
    return lambda height, width: _possible(
        height, width, _rounded(Fraction(height * wanted, width)), wanted
    )


def of_height(wanted: int) -> SizeOf:
    """Return what makes pictures so many rows high, and as wide as keeps their shape."""
    return lambda height, width: _possible(
        height, width, wanted, _rounded(Fraction(width * wanted, height))
    )


def exactly(rows: int, columns: int) -> SizeOf:
    """Return what makes all pictures so large, whatever their shape."""
    return lambda height, width: _possible(height, width, rows, columns)


def is_no_larger(size: tuple[int, int], new: tuple[int, int]) -> bool:
    """Tell whether a picture gets no more rows and no more columns than it has."""
    return new[0] <= size[0] and new[1] <= size[1]


def widening(size: tuple[int, int], new: tuple[int, int]) -> Fraction:
    """Return by how much of its width a picture looks wider than it was, below 0 if narrower.

    0 for what is not noticed: a hundredth, or what the rounding to whole pixels does.
    """
    (height, width), (rows, columns) = size, new
    ratio = Fraction(columns * height, width * rows)
    rounding = min(
        abs(rows - Fraction(height * columns, width)), abs(columns - Fraction(width * rows, height))
    )
    return ratio - 1 if rounding >= 1 and abs(ratio - 1) > _NOTICED else Fraction(0)


def _rounded(side: int | Fraction) -> int:
    return floor(side + Fraction(1, 2))


def _possible(height: int, width: int, rows: int, columns: int) -> tuple[int, int]:
    """Return the new rows and columns, one at least.

    Raises:
        UserError: They are far too many.
    """
    rows, columns = max(rows, 1), max(columns, 1)
    if rows > LARGEST * height or columns > LARGEST * width:
        raise UserError(
            f"{width}x{height} cannot become {columns}x{rows}: sides grow {LARGEST} times at most"
        )
    return rows, columns
