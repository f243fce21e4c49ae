"""Checkerboard artefacts, measured without a reference.

An upsampler by s makes the s x s pixels of a block, the *phases*, by weights of their own. Where
these do not sum alike a pattern of period s lies over the picture (Odena et al., Distill 2016;
Sugawara et al., ICIP 2018, arXiv 1806.02658). It is measured here in a kernel, in what a network
makes of flat pictures, and in an upscaled picture.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.imaging.resample import crop, crop_to_multiple

GREY_LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)

_NOISE = (2 / 255) ** 2  # detail below two grey levels hides no ripple
_ROUNDING = 1e-20  # power of a spectral line, relative to white, that is rounding error


def kernel_ripple(kernel: Tensor, scale: int) -> float:
    """Return the ripple that a sub-pixel kernel ``(o s^2, i, k, k)`` leaves on flat features.

    Each phase answers a flat input by the sum of its weights: the rms deviation of these sums from
    their mean over the phases, relative to the rms of these means; both rms are over the pairs of
    channels. 0 is Sugawara's condition for no checkerboard; a kernel whose means vanish has inf.

    Example:
        >>> srlab.kernel_ripple(torch.ones(4, 1, 3, 3), scale=2)
        0.0
    """
    sums = kernel.double().sum(dim=(2, 3)).view(-1, scale**2, kernel.shape[1])
    mean = sums.mean(dim=1, keepdim=True)
    deviation = (sums - mean).square().mean(dim=1).sum()
    if deviation == 0:
        return 0.0
    return (deviation / mean.square().sum()).sqrt().item()


@torch.inference_mode()
def flat_ripple(
    upscale: Callable[[Tensor], Tensor],
    scale: int,
    channels: int,
    border: int,
    grid: int = 1,
    greys: Sequence[float] = GREY_LEVELS,
) -> float:
    """Return the ripple of flat pictures, in grey levels of 255.

    The rms deviation of the phases' means from the mean of all; over the phases, the channels and
    the grey levels. Unlike a kernel's, it knows of biases and of what is not linear.

    Args:
        upscale: Maps ``lr (N, C, H, W)`` float32 in ``[0, 1]`` to ``sr (N, C, s H, s W)``.
        scale: The factor s.
        channels: C.
        border: Low-resolution pixels on each side that do not count: as far as the border of a
            picture makes itself felt.
        grid: Low-resolution pixels that the network pools by: its pattern then repeats every
            ``scale * grid`` pixels.
        greys: The pictures, each of one grey in ``[0, 1]``.
    """
    side = 8 * grid + 2 * border
    lr = torch.tensor(greys).view(-1, 1, 1, 1).expand(-1, channels, side, side).contiguous()
    inside = crop(upscale(lr).double(), scale * border)
    return 255 * phase_variance(inside, scale * grid).mean().sqrt().item()


def picture_ripple(image: Tensor, scale: int) -> Tensor:
    """Return the ripple of each picture ``(N, C, H, W)`` in ``[0, 1]``, as ``(N,)``.

    In grey levels of 255: the rms deviation of the phases' means from the mean of all, with what
    the picture shows kept out in two ways that no ripple disturbs. The picture is taken less its
    local mean, over a window that holds all phases alike; and a block of s x s pixels counts by
    ``1 / (4 + v)``, v the variance of the means of the 3 x 3 blocks around it in squared levels.
    It is our own measure; none was found in the literature.

    On Set5 and Set14 at x2, x3 and x4 the photographs read 0.04 (at most 0.20), bicubic 0.01, and
    a ripple of half a level over either at least 0.37. Without a ripple plain phase means (the
    root of ``phase_variance``) read up to 0.54, and means over tiles of 32 x 32 pixels up to 2.2.
    Weights by the detail within a block tell better still, but miss a ripple in half of a picture.

    Raises:
        ValueError: A picture is smaller than 3 s pixels a side.

    Example:
        >>> flat, ripple = torch.full((1, 1, 32, 32), 0.5), torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
        >>> round(float(srlab.picture_ripple(flat + ripple.tile(16, 16) / 255, scale=2)), 2)
        1.0
    """
    image = crop_to_multiple(image.double(), scale)
    if min(image.shape[-2:]) < 3 * scale:
        raise ValueError(
            f"ripple at scale {scale} needs images of at least {3 * scale} pixels a side, "
            f"got {tuple(image.shape[-2:])}"
        )
    phases = F.pixel_unshuffle(image, scale).unflatten(1, (-1, scale**2))  # (N, C, s^2, h, w)
    blocks = phases.mean(dim=2)
    blocks = blocks - blocks.mean(dim=(2, 3), keepdim=True)
    detail = _sum_3x3(blocks.square()) / 9 - (_sum_3x3(blocks) / 9).square()
    weight = 1 / (_NOISE + detail.clamp(min=0))
    weight /= weight.sum(dim=(2, 3), keepdim=True)
    # Weighted means of the phases of a block and of the 8 around it. The local mean is a sum of
    # these pixels, and so its weighted mean is the same sum of theirs.
    spots = [(y, x) for y in range(3) for x in range(3)]
    placed = torch.stack([F.pad(weight, (x, 2 - x, y, 2 - y)) for y, x in spots], dim=2)
    means = phases.flatten(3) @ placed.flatten(3).mT  # (N, C, s^2, 9)
    line = _local_mean(image, scale)
    table = means.unflatten(3, (3, 3)).unflatten(2, (scale, scale))
    local = torch.einsum("ncyxjk,yvj,xwk->ncvw", table, line, line)
    deviation = means[..., 4] - local.flatten(2)
    return 255 * deviation.var(dim=2, correction=0).mean(dim=1).sqrt()


def ripple_map(image: Tensor, scale: int, window: int = 5) -> Tensor:
    """Return where in pictures ``(N, C, H, W)`` in ``[0, 1]`` ripple lies, as ``(N, h, w)``.

    In grey levels of 255, for each block of s x s pixels: the rms deviation of the phases' means,
    over the ``window`` x ``window`` blocks around it, of the picture less its local mean. Edges and
    texture show in it, too: it is for looking and for comparing, not for judging.
    """
    image = crop_to_multiple(image.double(), scale)
    phase = torch.arange(1 - scale, scale, dtype=image.dtype)
    triangle = (scale - phase.abs()) / scale**2
    channels = image.shape[1]
    local = image
    for shape in ((1, 1, -1, 1), (1, 1, 1, -1)):
        kernel = triangle.view(shape).repeat(channels, 1, 1, 1).to(image)
        padding = [(scale - 1) * (n > 1) for n in kernel.shape[:1:-1] for _ in range(2)]
        local = F.conv2d(F.pad(local, padding, mode="replicate"), kernel, groups=channels)
    phases = F.pixel_unshuffle(image - local, scale)
    half = window // 2
    means = F.avg_pool2d(F.pad(phases, [half] * 4, mode="replicate"), window, 1)
    deviation = means.unflatten(1, (channels, scale**2)).var(dim=2, correction=0)
    return 255 * deviation.mean(dim=1).sqrt()


def _sum_3x3(x: Tensor) -> Tensor:
    """Return the sums of 3 x 3 neighbours in ``(N, C, H, W)``: ``(N, C, H-2, W-2)``."""
    x = x[..., :-2, :] + x[..., 1:-1, :] + x[..., 2:, :]
    return x[..., :-2] + x[..., 1:-1] + x[..., 2:]


def _local_mean(like: Tensor, scale: int) -> Tensor:
    """Return the weights ``(s, s, 3)`` of a line's local mean.

    Phase v of a block weighs phase y of the block before it, of its own, and of the next one by
    ``[y, v, :]``: a triangle over 2 s - 1 pixels, which holds all phases alike.
    """
    phase = torch.arange(scale, dtype=like.dtype, device=like.device)
    block = torch.arange(-scale, 2 * scale, scale, dtype=like.dtype, device=like.device)
    distance = phase[:, None, None] + block - phase[:, None]
    return (scale - distance.abs()).clamp(min=0) / scale**2


def phase_variance(image: Tensor, scale: int) -> Tensor:
    """Return the variance over the phases of their means in ``(N, C, H, W)``, as ``(N,)``.

    In the image's units, squared; the mean over channels. It is the power of the lines that
    ``spectral_ratio`` looks at: the sum of ``|DFT|^2 / (H W)^2`` at the multiples of ``H / s`` and
    ``W / s`` but the mean (Parseval). Of SR less HR it is free of what the picture shows.
    """
    phases = F.pixel_unshuffle(image, scale).mean(dim=(2, 3))
    return phases.unflatten(1, (-1, scale**2)).var(dim=2, correction=0).mean(dim=1)


def spectral_ratio(image: Tensor, scale: int) -> Tensor:
    """Return how far the lines of period s stand out of the spectrum around them, as ``(N,)`` dB.

    The power of ``(N, C, H, W)`` at the multiples of ``H / s`` and ``W / s`` but the mean, relative
    to the mean power of the 24 places around each; H and W are cropped to multiples of s. About 0
    is clean.

    Example:
        >>> stripes = torch.rand(1, 1, 32, 32) + torch.tensor([1.0, 0.0]).repeat(16)
        >>> bool(srlab.spectral_ratio(stripes, scale=2) > 10)
        True
    """
    image = crop_to_multiple(image.double(), scale)
    height, width = image.shape[-2:]
    power = torch.fft.fft2(image).abs().square().sum(dim=1) / (height * width) ** 2 + _ROUNDING
    around = F.avg_pool2d(F.pad(power, (2, 2, 2, 2), mode="circular"), 5, 1) * 25 - power
    lines, floor = (
        p[:, :: height // scale, :: width // scale].flatten(1)[:, 1:].sum(dim=1)
        for p in (power, around / 24)
    )
    return 10 * torch.log10(lines / floor)
