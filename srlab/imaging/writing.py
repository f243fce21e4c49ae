"""Writing pictures row by row: PNG as the rows come, other formats at the end, by Pillow.

Only PNG is streamed. The others are collected as whole numbers, so they take the memory of the
finished picture; and they hold less: 65,500 pixels a side in JPEG, 16,383 in WebP, 4 GiB of pixels
in TIFF and BMP; all of them 8 bits, JPEG and BMP no alpha.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from PIL import Image

from srlab.errors import UserError
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
}
_MOST_A_SIDE = {"PNG": 2**31 - 1, "JPEG": 65_500, "WEBP": 16_383}
_MOST_BYTES = {"TIFF": 2**32 - 2**20, "BMP": 2**32 - 2**20}  # their offsets have 32 bits


def output_format(kind: str) -> str:
    """Return Pillow's name of the format that a file suffix stands for.

    Raises:
        UserError: No picture can be written as such a file.
    """
    if kind.lower() not in _FORMATS:
        raise UserError(f"cannot write type {kind!r}; use {', '.join(_FORMATS)}")
    return _FORMATS[kind.lower()]


def check_fits(kind: str, height: int, width: int, channels: int) -> None:
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
    if size is not None and height * width * channels > size:
        raise UserError(
            f"a {form} file cannot hold {width}x{height} pixels, only 4 GiB of them; use .png"
        )


@contextmanager
def picture_writer(
    file: BinaryIO, kind: str, height: int, width: int, like: Picture
) -> Iterator[Callable[[np.ndarray], None]]:
    """Write a picture file whose rows are given in the body, from top to bottom.

    Args:
        file: Where the bytes go; the file is whole at the end of the body.
        kind: File suffix that names the format: ``.png``, ``.jpg``, ...
        height: Rows that will be given.
        width: Columns.
        like: The picture whose channels, bits, colour profile and EXIF block it gets, as far as
            the format holds them.

    Yields:
        A function of rows ``(h, W, channels)``, of the type of the picture's; they may not change
        after.

    Raises:
        UserError: The format is unknown, or cannot hold the picture.
    """
    form, channels = output_format(kind), like.pixels.shape[2]
    check_fits(kind, height, width, channels)
    if form == "PNG":
        with PngWriter(file, height, width, channels, like.bits, like.icc, like.exif) as png:
            yield png.write
        return
    kept = channels - _has_alpha_to_drop(form, like.pixels)
    whole = np.empty((height, width, kept), dtype=np.uint8)
    done = 0

    def collect(rows: np.ndarray) -> None:
        nonlocal done
        whole[done : done + len(rows)] = _to_8_bits(rows[..., :kept])
        done += len(rows)

    yield collect
    image = Image.fromarray(whole[..., 0] if kept == 1 else whole)
    extras = {"icc_profile": like.icc, "exif": like.exif}
    quality = {"quality": 95} if form in ("JPEG", "WEBP") else {}
    try:
        image.save(file, format=form, **{k: v for k, v in extras.items() if v}, **quality)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, not the format's
            raise
        raise UserError(f"a {form} file cannot hold this picture: {error}") from None


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


def _to_8_bits(rows: np.ndarray) -> np.ndarray:
    """Round uint16 to the nearest of 256 levels; leave uint8."""
    if rows.dtype == np.uint8:
        return rows
    return ((rows.astype(np.uint32) + 128) // 257).astype(np.uint8)
