"""Proximal operators of the penalties of sparse coding."""

import torch
from torch import Tensor


def soft_threshold(x: Tensor, threshold: Tensor | float) -> Tensor:
    """Return ``prox`` of ``threshold |x|_1``: every value moved towards zero, as far as zero.

    Args:
        x: Any shape.
        threshold: At least 0, broadcast to ``x``.
    """
    return x - torch.clamp(x, -threshold, threshold)  # type: ignore[arg-type]
