"""The synthesis of a picture from feature maps, and its adjoint, on a circle.

A picture ``y (N, 1, H, W)`` is the sum over k of filters ``d_k`` convolved with feature maps
``z_k``, ``(N, K, H, W)``. Borders wrap around: whoever codes a piece of a picture gives it a frame
that is thrown away afterwards. Filters are ``(K, 1, h, h)``, h odd, centred.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def random_filters(count: int, size: int) -> Tensor:
    """Return ``(count, 1, size, size)`` of Gaussian noise, each of unit norm."""
    noise = torch.randn(count, 1, size, size)
    return noise / noise.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


def transform(filters: Tensor, size: Sequence[int]) -> Tensor:
    """Return the real FFT of centred filters at a picture's size, ``(K, H, W // 2 + 1)``.

    Raises:
        ValueError: The picture is smaller than the filters.
    """
    height, width = filters.shape[-2:]
    if size[0] < height or size[1] < width:
        raise ValueError(f"a picture of {size[0]}x{size[1]} is smaller than the filters")
    padded = F.pad(filters[:, 0], [0, size[1] - width, 0, size[0] - height])
    return torch.fft.rfft2(padded.roll((-(height // 2), -(width // 2)), (-2, -1)))


def synthesise(codes: Tensor, spectrum: Tensor) -> Tensor:
    """Return ``D z``: codes ``(N, K, H, W)`` to a picture ``(N, 1, H, W)``."""
    parts = torch.fft.rfft2(codes) * spectrum
    return torch.fft.irfft2(parts.sum(dim=1, keepdim=True), s=codes.shape[-2:])


def analyse(picture: Tensor, spectrum: Tensor) -> Tensor:
    """Return ``D^T y``, the adjoint of ``synthesise``: ``(N, 1, H, W)`` to ``(N, K, H, W)``."""
    parts = torch.fft.rfft2(picture) * spectrum.conj()
    return torch.fft.irfft2(parts, s=picture.shape[-2:])


def lipschitz(spectrum: Tensor) -> Tensor:
    """Return the largest eigenvalue of ``D^T D``, at which the gradient's slope is bounded."""
    return spectrum.abs().square().sum(dim=0).max()


def sparse_objective(picture: Tensor, codes: Tensor, spectrum: Tensor, weight: float) -> Tensor:
    """Return ``|y - D z|^2 / 2 + weight |z|_1``, a number for each picture, ``(N,)``."""
    error = picture - synthesise(codes, spectrum)
    return error.square().sum(dim=(1, 2, 3)) / 2 + weight * codes.abs().sum(dim=(1, 2, 3))
