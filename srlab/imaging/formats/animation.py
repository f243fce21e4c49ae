"""Writing several frames or pages as they are made: never more than two of them are held."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from srlab.imaging.formats.apng import ApngWriter
from srlab.imaging.formats.canvas import changed
from srlab.imaging.formats.gif import GifWriter
from srlab.imaging.formats.metadata import resized
from srlab.imaging.formats.tiff import TiffWriter
from srlab.imaging.formats.webp import WebpWriter
from srlab.imaging.frames import Frames
from srlab.imaging.picture import Picture
from srlab.imaging.sizes import SizeOf
from srlab.imaging.writing import check_fits, output_format

# What is given of a frame: the picture that it is made of, its rows, its milliseconds.
Add = Callable[[Picture, Iterable[np.ndarray], float], None]


def can_hold(kind: str, frames: Frames) -> bool:
    """Tell whether files of a suffix hold frames, or pages, as these are."""
    return output_format(kind) in (("TIFF",) if frames.paged else ("GIF", "WEBP", "PNG", "TIFF"))


@contextmanager
def frames_writer(
    file: BinaryIO, kind: str, frames: Frames, size_of: SizeOf, quality: int | None = None
) -> Iterator[Add]:
    """Write a file of the frames or pages that are given in the body.

    Args:
        file: Where the bytes go, from its beginning; it can be sought in, and is whole at the end.
        kind: File suffix that names a format that can hold them.
        frames: What they are made of.
        size_of: How large each becomes.
        quality: 1 to 100, of WebP; 95 if None.

    Yields:
        A function of the picture that a frame is made of, its rows ``(h, W, C)`` from top to
        bottom, and its milliseconds.

    Raises:
        UserError: The format is too small for them.
    """
    if output_format(kind) == "TIFF":
        yield _pages(file, kind, size_of)
        return
    writer = _moving(file, kind, frames, size_of, quality)
    before: np.ndarray | None = None

    def add(picture: Picture, rows: Iterable[np.ndarray], milliseconds: float) -> None:
        nonlocal before
        height, width, channels = picture.pixels.shape
        whole = np.empty((*size_of(height, width), channels), dtype=np.uint8)
        done = 0
        for some in rows:
            whole[done : done + len(some)] = some
            done += len(some)
        writer.add(whole, changed(before, whole), milliseconds)
        before = whole

    yield add
    writer.end()


def _pages(file: BinaryIO, kind: str, size_of: SizeOf) -> Add:
    tiff = TiffWriter(file, paged=True)

    def add(picture: Picture, rows: Iterable[np.ndarray], _: float) -> None:
        height, width, channels = picture.pixels.shape
        height, width = size_of(height, width)
        check_fits(kind, height, width, channels, picture.bits)
        said = resized(picture.said, height, width)
        with tiff.page(height, width, channels, picture.bits, said) as write:
            for some in rows:
                write(some)

    return add


def _moving(
    file: BinaryIO, kind: str, frames: Frames, size_of: SizeOf, quality: int | None
) -> GifWriter | WebpWriter | ApngWriter:
    form = output_format(kind)
    height, width = size_of(*frames.size)
    check_fits(kind, height, width, len(frames.mode))
    said = resized(frames.said, height, width)
    if form == "GIF":
        return GifWriter(file, height, width, frames.plays, said.comment)
    if form == "WEBP":
        alpha = frames.mode in ("LA", "RGBA")
        return WebpWriter(file, height, width, alpha, frames.plays, said, quality)
    return ApngWriter(file, len(frames), frames.plays, said)
