"""Frames: their planes as arrays, new ones of another size, other formats of pixels."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from srlab.imaging.video.files import pyav

if TYPE_CHECKING:
    from av import VideoFrame

BT709, STUDIO, FULL = 1, 1, 2  # a matrix and two ranges, as FFmpeg numbers them
_CHANNELS = {"rgb24": 3, "rgba": 4}  # of what has one plane; all else has planes of one channel


def plane(frame: "VideoFrame", number: int = 0) -> np.ndarray:
    """Return the pixels of a frame's plane: no copy.

    ``(H, W)``, or of ``rgb24`` ``(H, W, 3)``, of ``rgba`` ``(H, W, 4)``.
    """
    part: Any = frame.planes[number]  # not every PyAV declares that it is a buffer
    lines = np.frombuffer(part, dtype=np.uint8).reshape(-1, part.line_size)
    channels = _CHANNELS.get(frame.format.name, 1)
    pixels = lines[: part.height, : part.width * channels]
    return pixels if channels == 1 else pixels.reshape(part.height, part.width, channels)


def blank(height: int, width: int, like: "VideoFrame") -> "VideoFrame":
    """Return a frame of another size with a frame's format, time and duration."""
    frame = pyav().VideoFrame(width, height, like.format.name)
    frame.pts, frame.time_base, frame.duration = like.pts, like.time_base, like.duration
    return frame


def reformatted(reformatter: Any, frame: "VideoFrame", form: str, **how: int) -> "VideoFrame":
    """Convert a frame to another format, its chroma by bicubic, rounded and not cut off."""
    kind = pyav().video.reformatter.Interpolation
    careful = kind.BICUBIC | kind.ACCURATE_RND | kind.FULL_CHR_H_INT
    return reformatter.reformat(frame, format=form, interpolation=careful, threads=1, **how)


def has_alpha(frame: "VideoFrame") -> bool:
    """Say whether a frame has a channel of transparency."""
    return any(part.is_alpha for part in frame.format.components)


def turn_of(frame: "VideoFrame") -> tuple[float, bool]:
    """Return by how many degrees players turn a frame, counter-clockwise, and whether they mirror.

    They mirror left and right, after the turn.
    """
    found: Any = frame.side_data.get(pyav().sidedata.sidedata.Type.DISPLAYMATRIX)
    if found is None:
        return 0, False
    a, b, _, c, d = np.frombuffer(found, np.int32, 5).tolist()
    mirrored = a * d < b * c
    # FFmpeg's rotation of a matrix, whose first column a mirror turns round.
    across = math.hypot(a, c) or 1
    along = math.hypot(b, d) or 1
    return round(
        -math.degrees(math.atan2(b / along, (-a if mirrored else a) / across)), 3
    ), mirrored
