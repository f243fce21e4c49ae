"""Total variation of an image, normalised so that weights survive a change of patch size."""

from typing import Literal

import torch
from torch import Tensor

Kind = Literal["anisotropic", "isotropic", "squared"]

_EPS = 1e-12  # keeps the gradient of the root finite where the image is flat


def total_variation(image: Tensor, kind: Kind = "anisotropic") -> Tensor:
    """Return the total variation per pixel of ``(N, C, H, W)`` as a scalar.

    With the differences dh and dw between vertical and horizontal neighbours:

    - ``anisotropic``: ``mean |dh| + mean |dw|``;
    - ``isotropic``: ``mean sqrt(dh^2 + dw^2)`` over the (H-1)x(W-1) pixels that have both
      (Rudin, Osher, Fatemi 1992);
    - ``squared``: ``mean dh^2 + mean dw^2``, which is no true variation: it blurs edges.

    Raises:
        ValueError: The kind is unknown.
    """
    dh = image[..., 1:, :] - image[..., :-1, :]
    dw = image[..., :, 1:] - image[..., :, :-1]
    if kind == "anisotropic":
        return dh.abs().mean() + dw.abs().mean()
    if kind == "isotropic":
        return torch.sqrt(dh[..., :-1].square() + dw[..., :-1, :].square() + _EPS).mean()
    if kind == "squared":
        return dh.square().mean() + dw.square().mean()
    raise ValueError(f"tv must be anisotropic, isotropic or squared, got {kind!r}")
