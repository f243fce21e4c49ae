"""Noise: of equal strength everywhere, and of photons."""

import numpy as np
import torch
from torch import Tensor

from srlab.degradations.ranges import Range, drawn, ends_of


class GaussianNoise:
    """Gaussian noise.

    Args:
        sigma: Standard deviation in grey levels of 255.
        grey: The chance that all channels have the same.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(self, sigma: Range = 10.0, grey: float = 0.0):
        self._sigma = ends_of("sigma", sigma, 0, 255)
        self._grey, _ = ends_of("grey", grey, 0, 1)

    def __call__(self, image: Tensor, rng: np.random.Generator, size: tuple[int, int]) -> Tensor:
        """Add it to ``(1, C, H, W)``; clamped."""
        sigma = drawn(rng, self._sigma)
        one = rng.random() < self._grey
        shape = (1, 1 if one else image.shape[1], *image.shape[-2:])
        return (image + torch.from_numpy(rng.normal(0, sigma / 255, shape)).to(image)).clamp(0, 1)


class PoissonNoise:
    """Noise of photons: as many as a picture has levels, the next power of two; and its strength.

    As BasicSR draws it, which Real-ESRGAN's figures come from.

    Args:
        strength: What the noise is multiplied by.
        grey: The chance that all channels have that of their mean.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(self, strength: Range = 1.0, grey: float = 0.0):
        self._strength = ends_of("strength", strength, 0, 10)
        self._grey, _ = ends_of("grey", grey, 0, 1)

    def __call__(self, image: Tensor, rng: np.random.Generator, size: tuple[int, int]) -> Tensor:
        """Add it to ``(1, C, H, W)``; clamped."""
        strength, one = drawn(rng, self._strength), rng.random() < self._grey
        levels = (image * 255).round().clamp(0, 255) / 255
        seen = levels.mean(1, keepdim=True) if one else levels
        photons = 2.0 ** np.ceil(np.log2(max(2, len(torch.unique(levels)))))
        noisy = torch.from_numpy(rng.poisson(seen.numpy() * photons) / photons).to(image)
        return (image + strength * (noisy - seen)).clamp(0, 1)
