"""Any size, by one interpolation of rows that come one after the other.

Rows and columns of the new picture are made in blocks: each is a small matrix times what it sees of
the old one. Where a block lies depends on the sizes alone, so that the result does not depend on
how the rows come.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from torch import Tensor

from srlab.imaging.resample import REACH, Interpolation, fold, weights
from srlab.inference.streams import Pixels
from srlab.machine.threads import map_in_threads

_ROWS, _COLUMNS = 16, 32  # that a block makes: larger ones multiply more noughts
_NEAR = 64  # blocks of columns that are made together: what they see stays in the cache
_AT_ONCE = 8  # blocks of rows that are made and given away together, shared among threads


@dataclass(frozen=True)
class _Blocks:
    """How a line of n new pixels is made of the old one.

    Args:
        seen: ``(blocks, k)``: the old pixels that a block sees.
        mixing: ``(blocks, size, k)``: what its new pixels take of them.
    """

    seen: Tensor
    mixing: Tensor


def resize_rows(
    picture: Pixels, height: int, width: int, mode: Interpolation = "bicubic"
) -> Iterator[np.ndarray]:
    """Resize a picture ``(H, W, C)``, uint8 or uint16, to ``(height, width, C)``; yield its rows.

    As MATLAB's ``imresize`` does to such a size: where a side shrinks the kernel is stretched by as
    much (antialiasing), what lies beyond the border is mirrored. Nearest takes the pixel whose area
    holds the centre. Levels are rounded to the nearest one, halves upward.
    """
    down = _blocks(picture.shape[0], height, _ROWS, mode)
    across = _blocks(picture.shape[1], width, _COLUMNS, mode)
    # A block near the bottom may see, mirrored, what lies above all that the one before it sees.
    firsts = down.seen.amin(dim=1).flip(0).cummin(0).values.flip(0).tolist()

    def make(block: tuple[int, np.ndarray]) -> np.ndarray:
        number, rows = block
        x = torch.from_numpy(rows.astype(np.float32))
        x = x.index_select(0, down.seen[number] - firsts[number])
        mixing = down.mixing[number, : height - number * _ROWS]
        return _levels(x, mixing, across, width, picture.dtype)

    for start in range(0, len(firsts), _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, len(firsts)))
        seen = [picture[firsts[n] : int(down.seen[n].max()) + 1] for n in numbers]
        yield np.concatenate(list(map_in_threads(make, zip(numbers, seen, strict=True))))


def _levels(x: Tensor, down: Tensor, across: _Blocks, width: int, dtype: np.dtype) -> np.ndarray:
    """Return the levels ``(h, width, C)`` that rows of the old picture ``(k, W, C)`` become."""
    rows = (down @ x.flatten(1)).unflatten(1, x.shape[1:]).transpose(0, 1)  # (W, h, C)
    lines, top = rows.flatten(1), np.iinfo(dtype).max
    levels = np.empty((len(down), width, x.shape[2]), dtype=dtype)
    some = zip(across.seen.split(_NEAR), across.mixing.split(_NEAR), strict=True)
    for first, (seen, mixing) in zip(range(0, width, _NEAR * _COLUMNS), some, strict=True):
        made = torch.bmm(mixing, lines.index_select(0, seen.flatten()).unflatten(0, seen.shape))
        made = made.flatten(0, 1).unflatten(1, rows.shape[1:]).transpose(0, 1)
        part = levels[:, first : first + _NEAR * _COLUMNS]
        part[...] = made.add_(0.5).clamp_(0, top).numpy()[:, : part.shape[1]]  # rounded down
    return levels


def _blocks(old: int, new: int, size: int, mode: Interpolation) -> _Blocks:
    """Return the blocks of ``size`` pixels by which ``old`` pixels become ``new``."""
    stretched = max(old / new, 1.0) if mode != "nearest" else 1.0
    count = ceil(new / size)
    index = torch.arange(count * size).clamp_(max=new - 1).view(count, size)
    if mode == "nearest":
        place = (2 * index + 1) * old // (2 * new)
        first, last = place[:, :1], place[:, -1:]
    else:
        place = (index.double() + 0.5) * old / new - 0.5
        reach = REACH[mode] * stretched
        first = (place[:, :1] - reach).floor().long()
        last = (place[:, -1:] + reach).ceil().long()
    taps = first + torch.arange(int((last - first).max()) + 1)
    if mode == "nearest":
        mixing = (taps[:, None] == place[..., None]).double()
    else:
        mixing = weights((taps[:, None] - place[..., None]) / stretched, mode)
    mixing = mixing / mixing.sum(dim=-1, keepdim=True)
    return _Blocks(fold(taps.minimum(last), old), mixing.float())
