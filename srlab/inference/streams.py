"""Pictures whose rows come one after the other, read as if they were there."""

from collections import deque
from collections.abc import Iterator

import numpy as np


class RowStream:
    """A picture that is being made, from which rows are taken like from its array.

    From top to bottom: what lies above the rows that were taken last is forgotten, so that no more
    is held than two who follow each other need.

    Args:
        rows: Its rows ``(h, W, C)``, from top to bottom.
        shape: ``(H, W, C)``.
        dtype: Of its pixels.
    """

    def __init__(self, rows: Iterator[np.ndarray], shape: tuple[int, ...], dtype: np.dtype):
        self.shape, self.dtype = shape, dtype
        self._rows = rows
        self._held: deque[tuple[int, np.ndarray]] = deque()  # with the number of the first row
        self._made = 0

    def __getitem__(self, wanted: slice) -> np.ndarray:
        """Return rows ``first:last``, ``(last - first, W, C)``.

        Raises:
            IndexError: They are forgotten, or never come.
        """
        first, last = wanted.start, wanted.stop
        while self._made < last:
            some = next(self._rows, None)
            if some is None:
                raise IndexError(f"row {last - 1} of a picture that ends at row {self._made}")
            self._held.append((self._made, some))
            self._made += len(some)
        while self._held and self._held[0][0] + len(self._held[0][1]) <= first:
            self._held.popleft()
        if not self._held or self._held[0][0] > first:
            raise IndexError(f"row {first} is forgotten")
        parts = [part[max(first - at, 0) : last - at] for at, part in self._held if at < last]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


Pixels = np.ndarray | RowStream
