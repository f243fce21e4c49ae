"""Structural similarity (Wang et al., IEEE TIP 2004), as MATLAB's ``ssim_index`` computes it."""

import torch
import torch.nn.functional as F
from torch import Tensor

_WINDOW, _SIGMA, _C1, _C2 = 11, 1.5, 0.01**2, 0.03**2
_REACH = _WINDOW - 1  # pixels of a line that see no window of their own
_BLOCK = 12  # windows in a product with the banded matrix: the width that BLAS likes best
_STRIP = 1 << 17  # pixels that a CPU works on at a time, for its cache: an array of 1 MiB


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean SSIM of each image of ``(N, C, H, W)`` in ``[0, 1]``, as ``(N,)``.

    An 11x11 Gaussian window of sigma 1.5, only where it lies inside the image, no downsampling.
    In double precision, on the device of the images: in single the variance of a flat area drowns
    in rounding.

    Raises:
        ValueError: An image is smaller than the window.

    Example:
        >>> image = torch.rand(1, 1, 32, 32)
        >>> srlab.ssim(image, image)
        tensor([1.], dtype=torch.float64)
    """
    if min(a.shape[-2:]) < _WINDOW:
        raise ValueError(f"SSIM needs images of at least {_WINDOW}x{_WINDOW}, got {tuple(a.shape)}")
    count, channels, height, width = a.shape
    a, b = (x.double().flatten(0, 1).transpose(0, 1) for x in (a, b))  # (H, N C, W)
    rows = height - _REACH
    step = rows
    if a.device.type == "cpu":
        step = _BLOCK * max(1, _STRIP // (_BLOCK * count * channels * width))
    strips = (slice(top, min(top + step, rows) + _REACH) for top in range(0, rows, step))
    band = _band(a.device)
    total = torch.stack([_similarity(a[strip], b[strip], band) for strip in strips]).sum(dim=0)
    return (total / (rows * (width - _REACH))).view(count, channels).mean(dim=1)


def _similarity(a: Tensor, b: Tensor, band: Tensor) -> Tensor:
    """Return the sum of the SSIM of all windows in each plane of ``(H, M, W)``, as ``(M,)``."""
    rows, columns = a.shape[0] - _REACH, a.shape[2] - _REACH
    down, across = -(-rows // _BLOCK), -(-columns // _BLOCK)
    missing = (0, across * _BLOCK - columns, 0, 0, 0, down * _BLOCK - rows)
    a, b = (F.pad(x, missing).contiguous() for x in (a, b))
    # The two constants, blurred along with the squares, come out as they are.
    c1, both = (torch.full((), c, dtype=a.dtype, device=a.device) for c in (_C1, _C1 + _C2))
    mean_a, mean_b = _blur(a, band), _blur(b, band)
    product = _blur(torch.addcmul(both, a, b, value=2), band)
    squares = _blur(torch.addcmul(both, a, a).addcmul_(b, b), band)
    likeness = torch.addcmul(c1, mean_a, mean_b, value=2)
    power = torch.addcmul(c1, mean_a, mean_a).addcmul_(mean_b, mean_b)
    product -= likeness  # 2 covariance + c2
    squares -= power  # the two variances + c2
    similarity = likeness.mul_(product).div_(power.mul_(squares))  # (across, H, M, block)
    last = columns - (across - 1) * _BLOCK
    whole, rest = similarity[:-1, :rows], similarity[-1, :rows, :, :last]
    return whole.sum(dim=(0, 1, 3)) + rest.sum(dim=(0, 2))


def _blur(x: Tensor, band: Tensor) -> Tensor:
    """Blur ``(10 + 12 d, M, 10 + 12 w)``: ``(w, 12 d, M, 12)``, blocks of columns first."""
    height, planes, width = x.shape
    down, across = height // _BLOCK, width // _BLOCK
    line, size = planes * width, band.shape[1]
    blocks = x.as_strided((down, size, line), (_BLOCK * line, line, 1))
    x = torch.bmm(band.expand(down, -1, -1), blocks)
    blocks = x.as_strided((across, down * _BLOCK * planes, size), (_BLOCK, width, 1))
    x = torch.bmm(blocks, band.T.expand(across, -1, -1))
    return x.view(across, down * _BLOCK, planes, _BLOCK)


def _band(device: torch.device) -> Tensor:
    """Return the matrix ``(12, 22)`` that blurs a line of 22 pixels to the 12 windows in it."""
    place = torch.arange(_BLOCK + _REACH, dtype=torch.float64, device=device)
    offset = place - place[:_BLOCK, None] - _WINDOW // 2
    taps = torch.exp(-(offset**2) / (2 * _SIGMA**2)) * (offset.abs() <= _WINDOW // 2)
    return taps / taps.sum(dim=1, keepdim=True)
