"""Upscaling colour pictures with networks that see luma alone or all channels."""

from collections.abc import Callable

import torch
from torch import Tensor

from srlab.imaging.colour import Colour, luma, rgb_to_ycbcr, ycbcr_to_rgb
from srlab.imaging.resample import enlarge


def upscale_colour(
    image: Tensor, upscale: Callable[[Tensor], Tensor], colour: Colour, scale: int
) -> Tensor:
    """Upscale a picture ``(1, 1 or 3, H, W)`` in ``[0, 1]`` to one with as many channels.

    A ``y`` network upscales the luma; chroma goes by bicubic, as in the papers. A greyscale picture
    is luma to a ``y`` network and three equal channels to an ``rgb`` one.
    """
    grey = image.shape[1] == 1
    if colour == "rgb":
        sr = upscale(image.expand(-1, 3, -1, -1))
        return (sr.mean(dim=1, keepdim=True) if grey else sr).clamp(0, 1)
    if grey:
        return upscale(image).clamp(0, 1)
    y = upscale(luma(image))
    chroma = enlarge(rgb_to_ycbcr(image)[:, 1:], scale)
    return ycbcr_to_rgb(torch.cat([y, chroma.to(y)], dim=1)).clamp(0, 1)
