"""The frame that becomes of a frame: chroma and transparency by bicubic, the rest by a network."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from srlab.imaging.resample import enlarge, stretch
from srlab.imaging.video.chroma import enlarge_chroma, stretch_chroma
from srlab.imaging.video.frames import blank, plane


class Canvas:
    """A frame, and the larger one that becomes of it.

    Args:
        frame: The frame: ``yuv420p``, ``yuva420p``, ``rgb24`` or ``rgba``.
        made: Rows and columns that the network makes of it.
        height: Rows of the larger one, as many or one more.
        width: Columns, likewise. What is more repeats the last ones.
    """

    def __init__(self, frame: Any, made: tuple[int, int], height: int, width: int):
        self._made = made
        self._small, self.frame = frame, blank(height, width, frame)
        count = len(frame.planes)
        if count > 2:
            chroma = self._chroma(_tensor(plane(frame, 1), plane(frame, 2)))
            for number, levels in zip((1, 2), _levels(chroma), strict=True):
                whole = plane(self.frame, number)  # smaller where its last sample is for one pixel
                whole[...] = levels[: whole.shape[0], : whole.shape[1]]
        if count == 4:
            plane(self.frame, 3)[...] = self._enlarged(plane(frame, 3))
        elif frame.format.name == "rgba":
            plane(self.frame)[..., 3] = self._enlarged(plane(frame)[..., 3])

    def seen(self) -> np.ndarray:
        """Return what the network sees of the frame: ``(H, W, 1 or 3)``."""
        return _colours(self._small)

    def fill(self, rows: Iterator[np.ndarray]) -> None:
        """Write the network's rows into the larger frame."""
        pixels, done = _colours(self.frame), 0
        width = self._made[1]
        for some in rows:
            pixels[done : done + len(some), :width] = some
            done += len(some)
        pixels[:done, width:] = pixels[:done, width - 1 : width]
        pixels[done:] = pixels[done - 1 : done]

    def _scale(self) -> int | None:
        """Return the factor, if both sides have the same and it is whole."""
        scale = self._made[0] // self._small.height
        size = self._small.height, self._small.width
        return scale if self._made == (scale * size[0], scale * size[1]) else None

    def _chroma(self, planes: torch.Tensor) -> torch.Tensor:
        """Return the chroma planes of the larger frame, by bicubic."""
        scale = self._scale()
        if scale is not None:
            return enlarge_chroma(planes, scale)
        return stretch_chroma(planes, (self._small.height, self._small.width), self._made)

    def _enlarged(self, levels: np.ndarray) -> np.ndarray:
        """Return ``(H, W)`` as large as what the network makes, by bicubic."""
        x, scale = _tensor(levels), self._scale()
        larger = stretch(x, *self._made, "bicubic") if scale is None else enlarge(x, scale)
        return _levels(larger)[0]


def _colours(frame: Any) -> np.ndarray:
    pixels = plane(frame)
    return pixels[..., None] if pixels.ndim == 2 else pixels[..., :3]


def _tensor(*planes: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(planes).astype(np.float32)).unsqueeze(1)


def _levels(planes: torch.Tensor) -> np.ndarray:
    return planes.add_(0.5).clamp_(0, 255).to(torch.uint8).numpy()[:, 0]
