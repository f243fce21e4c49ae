"""How a side of a picture is cut into tiles."""

from typing import NamedTuple


class Cut(NamedTuple):
    """Along one side: a tile's first and last pixel, and those of its context."""

    first: int
    last: int
    start: int
    end: int

    @property
    def own(self) -> int:
        """Pixels without the context."""
        return self.last - self.first


def cut_side(size: int, tile: int, grid: int, context: int, at_once: int = 1) -> list[Cut]:
    """Cut a side into as few tiles as the largest allows, as equal as the grid allows.

    More than ``at_once`` become a multiple of it, so that none is left to be computed alone.
    """
    count = -(-size // up_to(tile, grid))
    count = up_to(count, at_once) if count > at_once else count
    step = up_to(-(-size // count), grid)
    firsts = range(0, size, step)
    lasts = [min(first + step, size) for first in firsts]
    return [
        Cut(first, last, max(first - context, 0), min(last + context, size))
        for first, last in zip(firsts, lasts, strict=True)
    ]


def up_to(size: int, grid: int) -> int:
    """Return the next multiple of ``grid``."""
    return -(-size // grid) * grid
