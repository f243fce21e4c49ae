"""Blur by kernels of many shapes: Gaussian, generalised, plateau, and the sinc of a low pass."""

from math import ceil

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import correlate1d
from scipy.signal import oaconvolve
from scipy.special import j1
from torch import Tensor

from srlab.degradations.ranges import Range, drawn, drawn_whole, ends_of
from srlab.errors import UserError

_WIDEST = 101  # pixels of a kernel


class Blur:
    """Blur by a kernel ``exp(-r^beta / 2)`` or a plateau ``1 / (1 + r^beta)`` of squared radius r.

    ``r = x^T S^-1 x`` in pixels of the picture, where S has the squares of two standard deviations
    along axes that are turned by any angle; a Gaussian has ``beta = 1``. Generalised Gaussians and
    plateaus are those of Liu et al. (2020) as Real-ESRGAN (Wang et al., ICCVW 2021, section 3.1)
    has them. The border is repeated.

    Args:
        sigma: Standard deviation in pixels.
        beta: The exponent.
        anisotropic: Whether the two axes draw a standard deviation each.
        plateau: Whether the kernel is a plateau.
        size: Side of the kernel, odd; null: three standard deviations to each side, or what fits.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(
        self,
        sigma: Range = 1.0,
        beta: Range = 1.0,
        anisotropic: bool = False,
        plateau: bool = False,
        size: int | None = None,
    ):
        self._sigma = ends_of("sigma", sigma, 0.05, 20)
        self._beta = ends_of("beta", beta, 0.1, 10)
        if size is not None and not (1 <= size <= _WIDEST and size % 2):
            raise ValueError(f"size must be an odd number from 1 to {_WIDEST}, got {size}")
        self._anisotropic, self._plateau, self._size = anisotropic, plateau, size

    def __call__(self, image: Tensor, rng: np.random.Generator, size: tuple[int, int]) -> Tensor:
        """Blur ``(1, C, H, W)``."""
        sigma, beta = drawn(rng, self._sigma), drawn(rng, self._beta)
        other, angle = sigma, 0.0
        if self._anisotropic:
            other, angle = drawn(rng, self._sigma), float(rng.uniform(0, np.pi))
        side = self._size or _fitting(2 * ceil(3 * max(sigma, other)) + 1, image)
        return filtered(image, kernel(side, sigma, other, angle, beta, self._plateau))


def kernel(
    side: int, sigma: float, other: float, angle: float, beta: float, plateau: bool
) -> np.ndarray:
    """Return a kernel of ``Blur``, ``(side, side)``, of sum 1."""
    place = np.arange(side) - side // 2
    y, x = place[:, None], place[None]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    r = ((along / sigma) ** 2 + (across / other) ** 2) ** beta
    found = 1 / (1 + r) if plateau else np.exp(-r / 2)
    return np.asarray(found / found.sum())


class Sinc:
    """Low pass of a sharp edge in frequency: rings and overshoots (Real-ESRGAN, section 3.3).

    The kernel is ``w J1(w r) / (2 pi r)`` at a distance of r pixels.

    Args:
        cutoff: w in radians a pixel; pi is the highest frequency that a row holds.
        size: Side of the kernel, odd: a number or a range.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(self, cutoff: Range = (np.pi / 3, np.pi), size: Range = (7, 21)):
        self._cutoff = ends_of("cutoff", cutoff, 0.1, np.pi)
        low, high = ends_of("size", size, 3, _WIDEST)
        self._half = (low // 2, high // 2)

    def __call__(self, image: Tensor, rng: np.random.Generator, size: tuple[int, int]) -> Tensor:
        """Filter ``(1, C, H, W)``."""
        cutoff, half = drawn(rng, self._cutoff), drawn_whole(rng, self._half)
        half = _fitting(2 * half + 1, image) // 2
        place = np.arange(-half, half + 1)
        r = np.hypot(place[:, None], place[None])
        at = np.where(r > 0, r, 1)
        found = np.where(
            r > 0, cutoff * j1(cutoff * at) / (2 * np.pi * at), cutoff**2 / (4 * np.pi)
        )
        return filtered(image, found / found.sum())


class Sharpen:
    """Unsharp masking: adds what a Gaussian blur takes away.

    Args:
        amount: How much of it is added.
        sigma: Standard deviation of the blur in pixels.

    Raises:
        ValueError: A number is out of range.
    """

    def __init__(self, amount: Range = 0.5, sigma: Range = 1.0):
        self._amount = ends_of("amount", amount, 0, 10)
        self._sigma = ends_of("sigma", sigma, 0.05, 20)

    def __call__(self, image: Tensor, rng: np.random.Generator, size: tuple[int, int]) -> Tensor:
        """Sharpen ``(1, C, H, W)``."""
        amount, sigma = drawn(rng, self._amount), drawn(rng, self._sigma)
        side = _fitting(2 * ceil(3 * sigma) + 1, image)
        blurred = filtered(image, kernel(side, sigma, sigma, 0.0, 1.0, plateau=False))
        return (image + amount * (image - blurred)).clamp(0, 1)


def _fitting(side: int, image: Tensor) -> int:
    """Return the side of a kernel, cut to what a picture that became small on the way can hold."""
    least = min(image.shape[-2:])
    return min(side, _WIDEST, least - 1 + least % 2)


def filtered(image: Tensor, taps: np.ndarray) -> Tensor:
    """Filter each channel of ``(1, C, H, W)`` by ``taps (k, k)``; the border is repeated.

    Raises:
        UserError: The kernel is larger than the picture.
    """
    side = len(taps)
    if side > min(image.shape[-2:]):
        raise UserError(
            f"a kernel of {side}x{side} pixels is larger than a picture of "
            f"{image.shape[-1]}x{image.shape[-2]}: give a smaller size or sigma"
        )
    framed = F.pad(image, [side // 2] * 4, mode="replicate")[0].double().numpy()
    column, row = taps.sum(1), taps.sum(0)
    if np.allclose(np.outer(column, row), taps, atol=1e-12, rtol=0):  # of two lines
        found = correlate1d(correlate1d(framed, column, axis=1), row, axis=2)
        edge = slice(side // 2, -(side // 2) or None)
        found = found[:, edge, edge]
    else:  # all kernels are the same turned by half a circle
        found = oaconvolve(framed, taps[None], mode="valid", axes=(1, 2))
    return torch.from_numpy(np.ascontiguousarray(found))[None]
