"""The frame that becomes of a frame: chroma and transparency by bicubic, the rest by a network."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from srlab.imaging.resample import enlarge
from srlab.imaging.video.chroma import enlarge_chroma
from srlab.imaging.video.frames import blank, plane


class Canvas:
    """A frame, and the larger one that becomes of it.

    Args:
        frame: The frame: ``yuv420p``, ``yuva420p``, ``rgb24`` or ``rgba``.
        scale: The factor s.
        height: Rows of the larger one, s times as many or one more.
        width: Columns, likewise. What is more repeats the last ones.
    """

    def __init__(self, frame: Any, scale: int, height: int, width: int):
        self._scale = scale
        self._small, self.frame = frame, blank(height, width, frame)
        count = len(frame.planes)
        if count > 2:
            chroma = enlarge_chroma(_tensor(plane(frame, 1), plane(frame, 2)), scale)
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
        width = self._scale * self._small.width
        for some in rows:
            pixels[done : done + len(some), :width] = some
            done += len(some)
        pixels[:done, width:] = pixels[:done, width - 1 : width]
        pixels[done:] = pixels[done - 1 : done]

    def _enlarged(self, levels: np.ndarray) -> np.ndarray:
        """Return ``(H, W)`` as ``(s H, s W)``, by bicubic."""
        return _levels(enlarge(_tensor(levels), self._scale))[0]


def _colours(frame: Any) -> np.ndarray:
    pixels = plane(frame)
    return pixels[..., None] if pixels.ndim == 2 else pixels[..., :3]


def _tensor(*planes: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(planes).astype(np.float32)).unsqueeze(1)


def _levels(planes: torch.Tensor) -> np.ndarray:
    return planes.add_(0.5).clamp_(0, 255).to(torch.uint8).numpy()[:, 0]
