"""Batches of aligned patches, drawn by one vectorised gather.

Batch t is a pure function of (seed, t, rank): no sampler has a state, so a run resumes exactly, the
number of loader workers changes nothing, and any batch can be looked at again.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from srlab.data.pack import Pack


@dataclass(frozen=True)
class PatchBatches(Dataset):
    """The batches of a training run, indexed by step.

    Every position of every image is equally likely, and so is each of the eight symmetries of the
    square.

    Args:
        pack: The images.
        batch_size: Patches in a batch.
        patch_size: Side of an LR patch, without its frame; the HR patch is ``scale`` times that.
        halo: LR pixels of context on each side; at the edge of an image they are mirrored.
        seed: The run's seed.
        rank: Which of several processes this is.
    """

    pack: Pack
    batch_size: int
    patch_size: int
    halo: int
    seed: int
    rank: int = 0

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return batch ``step``: uint8 LR ``(N, C, p+2h, p+2h)`` and HR ``(N, C, sp, sp)``."""
        pack, patch = self.pack, self.patch_size
        rng = np.random.default_rng((self.seed, step, self.rank))
        spots = np.prod(pack.size - patch + 1, axis=1)
        ends = np.cumsum(spots)
        spot = rng.integers(0, ends[-1], self.batch_size)
        symmetry = rng.integers(0, 8, self.batch_size)
        image = np.searchsorted(ends, spot, side="right")
        top, left = np.divmod(spot - ends[image] + spots[image], pack.size[image, 1] - patch + 1)
        lr = _gather(
            pack.pixels, pack.lr_offset[image], pack.size[image], pack.channels,
            top - self.halo, left - self.halo, patch + 2 * self.halo, symmetry,
        )  # fmt: skip
        s = pack.scale
        hr = _gather(
            pack.pixels, pack.hr_offset[image], pack.size[image] * s, pack.channels,
            top * s, left * s, patch * s, symmetry,
        )  # fmt: skip
        return torch.from_numpy(lr), torch.from_numpy(hr)


def loader(batches: PatchBatches, first: int, last: int, workers: int, pin: bool) -> DataLoader:
    """Return a DataLoader over the batches ``first`` to ``last - 1``, in order."""
    return DataLoader(
        batches,
        batch_size=None,
        sampler=range(first, last),
        num_workers=workers,
        pin_memory=pin,
        generator=torch.Generator(),  # or it would draw from the global one at each start
        worker_init_fn=_leave_signals_to_the_parent if workers else None,
        persistent_workers=False,
    )


def _leave_signals_to_the_parent(_: int) -> None:
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _gather(
    pixels: np.ndarray,
    offset: np.ndarray,
    size: np.ndarray,
    channels: int,
    top: np.ndarray,
    left: np.ndarray,
    side: int,
    symmetry: np.ndarray,
) -> np.ndarray:
    """Gather square patches ``(N, channels, side, side)``; all but the last two arguments are (N,).

    ``symmetry`` is three bits: transpose, flip rows, flip columns.
    """
    line = np.arange(side)
    bits = [(symmetry >> k & 1).astype(bool)[:, None] for k in range(3)]
    rows = np.where(bits[1], side - 1 - line, line) + top[:, None]
    columns = np.where(bits[2], side - 1 - line, line) + left[:, None]
    rows = _mirror(rows, size[:, :1]) * size[:, 1:]
    columns = _mirror(columns, size[:, 1:])
    place = np.where(
        bits[0][:, :, None],
        rows[:, None, :] + columns[:, :, None],
        rows[:, :, None] + columns[:, None, :],
    )
    place = (place * channels + offset[:, None, None])[:, None] + np.arange(channels).reshape(
        1, -1, 1, 1
    )
    return pixels[place]


def _mirror(index: np.ndarray, size: np.ndarray) -> np.ndarray:
    index = index % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)
