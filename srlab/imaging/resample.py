"""Resampling as the literature does it: MATLAB's ``imresize`` in a few lines of torch.

MATLAB's bicubic is Keys' cubic with a = -1/2, stretched by the factor when it shrinks an image,
over an image whose border is mirrored about the edge of its last pixel (half-sample symmetry).
torch's antialiased bicubic is the same kernel but renormalises it at the border; on a mirrored
image that is cropped afterwards the two agree to rounding error, as long as the factor divides
the size. Enlarging is a convolution with the kernel's s phases.

A *framed* image carries pixels of context, its *frame*, on each of its four sides.
"""

from fractions import Fraction
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

Interpolation = Literal["nearest", "bilinear", "bicubic"]

# Low-resolution pixels that one output pixel looks at beyond its own, on each side.
REACH: dict[Interpolation, int] = {"nearest": 0, "bilinear": 1, "bicubic": 2}


def mirror_indices(size: int, halo: int, device: torch.device | None = None) -> Tensor:
    """Return the indices ``-halo .. size+halo-1`` folded back into ``0 .. size-1``.

    The edge pixel is repeated: ``1 0 | 0 1 2 | 2 1``. Any halo is allowed, also one that is larger
    than the image.
    """
    return fold(torch.arange(-halo, size + halo, device=device), size)


def fold(index: Tensor, size: int | Tensor) -> Tensor:
    """Mirror indices back into ``0 .. size-1`` about the outer edges of the first and the last."""
    if not isinstance(size, Tensor):  # a size that is traced can be a divisor as a tensor only
        size = torch.full((1,), size, device=index.device)
    index = index % (2 * size)
    return torch.minimum(index, 2 * size - 1 - index)


def mirror_pad(x: Tensor, halo: int) -> Tensor:
    """Frame an image ``(..., H, W)`` with ``halo`` mirrored pixels: ``(..., H+2h, W+2h)``."""
    if halo == 0:
        return x
    rows = mirror_indices(x.shape[-2], halo, x.device)
    columns = mirror_indices(x.shape[-1], halo, x.device)
    return x.index_select(-2, rows).index_select(-1, columns)


def crop(x: Tensor, border: int) -> Tensor:
    """Cut ``border`` pixels off each side of ``(..., H, W)``."""
    if border == 0:
        return x
    return x[..., border:-border, border:-border]


def reframe(x: Tensor, have: int, need: int) -> Tensor:
    """Turn an image framed by ``have`` pixels into one framed by ``need``: cropped or mirrored."""
    if have >= need:
        return crop(x, have - need)
    return mirror_pad(x, need - have)


class Framed(NamedTuple):
    """An image ``(N, C, H, W)`` with ``frame`` pixels around it.

    Args:
        pixels: ``(N, C, H + 2 frame, W + 2 frame)``.
        frame: How many.
    """

    pixels: Tensor
    frame: int

    def to(self, frame: int) -> "Framed":
        """Return it with another frame: cropped, or what is missing mirrored."""
        return Framed(self.within(frame), frame)

    def within(self, frame: int) -> Tensor:
        """Return the pixels with another frame: ``(N, C, H + 2 frame, W + 2 frame)``."""
        return reframe(self.pixels, self.frame, frame)


def phase_taps(scale: int, mode: Interpolation, device: torch.device | None = None) -> Tensor:
    """Return the weights ``(s, 2h + 1)``, float64, by which an enlarged line mixes its source.

    Pixel ``s y + a`` of the enlarged line lies at ``y + (a + 1/2)/s - 1/2`` (pixel centres, as with
    ``align_corners=False``); row a weighs the source pixels ``y - h`` to ``y + h``, where
    ``h = REACH[mode]``.
    """
    reach = REACH[mode]
    place = (torch.arange(scale, dtype=torch.float64, device=device) + 0.5) / scale - 0.5
    return weights(torch.arange(-reach, reach + 1, device=device) - place[:, None], mode)


def weights(t: Tensor, mode: Interpolation) -> Tensor:
    """Return the interpolation kernel at distances ``t``, in low-resolution pixels.

    Nearest counts every distance as within reach: whoever calls it picks the pixel.
    """
    t = t.abs()
    if mode == "nearest":
        return torch.ones_like(t)
    if mode == "bilinear":
        return (1 - t).clamp(min=0)
    near = 1.5 * t**3 - 2.5 * t**2 + 1  # Keys, a = -1/2; torch's plain bicubic has a = -3/4
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return torch.where(t <= 1, near, torch.where(t < 2, far, 0.0))


def interpolate(framed: Tensor, scale: int, mode: Interpolation) -> Tensor:
    """Enlarge ``(N, C, H+2h, W+2h)``, framed by ``h = REACH[mode]``, to ``(N, C, sH, sW)``.

    By the same weights at every pixel, not by coordinates that lose digits far from the first: a
    tile gives the bits of the whole. Under autocast, too, in the precision of the picture.
    """
    kind = framed.device.type
    if kind != "meta" and torch.is_autocast_enabled(kind):
        with torch.autocast(kind, enabled=False):
            return interpolate(framed, scale, mode)
    count, channels = framed.shape[:2]
    taps = phase_taps(scale, mode, framed.device).to(framed)  # made there: a copy would wait
    x = by_phases(framed.reshape(count * channels, 1, *framed.shape[2:]), taps, taps)
    return x.reshape(count, channels, *x.shape[1:])


