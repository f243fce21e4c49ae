"""Tiles of the images of a pack: where there is most to learn."""

import io
from contextlib import suppress
from math import ceil, prod
from pathlib import Path

import numpy as np
import torch

from srlab.console.progress import show_progress
from srlab.errors import UserError
from srlab.imaging.resample import crop_to_multiple, enlarge, shrink
from srlab.storage.atomic import write_atomically

_METHOD = 1  # raise it when the same pixels would give other tiles


def tile_errors(hr: np.ndarray, scale: int, side: int) -> np.ndarray:
    """Return where the middles of patches may lie in a picture, and how far bicubic is from it.

    Args:
        hr: The pixels ``(sH, sW, C)``, uint8 or uint16; what counts is the mean of the channels.
        scale: By which factor they are shrunk and enlarged by bicubic; 1: by 2.
        side: Of the patches and, but for the last of a row or column, of the tiles, in LR pixels.

    Returns:
        Of each tile top, left, height and width, in LR pixels, and the mean squared error of a
        patch in its middle; ``(n, 5)``, float64. Each place of a patch belongs to one tile.
    """
    factor = max(scale, 2)
    grey = torch.from_numpy(hr.mean(axis=2))[None, None]  # in float64: alike on all machines
    errors = np.zeros(hr.shape[:2])
    if min(hr.shape[:2]) >= factor:
        grey = crop_to_multiple(grey, factor)  # at scale 1 an odd row or column is left out
        off = (enlarge(shrink(grey, factor), factor) - grey).square()[0, 0].numpy()
        errors[: off.shape[0], : off.shape[1]] = off
    sums = np.pad(errors.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    tiles, windows = [], []
    for length in (hr.shape[0] // scale, hr.shape[1] // scale):
        first = np.arange(0, length - side + 1, side)
        count = np.minimum(side, length - side + 1 - first)
        middle = first + count // 2
        tiles.append((first + side // 2, count))
        windows.append((middle * scale, (middle + side) * scale))
    (tops, heights), (lefts, widths) = tiles
    (above, below), (before, after) = windows
    rows = sums[below] - sums[above]
    means = (rows[:, after] - rows[:, before]) / (side * scale) ** 2
    found = *np.meshgrid(tops, lefts, indexing="ij"), *np.meshgrid(heights, widths, indexing="ij")
    return np.stack([*found, means], axis=-1).reshape(-1, 5)


def hardest_tiles(errors: np.ndarray, share: float) -> np.ndarray:
    """Return the tiles with the largest errors, in their order: ``(m, 5)``, int64.

    Args:
        errors: Part of a mixture, number of the image, and what ``tile_errors`` says of each tile,
            ``(n, 7)``.
        share: Of the tiles of each part, above 0 and at most 1; one at least is kept of each.

    Returns:
        Number of the image, top, left, height and width.
    """
    chosen = []
    for part in np.unique(errors[:, 0]):
        tiles = errors[errors[:, 0] == part]
        count = max(1, ceil(share * len(tiles) - 1e-9))
        order = np.argsort(-tiles[:, 6], kind="stable")[:count]
        chosen.append(tiles[np.sort(order), 1:6])
    return np.concatenate(chosen).astype(np.int64)


def errors_in(
    place: Path, pixels: np.ndarray, images: np.ndarray, scale: int, channels: int, side: int
) -> np.ndarray:
    """Return what ``tile_errors`` says of all images of a pack: ``(n, 7)``, for ``hardest_tiles``.

    Args:
        place: The folder of the pack, where they are kept once they are known.
        pixels: Of the pack.
        images: Part of a mixture of each image, where its HR starts, LR's height and width,
            ``(n, 4)``; variants of one HR follow each other.
        scale: The factor s.
        channels: 1 or 3.
        side: Of the patches.
    """
    kept = place / f"tiles-{_METHOD}.npy"
    with suppress(OSError, ValueError):
        known = np.load(kept)
        if known.shape[1:] == (7,) and set(known[:, 1]) == set(range(len(images))):
            return known
    found, before, of_all = np.empty(0), -1, []
    for number, (part, start, height, width) in enumerate(images.tolist()):
        if start != before:
            show_progress(f"looking for the hardest tiles: {number + 1}/{len(images)}")
            shape = scale * height, scale * width, channels
            found = tile_errors(pixels[start : start + prod(shape)].reshape(shape), scale, side)
        before = start
        of_all.append(np.insert(found, [0, 0], [part, number], axis=1))
    show_progress("")
    errors = np.concatenate(of_all)
    with suppress(UserError), io.BytesIO() as file:  # a cache that may only be read
        np.save(file, errors)
        write_atomically(kept, file.getvalue())
    return errors
