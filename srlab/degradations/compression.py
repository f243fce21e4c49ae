"""Compression by the codecs themselves: JPEG and WebP."""

import io
from typing import Literal

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from srlab.degradations.ranges import Range, drawn_whole, ends_of
from srlab.imaging.colour import quantise
from srlab.imaging.files import to_pixels, to_tensor
from srlab.imaging.formats.whole import as_image

_BLOCK = 8  # pixels a side of what JPEG transforms


class Jpeg:
    """JPEG, written and read.

    Args:
        quality: That of libjpeg, 1 to 100: a number or a range.
        subsampling: Of chroma: ``4:4:4``, ``4:2:0``, or ``either`` with equal chances.
        anywhere: Whether the grid of 8x8 blocks begins anywhere, as in a picture that was cropped.

    Raises:
        ValueError: The quality is out of range.
    """

    def __init__(
        self,
        quality: Range = (30, 95),
        subsampling: Literal["4:4:4", "4:2:0", "either"] = "4:2:0",
        anywhere: bool = False,
    ):
        self._quality = ends_of("quality", quality, 1, 100)
        self._subsampling, self._anywhere = subsampling, anywhere

    def __call__(self, image: Tensor, rng: np.random.Generator, size: tuple[int, int]) -> Tensor:
        """Return what is left of ``(1, C, H, W)``, of 8 bits."""
        quality, full = drawn_whole(rng, self._quality), self._subsampling == "4:4:4"
        if self._subsampling == "either":
            full = bool(rng.integers(2))
        top, left = rng.integers(0, _BLOCK, 2) if self._anywhere else (0, 0)
        framed = F.pad(image, (int(left), 0, int(top), 0), mode="replicate")
        return through(framed, "JPEG", quality=quality, subsampling=0 if full else 2)[
            ..., top:, left:
        ]


class WebP:
    """Lossy WebP, written and read.

    Args:
        quality: That of libwebp, 0 to 100: a number or a range.

    Raises:
        ValueError: The quality is out of range.
    """

    def __init__(self, quality: Range = (30, 95)):
        self._quality = ends_of("quality", quality, 0, 100)

    def __call__(self, image: Tensor, rng: np.random.Generator, size: tuple[int, int]) -> Tensor:
        """Return what is left of ``(1, C, H, W)``, of 8 bits."""
        rgb = through(image.expand(-1, 3, -1, -1), "WEBP", quality=drawn_whole(rng, self._quality))
        return rgb if image.shape[1] == 3 else quantise(rgb.mean(1, keepdim=True))


def through(image: Tensor, codec: str, **options: int) -> Tensor:
    """Write ``(1, C, H, W)`` by a codec and read it again."""
    file = io.BytesIO()
    as_image(to_pixels(image)).save(file, codec, **options)
    read = np.array(Image.open(file))
    return to_tensor(read.reshape(*read.shape[:2], -1)).to(image)