def by_phases(framed: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Enlarge planes ``(N, 1, H+2h, W+2h)`` to ``(N, sH, sW)`` by the weights of the phases.

    ``down`` and ``across``: ``(s, 2h + 1)``, as ``phase_taps`` gives them, for columns and rows.
    """
    scale = len(down)
    x = F.conv2d(framed, down.view(scale, 1, -1, 1)).transpose(1, 2).flatten(1, 2).unsqueeze(1)
    # With the channels last, a row's phases come to lie side by side: nothing is left to arrange.
    kernel = across.view(scale, 1, 1, -1).to(memory_format=torch.channels_last)
    return F.conv2d(x.to(memory_format=torch.channels_last), kernel).permute(0, 2, 3, 1).flatten(2)


def enlarge(x: Tensor, scale: int, mode: Interpolation = "bicubic") -> Tensor:
    """Enlarge ``(N, C, H, W)`` to ``(N, C, sH, sW)``; bicubic equals MATLAB's ``imresize``.

    Example:
        >>> tuple(srlab.enlarge(torch.rand(1, 3, 24, 32), 3).shape)
        (1, 3, 72, 96)
    """
    return interpolate(mirror_pad(x, REACH[mode]), scale, mode)


def stretch(
    x: Tensor, height: int, width: int, mode: Interpolation, align_corners: bool = False
) -> Tensor:
    """Interpolate ``(N, C, H, W)`` to any size ``(N, C, height, width)``, as ``nn.Upsample`` does.

    Nearest and bilinear are its formulas, without the float32 by which torch sometimes misses the
    nearest pixel; bicubic has MATLAB's kernel and mirrored border where torch has a = -3/4 and a
    clamped one. No antialiasing: it is meant for enlarging.

    Args:
        x: The image.
        height: Rows of the result.
        width: Columns of the result.
        mode: The kernel.
        align_corners: Let the centres of the corner pixels coincide, not the outer edges of the
            image: of n pixels made m, pixel i lies at ``i (n - 1) / (m - 1)`` instead of
            ``(i + 1/2) n / m - 1/2``. Not with nearest.

    Raises:
        ValueError: The mode is unknown, the size is under 1, or ``align_corners`` with nearest.

    Example:
        >>> srlab.stretch(torch.tensor([[[[0.0, 1.0]]]]), 1, 5, "bilinear", align_corners=True)
        tensor([[[[0.0000, 0.2500, 0.5000, 0.7500, 1.0000]]]])
    """
    if mode not in REACH:
        raise ValueError(f"mode must be one of {', '.join(REACH)}, got {mode!r}")
    if min(height, width) < 1:
        raise ValueError(f"height and width must be at least 1, got {height} and {width}")
    if align_corners and mode == "nearest":
        raise ValueError("align_corners is for bilinear and bicubic, not for nearest")
    rows = _stretching(x.shape[-2], height, mode, align_corners, x.device).to(x)
    columns = _stretching(x.shape[-1], width, mode, align_corners, x.device).to(x)
    return rows @ x @ columns.T


def _stretching(
    size: int, new: int, mode: Interpolation, align_corners: bool, device: torch.device
) -> Tensor:
    """Return the matrix ``(new, size)``, float64, that interpolates a line."""
    index = torch.arange(new, dtype=torch.float64, device=device)
    matrix = torch.zeros(new, size, dtype=torch.float64, device=device)
    if mode == "nearest":
        source = torch.arange(new, device=device) * size // new
        return matrix.scatter_(1, source[:, None], 1.0)
    if align_corners:
        place = index * (size - 1) / max(new - 1, 1)
    else:
        place = (index + 0.5) * size / new - 0.5
    reach = REACH[mode]
    taps = place.floor().long()[:, None] + torch.arange(1 - reach, 1 + reach, device=device)
    return matrix.scatter_add_(1, fold(taps, size), weights(taps - place[:, None], mode))


def sample(x: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Interpolate ``(N, C, H, W)`` by bicubic where rows and columns lie: ``(N, C, n, m)``.

    ``down`` and ``across``: the places ``(n,)`` and ``(m,)``, float64; 0 is the centre of the first
    row or column, and what lies beyond the border is mirrored.
    """
    for axis, place in ((-2, down), (-1, across)):
        taps = place.floor().long() + torch.arange(-1, 3)[:, None]
        shares = weights(taps - place, "bicubic").to(x)
        if axis == -2:
            shares = shares.unsqueeze(-1)
        indices = fold(taps, x.shape[axis])
        parts = (x.index_select(axis, i).mul_(w) for i, w in zip(indices, shares, strict=True))
        x = sum(parts, start=torch.zeros((), dtype=x.dtype))
    return x


def shrink(x: Tensor, scale: int | Fraction) -> Tensor:
    """Shrink ``(N, C, sH, sW)`` to ``(N, C, H, W)`` as MATLAB's ``imresize(x, 1/s)`` does.

    Raises:
        ValueError: The height or the width is not a multiple of the scale; of one p/q, of p.

    Example:
        >>> tuple(srlab.shrink(torch.rand(1, 3, 72, 96), 3).shape)
        (1, 3, 24, 32)
    """
    height, width = x.shape[-2:]
    p, q = scale.numerator, scale.denominator
    if height % p or width % p:
        raise ValueError(f"{height}x{width} is not a multiple of the scale {scale}")
    reach = max(2, q)  # half the stretched kernel or more, in low-resolution pixels
    size = (height // p * q + 2 * reach, width // p * q + 2 * reach)
    framed = mirror_pad(x, reach * p // q)
    return crop(F.interpolate(framed, size=size, mode="bicubic", antialias=True), reach)


def resize(x: Tensor, height: int, width: int) -> Tensor:
    """Resize ``(N, C, H, W)`` to any size by antialiased bicubic, for data augmentation."""
    return F.interpolate(x, size=(height, width), mode="bicubic", antialias=True)


def crop_to_multiple(x: Tensor, scale: int) -> Tensor:
    """Cut rows and columns off the bottom and the right until ``scale`` divides the size."""
    height, width = x.shape[-2:]
    return x[..., : height - height % scale, : width - width % scale]
