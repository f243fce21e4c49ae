"""Peak signal-to-noise ratio."""

import torch
from torch import Tensor


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Return the PSNR in dB of each image of ``(N, C, H, W)`` in ``[0, 1]``, as ``(N,)``.

    The peak is 1, also for studio-swing Y; identical images give infinity.

    Example:
        >>> srlab.psnr(torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.1))
        tensor([20.0000], dtype=torch.float64)
    """
    error = (a.double() - b.double()).square().mean(dim=(1, 2, 3))
    return -10 * torch.log10(error)
