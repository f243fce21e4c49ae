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

_ROWS, _COLUMNS = 32, 64  # that a block makes: larger ones multiply more noughts


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
    top = np.iinfo(picture.dtype).max
    # A block near the bottom may see, mirrored, what lies above all that the one before it sees.
    firsts = down.seen.amin(dim=1).flip(0).cummin(0).values.flip(0).tolist()
    for number, first in enumerate(firsts):
        seen = down.seen[number]
        rows = picture[first : int(seen.max()) + 1]
        x = torch.from_numpy(rows.astype(np.float32)).index_select(0, seen - first)
        rows_made = down.mixing[number, : height - number * _ROWS]
        y = (rows_made @ x.flatten(1)).unflatten(1, x.shape[1:]).transpose(0, 1)  # (W, rows, C)
        z = y.flatten(1).index_select(0, across.seen.flatten()).unflatten(0, across.seen.shape)
        made = torch.bmm(across.mixing, z).flatten(0, 1)[:width].unflatten(1, y.shape[1:])
        levels = made.transpose(0, 1).add(0.5).clamp_(0, top).to(torch.int32)  # which rounds down
        yield np.ascontiguousarray(levels.numpy().astype(picture.dtype))


@dataclass(frozen=True)
class _Blocks:
    """How a line of n new pixels is made of the old one.

    Args:
        seen: ``(blocks, k)``: the old pixels that a block sees.
        mixing: ``(blocks, size, k)``: what its new pixels take of them.
    """

    seen: Tensor
    mixing: Tensor


def _blocks(old: int, new: int, size: int, mode: Interpolation) -> _Blocks:
    """Return the blocks of ``size`` pixels by which ``old`` pixels become ``new``."""
    stretched = max(old / new, 1.0) if mode != "nearest" else 1.0
    count = ceil(new / size)
    index = torch.arange(count * size).clamp_(max=new - 1).view(count, size)
    if mode == "nearest":
        place = (2 * index + 1) * old // (2 * new)
        first, last = place[:, :1], place[:, -1:]
    else:
        place = (index + 0.5).double() * old / new - 0.5
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
