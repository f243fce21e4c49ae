"""Colour as MATLAB's ``rgb2ycbcr`` has it: BT.601, studio swing.

Y spans 16 to 235 and the chroma planes 16 to 240 on the scale of 0 to 255. Published PSNR is
computed on this Y with a peak of 255; full-range luma gives 20 log10(255/219) = 1.32 dB less.
"""

import torch
from torch import Tensor

from srlab.words import Colour

CHANNELS = {Colour.y: 1, Colour.rgb: 3}

_FORWARD = torch.tensor(
    [
        [65.481, 128.553, 24.966],
        [-37.797, -74.203, 112.0],
        [112.0, -93.786, -18.214],
    ],
    dtype=torch.float64,
)
LUMA = _FORWARD[0] / 255  # Y, of 0 to 1, is this times RGB, and 16/255 more
_OFFSET = torch.tensor([16.0, 128.0, 128.0], dtype=torch.float64)


def rgb_to_ycbcr(rgb: Tensor) -> Tensor:
    """Convert ``(N, 3, H, W)`` RGB in ``[0, 1]`` to YCbCr in ``[0, 1]``."""
    matrix, offset = _made_there(_FORWARD / 255, rgb), _made_there(_OFFSET / 255, rgb)
    return torch.einsum("oc,nchw->nohw", matrix, rgb) + offset.view(1, 3, 1, 1)


def ycbcr_to_rgb(ycbcr: Tensor) -> Tensor:
    """Convert ``(N, 3, H, W)`` YCbCr in ``[0, 1]`` to RGB, not clamped."""
    matrix = _made_there((_FORWARD / 255).inverse(), ycbcr)
    offset = _made_there(_OFFSET / 255, ycbcr)
    return torch.einsum("oc,nchw->nohw", matrix, ycbcr - offset.view(1, 3, 1, 1))


def luma(image: Tensor) -> Tensor:
    """Return Y ``(N, 1, H, W)`` of an image ``(N, C, H, W)`` in ``[0, 1]``.

    A greyscale picture (C = 1) is taken as Y itself, as the published tables take Set14's.

    Example:
        >>> srlab.luma(torch.ones(1, 3, 1, 1)) * 255
        tensor([[[[235.]]]])
    """
    if image.shape[1] == 1:
        return image
    weights = _made_there(LUMA, image)
    return torch.einsum("c,nchw->nhw", weights, image).unsqueeze(1) + 16 / 255


def quantise(x: Tensor, bits: int = 8) -> Tensor:
    """Round values in ``[0, 1]`` to 8 or 16 bits and clamp; halves go up, as MATLAB's do."""
    top = 2**bits - 1
    return (x * top).add_(0.5).floor_().clamp_(0, top).div_(top)


def to_channels(image: Tensor, colour: Colour, bits: int = 8) -> Tensor:
    """Turn an image ``(N, 1 or 3, H, W)`` of so many bits in ``[0, 1]`` into what a network sees.

    Y is rounded to them, as MATLAB rounds it for a uint8 image; grey is repeated for RGB.
    """
    if colour == "y":
        return quantise(luma(image), bits) if image.shape[1] == 3 else image
    return image.expand(-1, 3, -1, -1)


def _made_there(values: Tensor, image: Tensor) -> Tensor:
    """Return constants on the device and of the type of an image; a copy to a GPU would wait."""
    if image.device == values.device:
        return values.to(image)
    numbers = [image.new_full((), number) for number in values.flatten().tolist()]
    return torch.stack(numbers).view(values.shape)
