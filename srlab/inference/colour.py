"""Upscaling colour pictures with networks that see luma alone or all channels."""

from collections.abc import Callable

import torch
from torch import Tensor

from srlab.imaging.colour import LUMA, luma
from srlab.imaging.resample import REACH, interpolate, reframe
from srlab.words import Colour

_RED, _GREEN, _BLUE = LUMA.tolist()
_WEAK = 0.01  # variance of grey, of 1: where it is far lower, chroma hardly follows

# What red and blue are beyond grey, ``(N, 2, s H, s W)``, in single precision or better: of the
# picture, its grey, the grey that a network makes, the scale, and the pixels of context around the
# first two: none, or at least 2.
Chroma = Callable[[Tensor, Tensor, Tensor, int, int], Tensor]


def by_bicubic(image: Tensor, grey: Tensor, grey_sr: Tensor, scale: int, halo: int) -> Tensor:
    """Return ``Chroma`` as papers have it: enlarged by bicubic, whatever the network makes."""
    return enlarge_framed(image[:, ::2] - grey, scale, halo)


def following(image: Tensor, grey: Tensor, grey_sr: Tensor, scale: int, halo: int) -> Tensor:
    """Return ``Chroma`` by bicubic that follows the detail which the network adds.

    It does so as chroma and grey go together in the 3x3 low-resolution pixels around (the local
    linear model of He et al., "Guided image filtering", section 3): else a thin coloured line gets
    its darkness back and not its colour.
    """
    if scale == 1:
        return by_bicubic(image, grey, grey_sr, scale, halo)  # nothing of it was lost
    planes = torch.cat([image[:, ::2] - grey, grey], dim=1)
    chroma, blurred = enlarge_framed(planes, scale, halo).split([2, 1], dim=1)
    slope = _slope(reframe(planes, halo, 1)).repeat_interleave(scale, dim=3).unsqueeze(3)
    added, chroma = (x.unflatten(2, (-1, scale)) for x in (grey_sr - blurred, chroma))
    # Not in place: of any size, torch.export could not trace that.
    return torch.addcmul(chroma, slope, added).flatten(2, 3)


def upscale_colour(
    image: Tensor,
    upscale: Callable[[Tensor], Tensor],
    colour: Colour,
    scale: int,
    halo: int = 0,
    chroma: Chroma = following,
) -> Tensor:
    """Upscale a picture ``(N, 1 or 3, H, W)`` in ``[0, 1]`` to one with as many channels.

    A ``y`` network upscales the luma alone. A greyscale picture is luma to it, and three equal
    channels to an ``rgb`` one.

    Args:
        image: The picture, ``(N, 1 or 3, H + 2 halo, W + 2 halo)``.
        upscale: The network: of so large a picture it makes ``(N, 1 or 3, s H, s W)``.
        colour: What it sees.
        scale: Its factor s.
        halo: Pixels of context that the picture carries on each side.
        chroma: What a ``y`` network leaves to others.
    """
    grey = image.shape[1] == 1
    if colour == "rgb":
        sr = upscale(image.expand(-1, 3, -1, -1))
        return (sr.mean(dim=1, keepdim=True) if grey else sr).clamp(0, 1)
    if grey:
        return upscale(image).clamp(0, 1)
    y = luma(image)
    grey_sr = _grey(upscale(y)).to(image)
    red, blue = chroma(image, _grey(y), grey_sr, scale, halo).split(1, dim=1)
    green = (red * (-_RED / _GREEN)).sub_(blue, alpha=_BLUE / _GREEN)  # chroma has no luma
    return torch.cat([red, green, blue], dim=1).add_(grey_sr).clamp_(0, 1)


def enlarge_framed(x: Tensor, scale: int, halo: int) -> Tensor:
    """Enlarge ``(N, C, H + 2 halo, W + 2 halo)`` to ``(N, C, s H, s W)`` by bicubic."""
    return interpolate(reframe(x, halo, REACH["bicubic"]), scale, "bicubic")


def _slope(planes: Tensor) -> Tensor:
    """Return by how much two planes change with a third, in the 3x3 pixels around each.

    Of ``(N, 3, H + 2, W + 2)`` it is ``(N, 2, H, W)``: the least squares of a line, drawn towards 0
    where the third hardly changes.
    """
    products = torch.cat([planes, planes * planes[:, 2:]], dim=1)
    of_planes, of_products = _means(products).split(3, dim=1)
    both, variance = (of_products - of_planes * of_planes[:, 2:]).split([2, 1], dim=1)
    return both / (variance + _WEAK)


def _means(x: Tensor) -> Tensor:
    """Return the means of 3x3 pixels; by sums, which are quicker than torch's pooling."""
    x = x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]
    return (x[..., :-2] + x[..., 1:-1] + x[..., 2:]) / 9


def _grey(y: Tensor) -> Tensor:
    """Return red, which is green and blue, ``(N, 1, H, W)`` of luma without chroma."""
    return (y - 16 / 255) * (255 / 219)
