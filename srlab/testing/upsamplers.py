"""The contract of upsamplers (``srlab.upsamplers``), as a test."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from srlab.models.base import UpsamplerFactory
from srlab.models.upsampling import halo_of, is_guided, is_whole
from srlab.testing.behaviour import (
    TOLERANCE,
    attempt,
    check_behaviour,
    distance,
    disturb,
    require,
    run,
)
from srlab.upsamplers.base import Upsampler

CHANNELS = ((1, 1), (3, 3), (8, 1), (8, 3), (8, 8))
SIZES = ((1, 1), (5, 6), (8, 3))


def check_upsampler(
    make: UpsamplerFactory, scales: Sequence[int] = (2, 3, 4), tolerance: float = TOLERANCE
) -> None:
    """Check that a factory makes upsamplers that any model can take.

    A framed picture becomes one that is scale times as large and has no frame; a pixel depends on
    the frame around it and on nothing beyond, so that a shift by a pixel shifts the output by the
    scale; gradients reach the input and every parameter that is trained. See
    ``behaviour.check_behaviour`` for what else.

    Scales and channels that it refuses by a ValueError with a sentence are passed over, as long as
    it accepts one.

    Args:
        make: The factory ``(in_channels, out_channels, scale) -> nn.Module``.
        scales: What to try.
        tolerance: How much what lies beyond the frame of a pixel may change it, in float64, as a
            fraction of the largest output. What computes in float64 throughout keeps 1e-12.

    Raises:
        AssertionError: With the first promise that is broken.
    """
    refusals = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for scale in scales:
            for io in CHANNELS:
                factory = partial(make, *io, scale)
                module = attempt(factory, f"the upsampler for {io[0]} to {io[1]} channels x{scale}")
                if isinstance(module, str):
                    refusals.append(module)
                else:
                    name = f"{type(module).__name__}({io[0]}, {io[1]}, {scale})"
                    _check(name, factory, module, io, scale, tolerance)
    if len(refusals) == len(scales) * len(CHANNELS):
        raise AssertionError(f"it refuses every scale and channel count; as in: {refusals[0]}")


def _check(
    name: str,
    factory: partial[nn.Module],
    module: nn.Module,
    io: tuple[int, int],
    scale: int,
    tolerance: float,
) -> None:
    _check_words(name, module, io, scale)
    with torch.no_grad():
        _check_shapes(name, module.eval(), io, scale)
    check_behaviour(name, factory, _inputs(module, 2, io[0], scale, 5, 6))
    if not is_whole(module):
        disturb(module.double())
        with torch.no_grad():
            _check_shifts(name, module, io[0], scale, tolerance)


def _check_words(name: str, module: nn.Module, io: tuple[int, int], scale: int) -> None:
    """Check what an upsampler says about itself."""
    try:
        halo = halo_of(module)
    except ValueError as error:
        raise AssertionError(f"{name}: {error}") from None
    require(
        not is_whole(module) or halo == 0,
        f"{name} says whole, so that it takes no frame: its halo must be 0, not {halo}",
    )
    if isinstance(module, Upsampler):
        for key, wanted in zip(("in_channels", "out_channels", "scale"), (*io, scale), strict=True):
            said = getattr(module, key)
            require(said == wanted, f"{name} says {key} = {said}; it was made for {wanted}")


def _inputs(
    module: nn.Module, count: int, channels: int, scale: int, height: int, width: int
) -> list[Tensor]:
    """Return a framed picture, and a guide if one is wanted."""
    halo = halo_of(module)
    rows, columns = height + 2 * halo, width + 2 * halo
    framed = torch.rand(count, channels, rows, columns)
    if not is_guided(module):
        return [framed]
    return [framed, torch.rand(count, 1, scale * rows, scale * columns)]


def _check_shapes(name: str, module: nn.Module, io: tuple[int, int], scale: int) -> None:
    halo = halo_of(module)
    for height, width in SIZES:
        inputs = _inputs(module, 2, io[0], scale, height, width)
        got = tuple(run(name, module, *inputs).shape)
        require(
            got == (2, io[1], scale * height, scale * width),
            f"{name} makes {list(got)} of a picture of {height}x{width} with its frame of halo = "
            f"{halo}; wanted is {[2, io[1], scale * height, scale * width]}: it must use up its "
            f"frame, and pad nothing",
        )
        if is_guided(module):
            framed, guide = inputs
            full = run(name, module, framed, guide.expand(-1, io[0], -1, -1))
            require(tuple(full.shape) == got, f"{name} takes no guide of {io[0]} channels")


def _check_shifts(
    name: str, module: nn.Module, channels: int, scale: int, tolerance: float
) -> None:
    """Check that the output of a part of a picture is that part of the output.

    Cut off is the frame of some pixels on one side: what lies there must not matter to the others,
    and these must come out as before in another place.
    """
    inputs = [x.double() for x in _inputs(module, 1, channels, scale, 5, 6)]
    framed, guide = inputs[0], inputs[1:]
    full = run(name, module, *inputs)
    rows, columns = slice(1, None), slice(2, None)
    for side, part in {
        "top": (..., rows, slice(None)),
        "left": (..., columns),
        "bottom": (..., slice(None, -1), slice(None)),
        "right": (..., slice(None, -2)),
    }.items():
        large = tuple(_times(s, scale) if isinstance(s, slice) else s for s in part)
        alone = run(name, module, framed[part], *(g[large] for g in guide))
        off = distance(alone, full[large])
        require(
            off < tolerance,
            f"{name} depends on where the picture ends: cut off at the {side}, what is left "
            f"differs by {off:.1g}. It must pad nothing itself, and enlarge every pixel alike; "
            f"one whose output depends on the size of the picture says whole = True",
        )


def _times(part: slice, scale: int) -> slice:
    return slice(part.start and scale * part.start, part.stop and scale * part.stop)
