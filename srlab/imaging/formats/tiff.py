"""Writing TIFF 6.0 page by page and row by row, of 8 or 16 bits, in bounded memory.

Strips are packed by Deflate after each number less the one to its left, which every reader knows.
Grey with alpha of 16 bits, which many do not read, is stored as RGB with alpha.
"""

import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from srlab.errors import UserError
from srlab.imaging.formats.metadata import (
    INCHES,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    Y_RESOLUTION,
    Metadata,
)

_HEAD = b"II*\0"
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PACKING, _COLOURS, _OFFSETS = 254, 256, 257, 258, 259, 262, 273
_CHANNELS, _ROWS, _COUNTS, _PREDICTOR, _ALPHA, _XMP, _ICC = 277, 278, 279, 317, 338, 700, 34675
_DEFLATE, _DIFFERENCES, _APART, _PAGE = 8, 2, 2, 2
_LONG = 4
_BLOCKS = (0x8769, 0x8825)  # EXIF and GPS, directories of their own
# What EXIF of other formats may say of how its pixels are stored.
_LAYOUT = {*range(254, 267), 273, 274, 277, 278, 279, 284, *range(317, 348), *range(512, 533)}
_STRIP = 1 << 18  # bytes, about
MOST_BYTES = 2**32 - 2**20  # offsets have 32 bits


class TiffWriter:
    """Write pages one after the other into a file that can be sought in.

    Args:
        file: Where the bytes go, from its beginning on.
        paged: Whether there are several pages.
    """

    def __init__(self, file: BinaryIO, paged: bool = False):
        self._file, self._paged = file, paged
        file.write(_HEAD + bytes(4))
        self._link = 4  # where the place of the next directory goes

    @contextmanager
    def page(
        self, height: int, width: int, channels: int, bits: int, said: Metadata
    ) -> Iterator[Callable[[np.ndarray], None]]:
        """Write a page whose rows are given in the body, from top to bottom.

        Args:
            height: Rows.
            width: Columns.
            channels: 1 to 4: grey, grey and alpha, RGB, RGB and alpha.
            bits: 8 or 16 for each channel.
            said: What is said of it.

        Yields:
            A function of rows ``(h, W, channels)``, uint8 or uint16; they may not change after.
        """
        kept = 4 if channels == 2 and bits == 16 else channels
        rows_a_strip = max(1, _STRIP // (width * kept * bits // 8))
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            strips = _Strips(self._file, pool, rows_a_strip)
            yield lambda rows: strips.write(rows if kept == channels else rows[..., [0, 0, 0, 1]])
            strips.end(height)
        tags = {
            _WIDTH: width,
            _HEIGHT: height,
            _BITS: (bits,) * kept,
            _PACKING: _DEFLATE,
            _COLOURS: 1 if kept < 3 else 2,
            _CHANNELS: kept,
            _ROWS: rows_a_strip,
            _COUNTS: tuple(strips.lengths),
            _PREDICTOR: _DIFFERENCES,
        }
        if kept in (2, 4):
            tags[_ALPHA] = _APART
        if self._paged:
            tags[_SUBFILE] = _PAGE
        self._directory(tags | _described(said), strips.places)

    def _directory(self, tags: dict[int, Any], places: list[int]) -> None:
        """Write a page's directory, and its place into what came before."""
        if self._file.tell() % 2:
            self._file.write(b"\0")
        start = self._file.tell()
        directory = ImageFileDirectory_v2(_HEAD + b"\x08\0\0\0")
        directory.tagtype[_OFFSETS] = directory.tagtype[_COUNTS] = _LONG
        for tag, value in tags.items():
            directory[tag] = value
        directory[_OFFSETS] = (0,) * len(places)  # Pillow would count from the directory's end
        data = bytearray(directory.tobytes(start))
        entry = 2 + 12 * sorted(directory).index(_OFFSETS)
        where = entry + 8
        if len(places) > 1:
            where = int.from_bytes(data[where : where + 4], "little") - start
        data[where : where + 4 * len(places)] = np.array(places, dtype="<u4").tobytes()
        if start + len(data) > MOST_BYTES:
            raise UserError("a TIFF file cannot hold these pages, only 4 GiB of them")
        self._file.write(data)
        end = self._file.tell()
        self._file.seek(self._link)
        self._file.write(start.to_bytes(4, "little"))
        self._file.seek(end)
        self._link = start + 2 + 12 * len(directory)


class _Strips:
    """The strips of a page; what is given is packed while the caller makes the next rows."""

    def __init__(self, file: BinaryIO, pool: ThreadPoolExecutor, rows: int):
        self._file, self._pool, self._rows = file, pool, rows
        self._over: np.ndarray | None = None  # rows that fill no strip yet
        self._waiting: list[Future[bytes]] = []
        self._done = 0
        self.places: list[int] = []
        self.lengths: list[int] = []

    def write(self, rows: np.ndarray) -> None:
        self._done += len(rows)
        self._drain()
        if self._over is not None and len(self._over):
            rows = np.concatenate([self._over, rows])
        whole = len(rows) - len(rows) % self._rows
        for first in range(0, whole, self._rows):
            self._waiting.append(self._pool.submit(_packed, rows[first : first + self._rows]))
        self._over = rows[whole:].copy()

    def end(self, height: int) -> None:
        if self._done != height:
            raise ValueError(f"{self._done} rows of {height}")
        if self._over is not None and len(self._over):
            self._waiting.append(self._pool.submit(_packed, self._over))
        self._drain()

    def _drain(self) -> None:
        for task in self._waiting:
            data = task.result()
            if self._file.tell() + len(data) > MOST_BYTES:
                raise UserError("a TIFF file cannot hold these pages, only 4 GiB of them")
            self.places.append(self._file.tell())
            self.lengths.append(len(data))
            self._file.write(data)
        self._waiting.clear()


def _packed(rows: np.ndarray) -> bytes:
    """Deflate rows ``(h, W, C)``, each number less the one of its channel to the left."""
    differences = rows.copy()
    differences[:, 1:] -= rows[:, :-1]
    return zlib.compress(differences.astype(differences.dtype.newbyteorder("<")).tobytes(), 6)


def _described(said: Metadata) -> dict[int, Any]:
    """Return what is said of a picture as tags."""
    tags: dict[int, Any] = {}
    if said.exif is not None:
        block = Image.Exif()
        block.load(said.exif)
        tags |= {tag: value for tag, value in block.items() if tag not in {*_BLOCKS, *_LAYOUT}}
        tags |= {tag: block.get_ifd(tag) for tag in _BLOCKS if tag in block}
    if said.resolution is not None:
        tags[X_RESOLUTION], tags[Y_RESOLUTION] = said.resolution
        tags[RESOLUTION_UNIT] = INCHES
    if said.xmp is not None:
        tags[_XMP] = said.xmp
    if said.icc is not None:
        tags[_ICC] = said.icc
    return tags
