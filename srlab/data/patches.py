"""Batches of aligned patches, drawn by one vectorised gather, on the CPU or on a GPU.

Batch t is a pure function of (seed, t), and several ranks share it: no sampler has a state, so a
run resumes exactly, the number of loader workers or of ranks changes nothing, and any batch can be
looked at again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from srlab.data.pack import Pack
from srlab.imaging.resample import fold

_TOGETHER = 1024  # steps whose scales are drawn at once


def scale_of_step(step: int, scales: Sequence[int], seed: int) -> int:
    """Return which of several scales, each equally likely, batch ``step`` of a training has.

    It depends on nothing but the seed, the step, and how many there are.
    """
    return scales[_drawn(seed, step // _TOGETHER, len(scales))[step % _TOGETHER]]


@lru_cache(maxsize=64)
def _drawn(seed: int, block: int, count: int) -> list[int]:
    rng = np.random.default_rng((seed, block, 0, 1))  # that of a batch ends with 0
    numbers: list[int] = rng.integers(0, count, _TOGETHER).tolist()
    return numbers


class _Areas(NamedTuple):
    """Where the upper left corners of patches may lie: the images, or parts of them.

    Args:
        image: The number of the image of each, ``(n,)``.
        first: Its first row and column, ``(n, 2)``.
        width: Its columns.
        spots: Its places.
        ends: How many places there are up to its end.
        likely: Where it ends in the shares of a mixture, of 1; None without weights.
    """

    image: np.ndarray
    first: np.ndarray
    width: np.ndarray
    spots: np.ndarray
    ends: np.ndarray
    likely: np.ndarray | None


@dataclass(frozen=True)
class PatchBatches:
    """The batches of a training run, indexed by step.

    Every position of every image is equally likely, of a mixture with weights of every image of one
    set; and so is each of the eight symmetries of the square. Of a pack with tiles a patch has its
    middle in one of them.

    Args:
        pack: The images.
        batch_size: Patches in a batch, of all ranks together.
        patch_size: Side of an LR patch, without its frame; the HR patch is ``scale`` times that.
        halo: LR pixels of context on each side; at the edge of an image they are mirrored.
        seed: The run's seed.
        rank: Which of several processes this is: it has the ``rank``-th part of each batch.
        ranks: How many there are; ``batch_size`` is a multiple of it.
    """

    pack: Pack
    batch_size: int
    patch_size: int
    halo: int
    seed: int
    rank: int = 0
    ranks: int = 1

    @property
    def count(self) -> int:
        """The patches of a batch that this rank has."""
        return self.batch_size // self.ranks

    @property
    def batch_values(self) -> int:
        """Values in these LR and HR patches."""
        sides = (self.patch_size + 2 * self.halo, self.pack.scale * self.patch_size)
        return self.count * self.pack.channels * sum(side**2 for side in sides)

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return batch ``step``: levels of LR ``(N, C, p+2h, p+2h)`` and HR ``(N, C, sp, sp)``."""
        return self.block(range(step, step + 1))

    def block(self, steps: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return several batches, one after the other along N, for little more than one costs."""
        return self.cut(self.pack.as_tensor(), *self.places(steps))

    def places(self, steps: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
        """Draw what each patch of this rank in these batches is: ``(7, len(steps) N)``, int64.

        Its rows: offsets of LR and HR, LR height and width, top, left, symmetry. This is all that
        is random; three bits of symmetry say transpose, flip rows, flip columns. Besides, the
        numbers of the patches to transpose and of those whose columns are flipped: a GPU that
        looked for them would be waited for.
        """
        pack = self.pack
        areas = self._areas
        spots, ends, likely = areas.spots, areas.ends, areas.likely
        mine = slice(self.rank * self.count, (self.rank + 1) * self.count)
        draws = []
        for step in steps:
            rng = np.random.default_rng((self.seed, step, 0))
            if likely is None:
                spot = rng.integers(0, ends[-1], self.batch_size)
            else:
                area = np.searchsorted(likely, rng.random(self.batch_size), side="right")
                spot = ends[area] - spots[area] + rng.integers(0, spots[area])
            draws.append((spot[mine], rng.integers(0, 8, self.batch_size)[mine]))
        spot, symmetry = (np.concatenate(parts) for parts in zip(*draws, strict=True))
        area = np.searchsorted(ends, spot, side="right")
        inside = np.divmod(spot - ends[area] + spots[area], areas.width[area])
        top, left = np.stack(inside) + areas.first[area].T
        image = areas.image[area]
        height, width = pack.size[image].T
        rows = (pack.lr_offset[image], pack.hr_offset[image], height, width, top, left, symmetry)
        transposed, flipped = (torch.from_numpy(np.flatnonzero(symmetry >> k & 1)) for k in (0, 2))
        return torch.from_numpy(np.stack(rows)), transposed, flipped

    @cached_property
    def _areas(self) -> _Areas:
        corners, tiles = self.pack.size - self.patch_size + 1, self.pack.tiles
        if tiles is None:
            image, first, extent = np.arange(len(corners)), np.zeros_like(corners), corners
        else:
            image, first, extent = tiles[:, 0], tiles[:, 1:3] - self.patch_size // 2, tiles[:, 3:]
        spots = np.prod(extent, axis=1)
        likely = self._likely(image, spots)
        return _Areas(image, first, extent[:, 1], spots, np.cumsum(spots), likely)

    def _likely(self, image: np.ndarray, spots: np.ndarray) -> np.ndarray | None:
        part, weights = self.pack.part, self.pack.weights
        if part is None or not weights:
            return None
        part = part[image]
        shares = np.array(weights) / np.bincount(part, spots)
        likely = np.cumsum(spots * shares[part])
        likely[-1] = np.inf  # whatever the rounding of the sum
        return likely / sum(weights)

    def cut(
        self, pixels: Tensor, places: Tensor, transposed: Tensor, flipped: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gather the LR and HR patches at ``places`` from the pack's pixels, on their device."""
        kind = pixels.dtype
        if kind == torch.uint16:  # torch gathers signed numbers alone
            pixels = pixels.view(torch.int16)
        places, *turned = (
            x.to(pixels.device, non_blocking=True) for x in (places, transposed, flipped)
        )
        lr_offset, hr_offset, height, width, top, left, symmetry = places
        s, channels, patch, halo = self.pack.scale, self.pack.channels, self.patch_size, self.halo
        lr = _mirrored_patches(
            pixels, lr_offset, height, width, channels, top - halo, left - halo, patch + 2 * halo,
            symmetry,
        )  # fmt: skip
        hr = _inner_patches(
            pixels, hr_offset, s * width, channels, s * top, s * left, s * patch, symmetry, turned
        )
        return lr.view(kind), hr.view(kind)


def _inner_patches(
    pixels: Tensor,
    offset: Tensor,
    width: Tensor,
    channels: int,
    top: Tensor,
    left: Tensor,
    side: int,
    symmetry: Tensor,
    turned: Sequence[Tensor],
) -> Tensor:
    """Return what ``_mirrored_patches`` does, of patches within their images.

    Whole lines are copied, each from one address: the HR patches are most of a batch, and an
    address for each of their pixels would take longer and push the network out of the cache.
    ``turned``: the numbers of the patches to transpose and of those whose columns are flipped.
    """
    line = torch.arange(side, device=pixels.device)
    flip_rows = (symmetry >> 1 & 1).bool()[:, None]
    rows = torch.where(flip_rows, side - 1 - line, line) + top[:, None]
    starts = (rows * width[:, None] + left[:, None]) * channels + offset[:, None]
    length = side * channels
    lines = pixels.as_strided((len(pixels) - length + 1, length), (1, 1))
    x = lines.index_select(0, starts.flatten()).view(-1, side, side, channels)
    transposed, flip_columns = turned
    x.index_copy_(0, flip_columns, x.index_select(0, flip_columns).flip(2))
    x.index_copy_(0, transposed, x.index_select(0, transposed).transpose(1, 2))
    return x.permute(0, 3, 1, 2)


def _mirrored_patches(
    pixels: Tensor,
    offset: Tensor,
    height: Tensor,
    width: Tensor,
    channels: int,
    top: Tensor,
    left: Tensor,
    side: int,
    symmetry: Tensor,
) -> Tensor:
    """Gather square patches ``(N, channels, side, side)`` in channels_last; tensors are (N,)."""
    line = torch.arange(side, device=pixels.device)
    transposed, flip_rows, flip_columns = ((symmetry >> k & 1).bool()[:, None] for k in range(3))
    height, width = height[:, None], width[:, None]
    rows = fold(torch.where(flip_rows, side - 1 - line, line) + top[:, None], height)
    columns = fold(torch.where(flip_columns, side - 1 - line, line) + left[:, None], width)
    rows = rows * width * channels + offset[:, None]
    columns = columns * channels
    down = torch.where(transposed, columns, rows)
    across = torch.where(transposed, rows, columns)
    # Pixels lie in the pack with their channels together, and stay so.
    across = across[:, :, None] + torch.arange(channels, device=pixels.device)
    return pixels.take(down[:, :, None, None] + across[:, None]).permute(0, 3, 1, 2)
