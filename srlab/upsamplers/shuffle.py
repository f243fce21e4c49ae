"""The periodic shuffling of ESPCN (Shi et al., CVPR 2016, equation 4), of pixels and of kernels.

A convolution at low resolution, kernel ``(o s^2, i, k, k)``, that PixelShuffle follows is a
transposed convolution of kernel k s and stride s, which holds the same numbers in another order
(Shi et al. 2016, arXiv 1609.07009).
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def pixel_shuffle(x: Tensor, scale: int) -> Tensor:
    """Map ``(N, C s^2, H, W)`` to ``(N, C, s H, s W)``, as ``F.pixel_shuffle`` does.

    Of one channel, on the CPU, a plain copy takes half the time or less that torch's kernel takes;
    of several it does not. What is exported or compiled keeps torch's, which other runtimes know.
    """
    count, channels, height, width = x.shape
    if channels != scale**2 or x.device.type != "cpu" or torch.compiler.is_compiling():
        return F.pixel_shuffle(x, scale)
    phases = x.unflatten(1, (scale, scale)).permute(0, 3, 1, 4, 2)
    return phases.reshape(count, 1, scale * height, scale * width)


def reassembled(framed: Tensor, weights: Tensor, scale: int) -> Tensor:
    """Make each pixel of the sum of its low-resolution neighbours under weights of its own.

    All channels of an output pixel share their weights, as in CARAFE (section 3.3).

    Args:
        framed: ``(N, C, H + 2h, W + 2h)``.
        weights: ``(N, k^2, s^2, H, W)``, k = 2h + 1: of each neighbour, row by row, for each phase.
        scale: The factor s.

    Returns:
        ``(N, C, s H, s W)``.
    """
    count, neighbours, _, rows, columns = weights.shape
    patches = F.unfold(framed, round(neighbours**0.5)).view(count, -1, neighbours, rows, columns)
    blocks = torch.einsum("ntpyx,notyx->nopyx", weights, patches)
    return F.pixel_shuffle(blocks.flatten(1, 2), scale)


def subpixel_to_deconv(kernel: Tensor, scale: int) -> Tensor:
    """Turn a sub-pixel kernel ``(o s^2, i, k, k)`` into a transposed one ``(i, o, k s, k s)``.

    Convolution correlates and its transpose scatters, hence the flip. A permutation: exact.
    """
    out, inputs, size = kernel.shape[0] // scale**2, kernel.shape[1], kernel.shape[-1]
    taps = kernel.reshape(out, scale, scale, inputs, size, size).flip(-1, -2)
    return taps.permute(3, 0, 4, 1, 5, 2).reshape(inputs, out, size * scale, size * scale)


def deconv_to_subpixel(kernel: Tensor, scale: int) -> Tensor:
    """Turn a transposed kernel ``(i, o, k s, k s)`` into a sub-pixel one ``(o s^2, i, k, k)``."""
    inputs, out, size = kernel.shape[0], kernel.shape[1], kernel.shape[-1] // scale
    taps = kernel.reshape(inputs, out, size, scale, size, scale).permute(1, 3, 5, 0, 2, 4)
    return taps.flip(-1, -2).reshape(out * scale**2, inputs, size, size)
