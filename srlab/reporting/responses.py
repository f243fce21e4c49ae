"""What an upsampler does to the simplest pictures: numbers to draw, and to check.

Grey levels are those of 8 bits: 255 times the networks' ``[0, 1]``. The pictures are grey, so that
all channels are equal, and large enough for their middle to see no border.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Respond = Callable[[Tensor], Tensor]

WHITE = 255.0
FLAT_LEVELS = (0.0, 51.0, 102.0, 153.0, 204.0, 255.0)
STEP_LEVELS = (64.0, 192.0)
STEP_REACH = 5  # low-resolution pixels of the profile on either side of the edge
_NOTHING = 1e-3  # of the norm of the strongest kernel
DOT_REACH = 3
DOT_LEVELS = (16.0, 64.0, -16.0, -64.0)  # added to mid grey
_MID_GREY = 128.0
_FLAT_SIDE = 4  # low-resolution pixels of a flat area
_PLATEAU = (6, 9)  # where, in low-resolution pixels from the edge, a step has settled
_GRID = 64  # networks that pool want sides that are multiples of a power of 2


def strongest(kernel: Tensor) -> list[tuple[int, int]]:
    """Return the pairs (input, output) of channels by the norm of their kernels, largest first.

    Those that are nothing beside the largest, under a thousandth of it, are left out.

    Args:
        kernel: ``(i, o, K, K)``.
    """
    norms = kernel.flatten(2).norm(dim=-1).flatten()
    order = norms.sort(descending=True, stable=True)
    return [
        divmod(int(n), kernel.shape[1])
        for n in order.indices[order.values > _NOTHING * order.values[0]]
    ]


def frequency_response(kernel: Tensor, scale: int) -> Tensor:
    """Return the amplitude gain over the plane of frequencies, ``(n, n)`` with 0 at ``[0, 0]``.

    The gain is ``|H(f)| / s^2``, where H is the transform of a kernel: 1 keeps what it passes. It
    is the root of the mean square over all pairs of channels, so that for independent channels of
    equal power it is that of the sum. n is a multiple of 2 s: index ``k n / s`` is the frequency
    ``k / s`` cycles per high-resolution pixel, to which a flat area leaks as a checkerboard.

    Args:
        kernel: The transposed kernel ``(i, o, K, K)``.
        scale: The factor s.
    """
    period = 2 * scale
    n = period * -(-max(256, kernel.shape[-1]) // period)
    power = torch.zeros(n, n, dtype=torch.float64)
    for taps in kernel.double().flatten(0, 1):
        power += torch.fft.fft2(taps, s=(n, n)).abs().square()
    return (power / (kernel.shape[0] * kernel.shape[1])).sqrt() / scale**2


def decibels(gain: Tensor) -> tuple[Tensor, str]:
    """Return the gain of ``frequency_response`` in dB, and what has 0 dB.

    Flat areas have, or the peak where nothing of a flat area is left.
    """
    flat, peak = float(gain[0, 0]), float(gain.max())
    zero, against = (flat, "flat areas") if flat > 1e-6 * peak else (peak, "the peak")
    return 20 * (gain / zero).log10(), against


@torch.no_grad()
def flat_response(respond: Respond, scale: int, channels: int, halo: int) -> Tensor:
    """Return what becomes of flat pictures of ``FLAT_LEVELS``, ``(levels, 4 s, 4 s)`` grey levels.

    Of several output channels it is the one that is furthest from flat.

    Args:
        respond: Maps ``(N, channels, H, W)`` to ``(N, o, s H, s W)``.
        scale: The factor s.
        channels: Channels of the pictures.
        halo: How many low-resolution pixels around a pixel its output depends on.
    """
    side = _side(_FLAT_SIDE, halo)
    levels = torch.tensor(FLAT_LEVELS).view(-1, 1, 1, 1)
    sr = _grey_levels(respond, levels.expand(-1, channels, side, side))
    areas = _middle(sr, _FLAT_SIDE * scale)
    worst = int(deviation(areas).abs().amax(dim=(0, 2, 3)).argmax())
    return areas[:, worst]


def deviation(areas: Tensor) -> Tensor:
    """Return how far areas ``(..., H, W)`` are from their own mean."""
    return areas - areas.mean(dim=(-2, -1), keepdim=True)


@torch.no_grad()
def step_response(respond: Respond, scale: int, channels: int, halo: int) -> Tensor:
    """Return the profiles across a vertical edge between ``STEP_LEVELS``, ``(s, n)`` grey levels.

    Row a is phase a of a row of low-resolution pixels; n = 2 s ``_PLATEAU[1]`` pixels, the edge in
    the middle. Output channels are averaged. The arguments are those of ``flat_response``.
    """
    reach = _PLATEAU[1]
    side = _side(2 * reach, halo)
    picture = torch.full((1, channels, side, side), STEP_LEVELS[0])
    picture[..., side // 2 :] = STEP_LEVELS[1]
    sr = _grey_levels(respond, picture).mean(dim=(0, 1))
    centre = scale * (side // 2)
    return sr[centre : centre + scale, centre - scale * reach : centre + scale * reach]


def overshoot(profiles: Tensor, scale: int) -> tuple[float, float, float]:
    """Return by how much a step overshoots, its height, and the ripple of its plateaus.

    All are of the mean profile, in grey levels. Overshoot is what lies beyond the extremes of the
    plateaus, so that a checkerboard on these, the ripple from lowest to highest, does not count;
    the larger one of its two sides. The height is negative where the step comes out upside down.

    Args:
        profiles: ``(s, n)``, as ``step_response`` gives them.
        scale: The factor s.
    """
    line = profiles.mean(dim=0)
    plateau = scale * (_PLATEAU[1] - _PLATEAU[0])
    low, high = line[:plateau], line[-plateau:]
    over = max(float(line.max() - high.max()), float(low.min() - line.min()))
    ripple = max(float(level.max() - level.min()) for level in (low, high))
    return over, float(high.mean() - low.mean()), ripple


@torch.no_grad()
def dot_responses(respond: Respond, scale: int, channels: int, halo: int) -> Tensor:
    """Return what one pixel adds, for each grey level by which it differs from mid grey.

    One picture for each of ``DOT_LEVELS``: of something linear all are equal, and its kernel.
    Output channels are averaged. The arguments are those of ``flat_response``.

    Returns:
        ``(dots, w, w)``, w = s (2 ``DOT_REACH`` + 1), the pixel in the middle.
    """
    window = 2 * DOT_REACH + 1
    side = _side(window + 1, halo)
    dots = torch.tensor(DOT_LEVELS)
    pictures = torch.full((1 + len(dots), channels, side, side), _MID_GREY)
    pictures[1:, :, side // 2, side // 2] += dots[:, None]
    sr = _grey_levels(respond, pictures).mean(dim=1)
    added = (sr[1:] - sr[:1]) / dots[:, None, None]
    start = scale * (side // 2 - DOT_REACH)
    lines = slice(start, start + scale * window)
    return added[:, lines, lines]


def _side(window: int, halo: int) -> int:
    """Return a side that leaves a halo around a window in the middle, and pools evenly."""
    return _GRID * -(-(window + 2 * halo) // _GRID)


def _middle(x: Tensor, size: int) -> Tensor:
    """Cut the middle ``size`` x ``size`` pixels out of ``(..., H, W)``."""
    start = (x.shape[-1] - size) // 2
    return x[..., start : start + size, start : start + size]


def _grey_levels(respond: Respond, picture: Tensor) -> Tensor:
    return respond(picture / WHITE).detach().double().cpu() * WHITE
