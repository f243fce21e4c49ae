"""The split of a picture into a smooth component and a residual (Gu et al., ICCV 2015)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.imaging.resample import crop

WEIGHT = 30.0  # g, what the squared gradient counts
GAIN = 20.0  # the residual of photographs in [0, 1] has a standard deviation of some 1/20
REACH = 8  # beyond it the kernel is under 1e-4 of its centre


def smoothing_kernel(dtype: torch.dtype = torch.float32) -> Tensor:
    """Return the kernel that makes the smooth component of a picture, ``(2 REACH + 1)^2``.

    The smooth component is ``s * z`` for the z that minimises
    ``|y - s * z|^2 + g (|dh * z|^2 + |dv * z|^2)``, s being 3x3 of ones and dh, dv differences of
    neighbours. The solution is linear: a division per frequency. Its impulse response dies out
    within a few pixels, so the kernel replaces the whole picture's transform, and a picture's left
    edge does not touch its right one. It sums to 1.
    """
    size = 64
    axis = torch.fft.fftfreq(size, dtype=torch.float64) * 2 * torch.pi
    box = 1 + 2 * axis.cos()
    power = (box[:, None] * box[None, :]) ** 2
    slope = 2 - 2 * axis.cos()
    response = power / (power + WEIGHT * (slope[:, None] + slope[None, :]))
    impulse = torch.fft.fftshift(torch.fft.ifft2(response).real)
    middle = slice(size // 2 - REACH, size // 2 + REACH + 1)
    kernel = impulse[middle, middle]
    return (kernel / kernel.sum()).to(dtype)


def smooth_of(framed: Tensor, kernel: Tensor) -> Tensor:
    """Return the smooth component of ``(N, C, H + 2 REACH, W + 2 REACH)``: ``(N, C, H, W)``."""
    channels = framed.shape[1]
    return F.conv2d(framed, kernel.expand(channels, 1, -1, -1), groups=channels)


def residual_of(framed: Tensor, kernel: Tensor) -> Tensor:
    """Return the residual, of variance about 1, of ``(N, C, H + 2 REACH, W + 2 REACH)``."""
    return GAIN * (crop(framed, REACH) - smooth_of(framed, kernel))
