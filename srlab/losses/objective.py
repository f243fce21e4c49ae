"""What training minimises: a pixel loss plus an optional total-variation term."""

import math

from torch import Tensor, nn

from srlab.losses.total_variation import Kind, total_variation


class Objective(nn.Module):
    """Compute the weighted terms of the loss, each by its name.

    Args:
        pixel: Loss ``(sr, hr) -> scalar``.
        tv_weight: Weight of the total variation of ``sr``; 0 leaves the term out.
        tv: Which total variation: anisotropic, isotropic or squared.
    """

    def __init__(self, pixel: nn.Module, tv_weight: float = 0.0, tv: Kind = "anisotropic"):
        super().__init__()
        if not 0 <= tv_weight < math.inf:
            raise ValueError(f"tv_weight must not be negative, got {tv_weight}")
        if tv not in ("anisotropic", "isotropic", "squared"):
            raise ValueError(f"tv must be anisotropic, isotropic or squared, got {tv!r}")
        self.pixel = pixel
        self.tv_weight = tv_weight
        self.tv: Kind = tv

    def forward(self, sr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        """Return the terms for images ``(N, C, H, W)``; their sum is what is minimised."""
        terms = {"pixel": self.pixel(sr, hr)}
        if self.tv_weight > 0:
            terms["tv"] = self.tv_weight * total_variation(sr, self.tv)
        return terms
