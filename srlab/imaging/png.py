"""Writing PNG (ISO/IEC 15948) row by row, on several threads, in bounded memory.

Every row is filtered by 'Paeth', and what is left of it compressed by runs alone (zlib's RLE
strategy). Of photographs that makes files as small as searching for repetitions does, which takes
ten times as long. Blocks of rows are compressed apart and joined, as pigz does.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import torch

from srlab.imaging.png_check import SIGNATURE

_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}
_PAETH = 4
_BLOCK = 1 << 20  # bytes of rows that one task compresses


class PngWriter:
    """Write a picture of given size as its rows come; a context that ends with the file's end.

    What ``write`` is given is compressed while the caller makes the next rows; never more than
    that is waiting.

    Args:
        file: Where the bytes go.
        height: Rows.
        width: Columns.
        channels: 1 to 4: grey, grey and alpha, RGB, RGB and alpha.
        bits: 8 or 16 for each channel.
        icc: Colour profile, or None.
        exif: EXIF block, or None.
        parts: What else is said of it: names and contents of chunks.
    """

    def __init__(
        self,
        file: BinaryIO,
        height: int,
        width: int,
        channels: int,
        bits: int,
        icc: bytes | None = None,
        exif: bytes | None = None,
        parts: Iterable[tuple[bytes, bytes]] = (),
    ):
        self._file = file
        self._missing = height
        self._step = channels * bits // 8  # bytes of a pixel
        self._above = np.zeros((1, width * self._step), dtype=np.uint8)
        self._sum = 1
        self._pool = ThreadPoolExecutor(torch.get_num_threads())
        self._waiting: list[Future[tuple[bytes, int, int]]] = []
        file.write(SIGNATURE)
        kind = _COLOUR_TYPE[channels]
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
        if icc:
            self._chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
        if exif:
            self._chunk(b"eXIf", exif.removeprefix(b"Exif\0\0"))
        for name, content in parts:
            self._chunk(name, content)
        self._chunk(b"IDAT", b"\x78\x01")  # how a zlib stream begins

    def write(self, rows: np.ndarray) -> None:
        """Add rows ``(h, W, channels)``, uint8 or uint16 as ``bits`` says; they are not copied.

        Raises:
            ValueError: They are more than the picture has left.
        """
        self._missing -= len(rows)
        if self._missing < 0:
            raise ValueError("more rows than the picture has")
        lines = _lines(rows)
        self._drain()
        step = max(1, _BLOCK // lines.shape[1])
        for first in range(0, len(lines), step):
            above = lines[first - 1 : first] if first else self._above
            block = lines[first : first + step]
            self._waiting.append(self._pool.submit(_compressed, block, above, self._step))
        self._above = lines[-1:].copy()

    def _drain(self) -> None:
        """Put what is being compressed into the file."""
        for task in self._waiting:
            data, check, length = task.result()
            self._chunk(b"IDAT", data)
            self._sum = _joined(self._sum, check, length)
        self._waiting.clear()

    def _chunk(self, name: bytes, data: bytes) -> None:
        check = zlib.crc32(data, zlib.crc32(name))
        for part in (struct.pack(">I", len(data)), name, data, struct.pack(">I", check)):
            self._file.write(part)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._drain()
                if self._missing:
                    raise ValueError(f"{self._missing} rows are missing")
                self._chunk(b"IDAT", b"\x03\x00" + struct.pack(">I", self._sum))  # an empty end
                self._chunk(b"IEND", b"")
        finally:
            self._pool.shutdown(cancel_futures=True)


def _lines(rows: np.ndarray) -> np.ndarray:
    """Return rows ``(h, W, C)`` as bytes ``(h, n)``, the upper byte first."""
    if rows.dtype == np.uint16:
        rows = rows.astype(">u2")
    return np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)


def _compressed(lines: np.ndarray, above: np.ndarray, step: int) -> tuple[bytes, int, int]:
    """Filter and deflate lines ``(h, n)`` below another; also return their checksum and length."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_RLE)
    parts, check, length = [], 1, 0
    for filtered in _filtered(lines, above, step):
        parts.append(deflate.compress(filtered))
        check = zlib.adler32(filtered, check)
        length += len(filtered)
    parts.append(deflate.flush(zlib.Z_SYNC_FLUSH))  # ends on a whole byte: blocks can be joined
    return b"".join(parts), check, length


def _filtered(lines: np.ndarray, above: np.ndarray, step: int) -> Iterator[memoryview]:
    """Yield lines less Paeth's prediction, a few at a time, so that they stay in the cache."""
    few = max(1, (1 << 16) // lines.shape[1])
    for first in range(0, len(lines), few):
        here = lines[first : first + few]
        up = np.concatenate([lines[first - 1 : first] if first else above, here[:-1]])
        out = np.empty((len(here), 1 + here.shape[1]), dtype=np.uint8)
        out[:, 0] = _PAETH
        # Left of the first pixel all is 0, where the prediction is what lies above.
        np.subtract(here[:, :step], up[:, :step], out=out[:, 1 : 1 + step])
        guess = _paeth(here[:, :-step], up[:, step:], up[:, :-step])
        np.subtract(here[:, step:], guess, out=out[:, 1 + step :])
        yield out.data.cast("B")


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Return whichever of three bytes is nearest to ``left + up - corner``: in bytes alone.

    That sum is as far from ``left`` as ``up`` is from ``corner``, and from ``up`` as ``left`` is.
    From ``corner`` it is farther than from both, unless ``corner`` lies between the two.
    """
    to_left = np.maximum(up, corner) - np.minimum(up, corner)
    to_up = np.maximum(left, corner) - np.minimum(left, corner)
    nearer, farther = np.minimum(to_left, to_up), np.maximum(to_left, to_up)
    between = (up > corner) != (left > corner)
    guess = up ^ ((left ^ up) & _mask(to_left <= to_up))
    return guess ^ ((guess ^ corner) & _mask(between & (farther - nearer < nearer)))


def _mask(condition: np.ndarray) -> np.ndarray:
    """Return bytes of which all bits are set where a condition holds."""
    return np.negative(condition.view(np.uint8))


def _joined(first: int, second: int, length: int) -> int:
    """Return the Adler-32 of two pieces from theirs and the ``length`` of the second."""
    base = 65521
    a, b = first & 0xFFFF, first >> 16
    c, d = second & 0xFFFF, second >> 16
    low = (a + c - 1) % base
    high = (b + d + length * (a - 1)) % base
    return high << 16 | low
