"""Geometric self-ensemble (EDSR: Lim et al., CVPRW 2017, section 3.4)."""

from collections.abc import Callable

import torch
from torch import Tensor


def self_ensemble(upscale: Callable[[Tensor], Tensor], lr: Tensor) -> Tensor:
    """Average the upscaled images of all eight flips and rotations of ``(N, C, H, W)``."""
    total = torch.zeros(())
    for transposed in (False, True):
        for flips in ([], [-1], [-2], [-2, -1]):
            turned = lr.transpose(-2, -1) if transposed else lr
            sr = upscale(turned.flip(flips) if flips else turned)
            sr = sr.flip(flips) if flips else sr
            total = total.to(sr) + (sr.transpose(-2, -1) if transposed else sr)
    return total / 8
