"""Writing pictures row by row: PNG and TIFF as the rows come, other formats at the end, by Pillow.

Those others are collected as whole numbers, so they take the memory of the finished picture; and
they hold less: 65,500 pixels a side in JPEG and GIF, 16,383 in WebP, 4 GiB of pixels in BMP and
TIFF; all but TIFF 8 bits, JPEG and BMP no alpha.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from srlab.errors import UserError
from srlab.imaging.formats.canvas import changed
from srlab.imaging.formats.deep import to_8_bits
from srlab.imaging.formats.gif import GifWriter
from srlab.imaging.formats.metadata import png_parts, resized
from srlab.imaging.formats.tiff import MOST_BYTES, TiffWriter
from srlab.imaging.formats.whole import save_whole
from srlab.imaging.picture import Picture
from srlab.imaging.png import PngWriter

_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".gif": "GIF",
}
_MOST_A_SIDE = {"PNG": 2**31 - 1, "JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535}
_MOST_BYTES = {"TIFF": MOST_BYTES, "BMP": MOST_BYTES}


def output_format(kind: str) -> str:
    """Return Pillow's name of the format that a file suffix stands for.

    Raises:
        UserError: No picture can be written as such a file.
    """
    if kind.lower() not in _FORMATS:
        raise UserError(f"cannot write type {kind!r}; use {', '.join(_FORMATS)}")
    return _FORMATS[kind.lower()]


def check_fits(kind: str, height: int, width: int, channels: int, bits: int = 8) -> None:
    """Check, before the work, that a format holds a picture so large.

    Raises:
        UserError: It does not, or no picture can be written as such a file.
    """
    form = output_format(kind)
    side, size = _MOST_A_SIDE.get(form), _MOST_BYTES.get(form)
    if side is not None and max(height, width) > side:
        raise UserError(
            f"a {form} file cannot hold {width}x{height} pixels, only {side:,} a side; use .png"
        )
    deep = 2 if form == "TIFF" and bits == 16 else 1
    if size is not None and height * width * channels * deep > size:
        raise UserError(
            f"a {form} file cannot hold {width}x{height} pixels, only 4 GiB of them; use .png"
        )


@contextmanager
def picture_writer(
    file: BinaryIO, kind: str, height: int, width: int, like: Picture, quality: int | None = None
) -> Iterator[Callable[[np.ndarray], None]]:
    """Write a picture file whose rows are given in the body, from top to bottom.

    Args:
        file: Where the bytes go, from its beginning; the file is whole at the end of the body.
        kind: File suffix that names the format: ``.png``, ``.jpg``, ...
        height: Rows that will be given.
        width: Columns.
        like: The picture whose channels, bits and metadata it gets, as far as the format holds
            them; sizes that are named there become the new ones.
        quality: 1 to 100, of JPEG and WebP; 95 if None. JPEG keeps all of the colour's pixels (it
            is 4:4:4) from 90 on.

    Yields:
        A function of rows ``(h, W, channels)``, of the type of the picture's; they may not change
        after.

    Raises:
        UserError: The format is unknown, or cannot hold the picture.
    """
    form, channels = output_format(kind), like.pixels.shape[2]
    check_fits(kind, height, width, channels, like.bits)
    said = resized(like.said, height, width)
    if form == "PNG":
        parts = png_parts(said)
        with PngWriter(file, height, width, channels, like.bits, said.icc, said.exif, parts) as png:
            yield png.write
        return
    if form == "TIFF":
        with TiffWriter(file).page(height, width, channels, like.bits, said) as write:
            yield write
        return
    kept = channels - _has_alpha_to_drop(form, like.pixels)
    whole = np.empty((height, width, kept), dtype=np.uint8)
    yield _filling(whole)
    if form == "GIF":
        gif = GifWriter(file, height, width, plays=1, comment=said.comment)
        gif.add(whole, changed(None, whole), 0)
        gif.end()
    else:
        save_whole(file, form, whole, said, quality)


def _filling(whole: np.ndarray) -> Callable[[np.ndarray], None]:
    """Return a function of rows that puts them, rounded to 8 bits, below those before."""
    done = 0

    def fill(rows: np.ndarray) -> None:
        nonlocal done
        whole[done : done + len(rows)] = to_8_bits(rows[..., : whole.shape[2]])
        done += len(rows)

    return fill


def _has_alpha_to_drop(form: str, pixels: np.ndarray) -> bool:
    """Tell whether pixels have an alpha channel that a format does not hold, and nothing of it.

    Raises:
        UserError: Some can be seen through.
    """
    if pixels.shape[2] in (1, 3) or form not in ("JPEG", "BMP"):
        return False
    if pixels[..., -1].min() < np.iinfo(pixels.dtype).max:
        raise UserError(f"a {form} file holds no transparency: write .png, .webp or .tif")
    return True
