"""Writing animated WebP frame by frame: each is packed by Pillow as a file of its own."""

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from srlab.imaging.formats.canvas import Box
from srlab.imaging.formats.metadata import Metadata, saved_by_pillow
from srlab.imaging.formats.whole import save_whole

_ICC, _ALPHA, _EXIF, _XMP, _MOVES = 0x20, 0x10, 0x08, 0x04, 0x02
_AS_IT_IS = 0x02  # a frame replaces what is below it
_LONGEST = (1 << 24) - 1  # milliseconds
_PIXELS = (b"ALPH", b"VP8 ", b"VP8L")


class WebpWriter:
    """Write frames one after the other; ``end`` makes the file whole.

    Args:
        file: Where the bytes go, from its beginning; it can be sought in.
        height: Rows.
        width: Columns.
        alpha: Whether frames have an alpha channel.
        plays: How often it is played; 0: for ever.
        said: What is said of it.
        quality: 1 to 100; None: the usual.
    """

    def __init__(
        self,
        file: BinaryIO,
        height: int,
        width: int,
        alpha: bool,
        plays: int,
        said: Metadata,
        quality: int | None,
    ):
        self._file, self._quality = file, quality
        self._milliseconds, self._shown = 0.0, 0
        options = saved_by_pillow(said, "WEBP")
        icc = options.get("icc_profile")
        self._last = [
            (name, options[key].removeprefix(b"Exif\0\0"))
            for name, key in ((b"EXIF", "exif"), (b"XMP ", "xmp"))
            if key in options
        ]
        flags = _MOVES | _ALPHA * alpha | _ICC * bool(icc)
        flags |= _EXIF * ("exif" in options) | _XMP * ("xmp" in options)
        file.write(b"RIFF\0\0\0\0WEBP")
        size = _three(width - 1) + _three(height - 1)
        self._chunk(b"VP8X", bytes([flags, 0, 0, 0]) + size)
        if icc:
            self._chunk(b"ICCP", icc)
        self._chunk(b"ANIM", bytes(4) + min(plays, 65_535).to_bytes(2, "little"))

    def add(self, pixels: np.ndarray, box: Box, milliseconds: float) -> None:
        """Add a frame ``(H, W, 1 to 4)``, uint8, that differs from the one before in a box."""
        self._milliseconds += milliseconds
        time = round(self._milliseconds) - self._shown
        self._shown += time
        box = box.from_even()
        out = io.BytesIO()
        save_whole(out, "WEBP", np.ascontiguousarray(box.of(pixels)), quality=self._quality)
        parts = [_coded(n, c) for n, c in _chunks(out.getvalue()) if n in _PIXELS]
        numbers = (box.left // 2, box.top // 2, box.width - 1, box.height - 1, min(time, _LONGEST))
        self._chunk(b"ANMF", b"".join([*map(_three, numbers), bytes([_AS_IT_IS]), *parts]))

    def end(self) -> None:
        """Write what is left."""
        for name, content in self._last:
            self._chunk(name, content)
        size = self._file.tell() - 8
        self._file.seek(4)
        self._file.write(struct.pack("<I", size))

    def _chunk(self, name: bytes, content: bytes) -> None:
        self._file.write(_coded(name, content))


def _coded(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        yield name, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")
