"""Where a frame differs from the one before it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Box:
    """A part of a picture: columns and rows from the first to the one after the last."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def height(self) -> int:
        """Rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns."""
        return self.right - self.left

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """Return this part of pixels ``(H, W, C)``."""
        return pixels[self.top : self.bottom, self.left : self.right]

    def from_even(self) -> "Box":
        """Return the box that begins at even columns and rows and holds this one."""
        return Box(self.left & ~1, self.top & ~1, self.right, self.bottom)


def changed(before: np.ndarray | None, pixels: np.ndarray) -> Box:
    """Return the smallest box outside of which pixels ``(H, W, C)`` are as before.

    All of them without a frame before; one pixel where nothing differs.
    """
    height, width = pixels.shape[:2]
    if before is None:
        return Box(0, 0, width, height)
    differs = (pixels != before).any(axis=2)
    rows, columns = (np.flatnonzero(differs.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return Box(0, 0, 1, 1)
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
