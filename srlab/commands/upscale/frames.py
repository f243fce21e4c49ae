"""Upscaling files of several frames or pages, and what is said of what a format does not hold."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np

from srlab.console.progress import show_progress
from srlab.errors import UserError
from srlab.imaging.formats.animation import can_hold, frames_writer
from srlab.imaging.formats.metadata import left_out
from srlab.imaging.frames import Frames
from srlab.imaging.picture import Picture, fill_hidden
from srlab.imaging.sizes import SizeOf
from srlab.imaging.writing import output_format

_EVERY = 0.2  # seconds between two words on how far it is


def upscale_frames(
    stack: ExitStack,
    file: BinaryIO,
    target: Path,
    frames: Frames,
    upscale: Callable[[np.ndarray], Iterator[np.ndarray]],
    size_of: SizeOf,
    quality: int | None,
) -> None:
    """Upscale one frame or page after the other; the file is whole when the stack is closed.

    Raises:
        UserError: The format does not hold any so large, or a frame is damaged.
    """
    add = stack.enter_context(frames_writer(file, target.suffix, frames, size_of, quality))
    shown = time.perf_counter()
    for number, (picture, milliseconds) in enumerate(frames, 1):
        add(picture, upscale(fill_hidden(picture.pixels)), milliseconds)
        if time.perf_counter() - shown > _EVERY:
            shown = time.perf_counter()
            show_progress(f"{number} of {len(frames)}")


def check_holds(target: Path, picture: Picture | Frames) -> None:
    """Check that a file holds as many frames or pages as there are.

    Raises:
        UserError: It does not.
    """
    if isinstance(picture, Frames) and not can_hold(target.suffix, picture):
        ways = ".tif" if picture.paged else ".gif, .webp, .png or .tif"
        raise UserError(
            f"{picture.path} has{counted(picture).replace(',', '')}, which {target} cannot hold: "
            f"write {ways}, or take the first alone by first_frame=true"
        )


def counted(picture: Picture | Frames) -> str:
    """Return how many frames or pages there are, to be said after the size; nothing of one."""
    if isinstance(picture, Picture):
        return ""
    return f", {len(picture)} {'pages' if picture.paged else 'frames'}"


def tell_left_out(picture: Picture | Frames, target: Path, told: set[str]) -> None:
    """Say what a picture's file does not hold of what is known of it, each thing once.

    Args:
        picture: The picture.
        target: Its file.
        told: What was said before; what is said now is added.
    """
    form = output_format(target.suffix)
    bits = 8 if isinstance(picture, Frames) else picture.bits
    things = list(left_out(picture.said, form, bits))
    if isinstance(picture, Frames) and form == "TIFF" and not picture.paged:
        things.append("times of frames")
    if form == "GIF" and not (isinstance(picture, Frames) and picture.form == "GIF"):
        things.append("more than 256 colours a frame and half transparency")
    new = [thing for thing in things if thing not in told]
    if new:
        print(f"not kept in {form}: {', '.join(new)}")
        told.update(new)
