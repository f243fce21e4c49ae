"""Structural similarity (Wang et al., IEEE TIP 2004), as MATLAB's ``ssim_index`` computes it."""

import torch
import torch.nn.functional as F
from torch import Tensor

_WINDOW, _SIGMA, _K1, _K2 = 11, 1.5, 0.01, 0.03


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean SSIM of each image of ``(N, C, H, W)`` in ``[0, 1]``, as ``(N,)``.

    An 11x11 Gaussian window of sigma 1.5, only where it lies inside the image, no downsampling.

    Raises:
        ValueError: An image is smaller than the window.
    """
    if min(a.shape[-2:]) < _WINDOW:
        raise ValueError(f"SSIM needs images of at least {_WINDOW}x{_WINDOW}, got {tuple(a.shape)}")
    count, channels = a.shape[:2]
    a, b = (x.double().flatten(0, 1).unsqueeze(1) for x in (a, b))
    moments = _blur(torch.cat([a, b, a * a, b * b, a * b]))
    mean_a, mean_b, square_a, square_b, product = moments.chunk(5)
    c1, c2 = _K1**2, _K2**2
    covariance = product - mean_a * mean_b
    variances = square_a - mean_a**2 + square_b - mean_b**2
    similarity = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (variances + c2)
    )
    return similarity.mean(dim=(1, 2, 3)).view(count, channels).mean(dim=1)


def _blur(x: Tensor) -> Tensor:
    offsets = torch.arange(_WINDOW, dtype=x.dtype, device=x.device) - _WINDOW // 2
    line = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    line = line / line.sum()
    return F.conv2d(F.conv2d(x, line.view(1, 1, -1, 1)), line.view(1, 1, 1, -1))
