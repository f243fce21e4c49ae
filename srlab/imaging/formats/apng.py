"""Writing PNG that moves (PNG, third edition), frame by frame; other readers see the first."""

import io
import struct
import zlib
from fractions import Fraction
from typing import BinaryIO

import numpy as np

from srlab.imaging.formats.canvas import Box
from srlab.imaging.formats.metadata import Metadata, png_parts
from srlab.imaging.png import PngWriter
from srlab.imaging.png_check import SIGNATURE, chunks


class ApngWriter:
    """Write frames one after the other; ``end`` makes the file whole.

    Args:
        file: Where the bytes go.
        frames: How many there will be.
        plays: How often they are played; 0: for ever.
        said: What is said of them.
    """

    def __init__(self, file: BinaryIO, frames: int, plays: int, said: Metadata):
        self._file, self._frames, self._plays, self._said = file, frames, plays, said
        self._number = 0  # of the next part of the animation

    def add(self, pixels: np.ndarray, box: Box, milliseconds: float) -> None:
        """Add a frame ``(H, W, 1 to 4)``, uint8, that differs from the one before in a box."""
        first, said = not self._number, self._said
        extras = (said.icc, said.exif, png_parts(said)) if first else ()
        part, out = box.of(pixels), io.BytesIO()
        with PngWriter(out, box.height, box.width, pixels.shape[2], 8, *extras) as png:
            png.write(part)
        if first:
            self._file.write(SIGNATURE)
        control, shown = self._control(box, milliseconds), False
        for name, content, _ in chunks(out.getvalue()):
            if name == b"IDAT":
                if not shown:
                    self._numbered(b"fcTL", control)
                    shown = True
                if first:
                    self._chunk(name, content)
                else:
                    self._numbered(b"fdAT", bytes(content))
            elif first and name != b"IEND":
                self._chunk(name, content)
                if name == b"IHDR":
                    self._chunk(b"acTL", struct.pack(">II", self._frames, self._plays))

    def end(self) -> None:
        """Write what is left."""
        self._chunk(b"IEND", b"")

    def _control(self, box: Box, milliseconds: float) -> bytes:
        seconds = Fraction(milliseconds / 1000).limit_denominator(1000)
        if seconds.numerator > 65_535:
            seconds = Fraction(min(round(milliseconds / 1000), 65_535))
        time = struct.pack(">HH", seconds.numerator, seconds.denominator)
        place = struct.pack(">IIII", box.width, box.height, box.left, box.top)
        return place + time + bytes(2)  # the frame stays, and replaces what is below it

    def _numbered(self, name: bytes, content: bytes) -> None:
        self._chunk(name, struct.pack(">I", self._number) + content)
        self._number += 1

    def _chunk(self, name: bytes, content: bytes | memoryview) -> None:
        check = zlib.crc32(content, zlib.crc32(name))
        for part in (struct.pack(">I", len(content)), name, content, struct.pack(">I", check)):
            self._file.write(part)
