"""The Charbonnier loss (Lai et al., LapSRN, CVPR 2017, section 3.3)."""

import torch
from torch import Tensor, nn


class Charbonnier(nn.Module):
    """Mean of ``sqrt((sr - hr)^2 + eps^2)``: L1 that is smooth around zero.

    Args:
        eps: Where the parabola turns into a line, in units of the pixel range ``[0, 1]``.
    """

    def __init__(self, eps: float = 1e-3):
        super().__init__()
        if eps <= 0:
            raise ValueError(f"eps must be positive, got {eps}")
        self.eps = eps

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """Return the loss of two images ``(N, C, H, W)``."""
        return torch.sqrt((sr - hr).square() + self.eps**2).mean()
