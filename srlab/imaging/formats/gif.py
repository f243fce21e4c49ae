"""Writing GIF89a frame by frame: 256 colours in each, of its own, and pixels that are seen or not.

A frame is quantised and packed by Pillow as a file of its own, whose parts are taken over: Pillow
itself would hold all frames until the last.
"""

import io
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image

from srlab.imaging.formats.canvas import Box

_SEEN = 128  # alpha from which on a pixel is seen
_KEEP, _CLEAR = 1, 2  # what becomes of a frame when its time is over
_LONGEST = 65_535  # hundredths of a second


@dataclass(frozen=True)
class _Waiting:
    """A frame whose successor says what becomes of it."""

    pixels: np.ndarray
    box: Box
    time: int
    on_clear: bool  # whether it needs a canvas on which there is nothing


class GifWriter:
    """Write frames one after the other; ``end`` writes the last.

    Args:
        file: Where the bytes go.
        height: Rows.
        width: Columns.
        plays: How often it is played; 0: for ever.
        comment: A comment, or None.
    """

    def __init__(self, file: BinaryIO, height: int, width: int, plays: int, comment: bytes | None):
        self._file, self._whole = file, Box(0, 0, width, height)
        self._waiting: _Waiting | None = None
        self._milliseconds, self._hundredths = 0.0, 0
        file.write(b"GIF89a" + _two(width) + _two(height) + b"\x70\0\0")
        if plays != 1:
            again = max(0, plays - 1)
            file.write(b"!\xff\x0bNETSCAPE2.0\x03\x01" + _two(min(again, 65_535)) + b"\0")
        if comment:
            parts = [comment[i : i + 255] for i in range(0, len(comment), 255)]
            file.write(b"!\xfe" + b"".join(bytes([len(p)]) + p for p in parts) + b"\0")

    def add(self, pixels: np.ndarray, box: Box, milliseconds: float) -> None:
        """Add a frame.

        Args:
            pixels: ``(H, W, 1 to 4)``, uint8.
            box: Where they differ from the frame before.
            milliseconds: How long it is shown; what hundredths of a second cannot say is made good
                by the frames that follow.
        """
        self._milliseconds += milliseconds
        time = round(self._milliseconds / 10) - self._hundredths
        self._hundredths += time
        on_clear = pixels.shape[2] in (2, 4) and bool((pixels[..., -1] < _SEEN).any())
        self._write(next_on_clear=on_clear)
        first = self._waiting is None
        box = self._whole if first or on_clear else box
        self._waiting = _Waiting(pixels, box, min(time, _LONGEST), on_clear)

    def end(self) -> None:
        """Write what is left."""
        self._write(next_on_clear=False)
        self._file.write(b";")

    def _write(self, next_on_clear: bool) -> None:
        """Write the frame that waits, all of it where the canvas is to be cleared after."""
        if self._waiting is None:
            return
        frame = self._waiting
        box = self._whole if next_on_clear else frame.box
        table, transparent, descriptor, data = _parts(_coded(box.of(frame.pixels)))
        flags = (_CLEAR if next_on_clear else _KEEP) << 2 | (transparent is not None)
        control = bytes([flags]) + _two(frame.time) + bytes([transparent or 0])
        bits = (len(table) // 3 - 1).bit_length() - 1
        self._file.write(b"!\xf9\x04" + control + b"\0")
        place = b"".join(map(_two, (box.left, box.top)))
        self._file.write(b"," + place + descriptor + bytes([0x80 | bits]) + table + data)


def _two(number: int) -> bytes:
    return number.to_bytes(2, "little")


def _coded(pixels: np.ndarray) -> bytes:
    """Return pixels ``(h, w, 1 to 4)`` as a GIF of one frame."""
    seen = np.ones(pixels.shape[:2], dtype=bool)
    if pixels.shape[2] in (2, 4):
        seen, pixels = pixels[..., -1] >= _SEEN, pixels[..., :-1]
    colours = Image.fromarray(np.ascontiguousarray(np.broadcast_to(pixels, (*seen.shape, 3))))
    hidden = not seen.all()
    few = colours.quantize(256 - hidden, Image.Quantize.MEDIANCUT)
    indexed = colours.quantize(palette=few, dither=Image.Dither.FLOYDSTEINBERG)
    options = {}
    if hidden:
        numbers = np.array(indexed)
        numbers[~seen] = 255
        palette = indexed.getpalette() or []
        indexed = Image.fromarray(numbers)
        indexed.putpalette(palette + [0] * (768 - len(palette)))
        options["transparency"] = 255
    out = io.BytesIO()
    indexed.save(out, "GIF", optimize=False, interlace=0, **options)
    return out.getvalue()


def _parts(data: bytes) -> tuple[bytes, int | None, bytes, bytes]:
    """Return colours, the one that is not seen, size and pixels of a GIF of one frame."""
    colours = 3 << (data[10] & 7) + 1
    table, place, transparent = data[13 : 13 + colours], 13 + colours, None
    while data[place] == ord("!"):
        if data[place + 1] == 0xF9 and data[place + 3] & 1:
            transparent = data[place + 6]
        place += 2
        while data[place]:
            place += data[place] + 1
        place += 1
    return table, transparent, data[place + 5 : place + 9], data[place + 10 : -1]
