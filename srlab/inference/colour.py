"""Upscaling colour pictures with networks that see luma alone or all channels."""

from collections.abc import Callable

from torch import Tensor

from srlab.imaging.colour import luma
from srlab.imaging.resample import REACH, interpolate, reframe
from srlab.words import Colour


def upscale_colour(
    image: Tensor,
    upscale: Callable[[Tensor], Tensor],
    colour: Colour,
    scale: int,
    halo: int = 0,
) -> Tensor:
    """Upscale a picture ``(N, 1 or 3, H, W)`` in ``[0, 1]`` to one with as many channels.

    A ``y`` network upscales the luma; chroma goes by bicubic, as in the papers. A greyscale picture
    is luma to a ``y`` network and three equal channels to an ``rgb`` one.

    Args:
        image: The picture, ``(N, 1 or 3, H + 2 halo, W + 2 halo)``.
        upscale: The network: of so large a picture it makes ``(N, 1 or 3, s H, s W)``.
        colour: What it sees.
        scale: Its factor s.
        halo: Pixels of context that the picture carries on each side.
    """
    grey = image.shape[1] == 1
    if colour == "rgb":
        sr = upscale(image.expand(-1, 3, -1, -1))
        return (sr.mean(dim=1, keepdim=True) if grey else sr).clamp(0, 1)
    if grey:
        return upscale(image).clamp(0, 1)
    y = luma(image)
    # RGB is the grey of Y plus what chroma adds, which is found at low resolution.
    chroma = enlarge_framed(image - _grey(y), scale, halo)
    return chroma.add_(_grey(upscale(y)).to(chroma)).clamp_(0, 1)


def enlarge_framed(x: Tensor, scale: int, halo: int) -> Tensor:
    """Enlarge ``(N, C, H + 2 halo, W + 2 halo)`` to ``(N, C, s H, s W)`` by bicubic."""
    return interpolate(reframe(x, halo, REACH["bicubic"]), scale, "bicubic")


def _grey(y: Tensor) -> Tensor:
    """Return red, which is green and blue, ``(N, 1, H, W)`` of luma without chroma."""
    return (y - 16 / 255) * (255 / 219)
