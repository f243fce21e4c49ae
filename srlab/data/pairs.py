"""Test pairs: the LR and HR of whole images, by the protocol of the published tables."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from srlab.data.images import ImageSet
from srlab.errors import UserError
from srlab.imaging.colour import quantise, to_channels
from srlab.imaging.files import read_pixels, to_pixels, to_tensor
from srlab.imaging.resample import crop_to_multiple, shrink
from srlab.imaging.threads import map_in_threads
from srlab.words import Colour


@dataclass(frozen=True)
class Pair:
    """One test image: uint8 pixels ``lr (H, W, C)`` and ``hr (sH, sW, C)``.

    A greyscale picture keeps the one channel of its ``hr`` also where the network sees RGB.
    """

    name: str
    lr: np.ndarray
    hr: np.ndarray


def read_pairs(images: ImageSet, scale: int, colour: Colour, min_side: int) -> list[Pair]:
    """Decode a test set and degrade it.

    HR is converted to Y where ``colour`` is ``y``, rounded, cropped to a multiple of the scale; LR
    is MATLAB's bicubic of it, rounded to 8 bits. Of a set with a ``crop`` the middle is read; it is
    never too small to be judged by the crop.

    Raises:
        UserError: A file is unreadable, or a side is under ``min_side`` HR pixels.
    """
    side = max(images.crop, min_side + scale) if images.crop else 0

    def read(path: Path) -> Pair:
        whole = crop_to_multiple(_middle(to_tensor(read_pixels(path)), side), scale)
        hr = to_channels(whole, colour)
        if min(hr.shape[-2:]) < min_side:
            raise UserError(
                f"{path} is too small to be judged at scale {scale}: it needs {min_side} pixels "
                f"a side"
            )
        truth = whole if whole.shape[1] == 1 else hr
        return Pair(path.stem, to_pixels(quantise(shrink(hr, scale))), to_pixels(truth))

    return list(map_in_threads(read, images.paths))


def _middle(image: Tensor, side: int) -> Tensor:
    """Return the middle of an image ``(1, C, H, W)``, at most ``side`` pixels a side; 0: all."""
    height, width = (min(length, side or length) for length in image.shape[-2:])
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width]
