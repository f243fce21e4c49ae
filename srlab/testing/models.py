"""The contract of models (``srlab.models``), as a test."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from srlab.imaging.resample import mirror_pad, reframe
from srlab.inference.cuts import up_to
from srlab.inference.tiles import upscale_tiled
from srlab.models.base import Model, UpsamplerFactory
from srlab.testing.behaviour import (
    TOLERANCE,
    attempt,
    check_behaviour,
    distance,
    disturb,
    require,
    run,
)
from srlab.upsamplers.pixel_shuffle import PixelShuffle

CHANNELS = (1, 3)

ModelFactory = Callable[[UpsamplerFactory, int, int], Any]


def check_model(
    make: ModelFactory,
    upsampler: UpsamplerFactory = PixelShuffle,
    scales: Sequence[int] = (2, 3, 4),
    tolerance: float = TOLERANCE,
) -> None:
    """Check that a factory makes networks that can be trained, judged and run in tiles.

    Scales and channels that it refuses by a ValueError with a sentence are passed over, as long as
    it accepts one.

    Args:
        make: The factory ``(upsampler, scale, channels) -> model``.
        upsampler: The factory of the upsampler that it is given.
        scales: What to try, with 1 and with 3 channels.
        tolerance: What counts as rounding where two ways must give one picture in double precision,
            as a fraction of the largest output (of 1, if that is less).

    Raises:
        AssertionError: With the first promise that is broken.
    """
    refusals = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for scale in scales:
            for channels in CHANNELS:
                factory = partial(make, upsampler, scale, channels)
                model = attempt(factory, f"the model for {channels} channels x{scale}")
                if isinstance(model, str):
                    refusals.append(model)
                else:
                    _check(factory, model, scale, channels, tolerance)
    if len(refusals) == len(scales) * len(CHANNELS):
        raise AssertionError(f"it refuses every scale and channel count; as in: {refusals[0]}")


def _check(
    factory: Callable[[], Any], model: Any, scale: int, channels: int, tolerance: float
) -> None:
    name = f"{type(model).__name__} (scale {scale}, {channels} channels)"
    _check_words(name, model, scale, channels)
    with torch.no_grad():
        _check_shapes(name, model.eval())
    check_behaviour(name, factory, [torch.rand(2, channels, 5, 6)])
    disturb(model.double())
    with torch.no_grad():
        _check_frame(name, model, tolerance)
        if not model.whole:
            _check_reach(name, model, tolerance)
            _check_tiles(name, model, tolerance)


def _check_words(name: str, model: Any, scale: int, channels: int) -> None:
    """Check what a model says about itself."""
    for key in ("scale", "channels", "halo", "frame", "grid", "whole"):
        require(
            isinstance(getattr(model, key, None), int),
            f"{name} does not say its {key}: see srlab.models.Model",
        )
    require(model.scale == scale, f"{name} says scale = {model.scale}")
    require(model.channels == channels, f"{name} says channels = {model.channels}")
    require(
        0 <= model.frame <= model.halo,
        f"{name} wants a frame of {model.frame} pixels, but says that it looks at {model.halo}",
    )
    require(model.grid >= 1, f"{name} says grid = {model.grid}; it must be at least 1")


def _check_shapes(name: str, model: Model) -> None:
    halos = {(1, 1): {0, model.frame, model.frame + 1}, (8, 3): {0, model.frame}}
    for (height, width), frames in halos.items():
        for halo in sorted(frames):
            lr = torch.rand(1, model.channels, height + 2 * halo, width + 2 * halo)
            got = tuple(run(name, model, lr, halo=halo).shape)
            wanted = (1, model.channels, model.scale * height, model.scale * width)
            require(
                got == wanted,
                f"{name} makes {list(got)} of a picture of {height}x{width} with halo={halo}; "
                f"wanted is {list(wanted)}",
            )


def _check_frame(name: str, model: Model, tolerance: float) -> None:
    """Check that a frame is context: made up by mirroring, used if there, cut off if too wide."""
    frame = model.frame
    # The second is mirrored over and over.
    for height, width, halos in ((5, 6, {frame, model.halo + 2}), (1, 2, {frame, frame + 1})):
        lr = _noise(model, height, width)
        alone = run(name, model, lr)
        for halo in sorted(halos):
            off = distance(run(name, model, mirror_pad(lr, halo), halo=halo), alone)
            advice = ": what is more than its frame must be cut off" if halo > frame else ""
            require(
                off < tolerance,
                f"{name} gives another output for a picture of {height}x{width} that is mirrored "
                f"at its border by {halo} pixels, where its frame is {frame}: it differs by "
                f"{off:.1g}{advice}",
            )
    for halo in sorted({1, frame - 1} & set(range(1, frame))):
        part = _noise(model, 5 + 2 * halo, 6 + 2 * halo)
        wanted = run(name, model, reframe(part, halo, frame), halo=frame)
        off = distance(run(name, model, part, halo=halo), wanted)
        require(
            off < tolerance,
            f"{name} does not mirror what its frame of {frame} pixels lacks when {halo} are there: "
            f"it differs by {off:.1g}. Mirror the picture with the frame that it has, once, as "
            f"srlab.imaging.resample.reframe does",
        )
    framed = mirror_pad(_noise(model, 5, 6), frame)
    output = run(name, model, framed, halo=frame)
    framed[..., :frame, :] = 0
    require(
        frame == 0 or model.whole or not torch.equal(run(name, model, framed, halo=frame), output),
        f"{name} ignores its frame of {frame} pixels",
    )


def _check_reach(name: str, model: Model, tolerance: float) -> None:
    """Check that nothing beyond the halo matters.

    Of grey pictures along their rows, where a cell of the grid begins; of coloured ones along their
    columns, where it ends.
    """
    place, axis = (0, -1) if model.channels == 1 else (model.grid - 1, -2)
    off = influence(model, model.halo, place, axis)
    require(
        off < tolerance,
        f"{name} looks farther than its halo of {model.halo}: pixels beyond it change the output "
        f"by {off:.1g}. Say a halo that holds all that it looks at; one whose output depends on "
        f"the size of the picture says whole = True",
    )


def influence(model: Model, reach: int, place: int = 0, axis: int = -1) -> float:
    """Return how much what is farther than ``reach`` pixels changes the output of a pixel.

    Args:
        model: A network, in double precision.
        reach: Up to so many pixels away, along the axis, a strip of noise stays the same.
        place: Where the pixel lies behind a multiple of the model's grid.
        axis: Along which it is looked; the strip is five pixels wide.

    Returns:
        The largest change, as a fraction of the largest output (of 1, if that is less).
    """
    before = up_to(max(model.halo, reach) + 3, model.grid)
    pixel, length, scale = before + place, 2 * before + model.grid, model.scale
    strip, other = _noise(model, 5, length), _noise(model, 5, length)
    near = slice(max(pixel - reach, 0), pixel + reach + 1)
    other[..., near] = strip[..., near]
    if axis == -2:
        strip, other = strip.mT, other.mT
    made, wanted = (model(x).narrow(axis, scale * pixel, scale) for x in (other, strip))
    return distance(made, wanted)


def _check_tiles(name: str, model: Model, tolerance: float) -> None:
    """Check a strip in three tiles, each of which is really cut from its surroundings.

    Grey strips lie and coloured ones stand, in tiles of another size: their corners cannot all fall
    on a grid that the model has and does not say.
    """
    tile = up_to(model.halo + 2, model.grid) + (model.channels > 1) * model.grid
    size = (5, 3 * tile + 1) if model.channels == 1 else (3 * tile + 1, 5)
    lr = _noise(model, *size)
    off = distance(upscale_tiled(model, lr, tile), run(name, model, lr))
    require(
        off < tolerance,
        f"{name} gives another picture in tiles of {tile} pixels: it differs by {off:.1g}. Beyond "
        f"its frame of {model.frame} it looks farther than the rest of its halo of {model.halo}, "
        f"or its grid of {model.grid} is not true; one whose output depends on the size of the "
        f"picture says whole = True",
    )


def _noise(model: Model, height: int, width: int) -> Tensor:
    return torch.rand(1, model.channels, height, width, dtype=torch.float64)
