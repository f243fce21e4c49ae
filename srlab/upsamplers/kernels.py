"""Sub-pixel kernels: the common currency of linear upsamplers.

Any upsampler by an integer factor s that is linear and commutes with shifts is a convolution on the
low-resolution grid, kernel ``(o s^2, i, k, k)``, followed by PixelShuffle (Shi et al. 2016,
arXiv 1609.07009). A transposed convolution of kernel k s and stride s holds the same numbers in
another order. Both are laid out here, with the initialisations that are stated in this form.
"""

from typing import Literal

import torch
from torch import Tensor, nn

Init = Literal["default", "icnr", "bilinear"]


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


def bilinear_taps(scale: int) -> Tensor:
    """Return bilinear interpolation as a transposed kernel ``(K, K)``, K = 2s - s mod 2.

    This is the `bilinear` filler of FCN (Long et al. 2015): ``1 - |m - (K-1)/2| / s`` on each axis.
    """
    size = 2 * scale - scale % 2
    line = 1 - (torch.arange(size) - (size - 1) / 2).abs() / scale
    return torch.outer(line, line)


def channel_match(in_channels: int, out_channels: int) -> Tensor:
    """Return the ``(o, i)`` matrix that hands input channel ``c mod i`` to output channel ``c``."""
    matched = torch.zeros(out_channels, in_channels)
    matched[torch.arange(out_channels), torch.arange(out_channels) % in_channels] = 1
    return matched


def initial_kernel(
    in_channels: int, out_channels: int, scale: int, size: int, init: Init
) -> Tensor:
    """Draw a sub-pixel kernel ``(o s^2, i, size, size)``.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s.
        size: Kernel size on the low-resolution grid; odd.
        init: ``default`` is that of ``nn.Conv2d``; ``icnr`` (Aitken et al. 2017, arXiv 1707.02937)
            gives all s^2 phases of an output channel one kernel, so that the layer starts as a
            convolution followed by nearest-neighbour resizing, free of checkerboard; ``bilinear``
            (the filler of FCN and Caffe) makes output channel c start as the bilinear interpolation
            of input channel c, the other weights as zeros.

    Raises:
        ValueError: ``bilinear`` with a kernel of size 1, which cannot hold it.
    """
    if init == "default":
        return _conv_weight(in_channels, out_channels * scale**2, size)
    if init == "icnr":
        shared = _conv_weight(in_channels, out_channels, size)
        return shared.repeat_interleave(scale**2, dim=0)
    if init == "bilinear":
        if size < 3:
            raise ValueError(
                f"init=bilinear needs a kernel of at least 3 low-resolution pixels, got {size}"
            )
        taps = bilinear_taps(scale)
        margin = (size * scale - taps.shape[0]) // 2
        padded = nn.functional.pad(taps, [margin] * 4)
        matched = channel_match(in_channels, out_channels).T[:, :, None, None]
        return deconv_to_subpixel(matched * padded, scale)
    raise ValueError(f"init must be default, icnr or bilinear, got {init!r}")


def _conv_weight(in_channels: int, out_channels: int, size: int) -> Tensor:
    return nn.Conv2d(in_channels, out_channels, size, bias=False).weight.detach()
