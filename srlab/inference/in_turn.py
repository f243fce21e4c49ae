"""Any size: networks in turn, and one interpolation from what they make to what is wanted."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import combinations_with_replacement, count
from math import prod

import numpy as np
from torch import Tensor

from srlab.imaging.colour import quantise
from srlab.imaging.files import to_pixels, to_tensor
from srlab.imaging.resample import Interpolation
from srlab.imaging.sizes import by_factor, is_no_larger
from srlab.inference.resizing import resize_rows
from srlab.inference.streams import Pixels, RowStream

# From pixels (H, W, C) to the rows (h, s W, C) of the larger picture, from top to bottom.
PixelUpscaler = Callable[[Pixels], Iterator[np.ndarray]]


def scales_in_turn(
    size: tuple[int, int], new: tuple[int, int], scales: Sequence[int]
) -> tuple[tuple[int, ...], bool]:
    """Return the scales by which a picture is enlarged one after the other.

    None where it gets no larger. Else as few as there need be, of these what is least larger than
    wanted; the smaller ones first: that is less work, and of 8 pictures of Set14 and Kodak24,
    shrunk by 8, x2 then x4 makes 25.47 dB, x4 then x2 25.45.

    Args:
        size: Rows and columns of the picture.
        new: Those that are wanted.
        scales: What there is, each at least 2.

    Returns:
        Them, and whether they make just what is wanted.
    """
    if is_no_larger(size, new):
        return (), False
    enough = (
        chosen
        for number in count(1)
        for chosen in sorted(combinations_with_replacement(sorted(scales), number), key=prod)
        if all(prod(chosen) * side >= wanted for side, wanted in zip(size, new, strict=True))
    )
    chosen = next(enough)
    return chosen, new == (prod(chosen) * size[0], prod(chosen) * size[1])


def upscale_in_turn(
    pixels: np.ndarray,
    upscalers: Sequence[tuple[int, PixelUpscaler]],
    new: tuple[int, int],
    mode: Interpolation = "bicubic",
) -> Iterator[np.ndarray]:
    """Upscale pixels ``(H, W, C)`` by one network after the other, then resize to what is wanted.

    Each takes the rows of the one before as they come, rounded to whole levels; no picture between
    them is held.

    Args:
        pixels: The pixels.
        upscalers: Each with its scale; none leaves all to the last step.
        new: Rows and columns that are wanted.
        mode: The kernel of the last step, which is left out where there is nothing to do.

    Yields:
        The rows ``(h, new width, C)``.
    """
    height, width, channels = pixels.shape
    picture: Pixels = pixels
    rows: Iterator[np.ndarray] | None = None
    for scale, upscale in upscalers:
        rows = upscale(picture)
        height, width = height * scale, width * scale
        picture = RowStream(rows, (height, width, channels), pixels.dtype)
    if rows is not None and (height, width) == new:
        yield from rows
    else:
        yield from resize_rows(picture, *new, mode)


def at_factor(
    upscale: Callable[[Tensor], Tensor], factor: Fraction, mode: Interpolation = "bicubic"
) -> Callable[[Tensor], Tensor]:
    """Return what makes ``(1, C, H, W)`` in ``[0, 1]`` so many times as large, by ``resize_rows``.

    Args:
        upscale: What is made larger or smaller than it makes it, rounded to 8 bits.
        factor: How many times.
        mode: The kernel.
    """

    def upscale_and_resize(lr: Tensor) -> Tensor:
        height, width = by_factor(factor)(lr.shape[-2], lr.shape[-1])
        made = to_pixels(quantise(upscale(lr).double()))
        return to_tensor(np.concatenate(list(resize_rows(made, height, width, mode))))

    return upscale_and_resize
