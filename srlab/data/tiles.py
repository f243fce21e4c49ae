"""Tiles of the images of a pack: where there is most to learn."""

from functools import cache
from math import ceil, prod

import numpy as np

from srlab.imaging.colour import quantise
from srlab.imaging.files import to_tensor
from srlab.imaging.resample import crop_to_multiple, enlarge, shrink


def hardest_tiles(
    pixels: np.ndarray, images: np.ndarray, share: float, scale: int, channels: int, side: int
) -> np.ndarray:
    """Return the tiles of a pack where bicubic interpolation errs most, as ``Pack.tiles``.

    Args:
        pixels: Of the pack.
        images: Where HR starts in them, which part of a mixture it is of, LR's height and width of
            each image, ``(n, 4)``; variants have one HR.
        share: Of the tiles of each part.
        scale: The factor s.
        channels: Of the images.
        side: Of a tile, in LR pixels.
    """

    @cache
    def errors(start: int, height: int, width: int) -> np.ndarray:
        shape = scale * height, scale * width, channels
        return tile_errors(pixels[start : start + prod(shape)].reshape(shape), scale, side)

    chosen = []
    for part in np.unique(images[:, 1]):
        tiles = []
        for number in np.flatnonzero(images[:, 1] == part):
            top, left, error = errors(*images[number, [0, 2, 3]].tolist()).T
            same = np.ones_like(error)
            tiles.append(np.stack([number * same, top, left, side * same, error], axis=1))
        together = np.concatenate(tiles)
        order = np.argsort(-together[:, 4], kind="stable")[: ceil(share * len(together))]
        chosen.append(together[np.sort(order), :4])
    return np.concatenate(chosen).astype(np.int64)


def tile_errors(hr: np.ndarray, scale: int, side: int) -> np.ndarray:
    """Return how far bicubic interpolation is from a picture, tile by tile: ``(n, 3)``.

    Args:
        hr: The pixels ``(sH, sW, C)``.
        scale: By which factor it is shrunk and enlarged; 1: by 2.
        side: Of a tile, in LR pixels; the last of a row, or a column, overlaps the one before.

    Returns:
        Top and left of each tile, in LR pixels, and the mean squared error.
    """
    factor = max(scale, 2)
    whole = crop_to_multiple(to_tensor(hr), factor)
    errors = (enlarge(quantise(shrink(whole, factor)), factor) - whole).square().mean(dim=(0, 1))
    sums = np.pad(errors.numpy().cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    tops, lefts = (
        np.unique([*range(0, length - side + 1, side), length - side])
        for length in (hr.shape[0] // scale, hr.shape[1] // scale)
    )
    down, across = ([at * scale, (at + side) * scale] for at in (tops, lefts))
    # At scale 1 an odd row or column was left out.
    down, across = (np.minimum(at, n - 1) for at, n in zip((down, across), sums.shape, strict=True))
    rows = sums[down[1]] - sums[down[0]]
    means = (rows[:, across[1]] - rows[:, across[0]]) / (side * scale) ** 2
    places = np.stack(np.meshgrid(tops, lefts, indexing="ij"), axis=-1)
    return np.concatenate([places, means[..., None]], axis=-1).reshape(-1, 3)
