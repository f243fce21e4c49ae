"""The contract of models (``srlab.models``), as a test."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from srlab.imaging.resample import mirror_pad
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

SIZES = ((1, 1), (5, 6), (8, 3))
CHANNELS = (1, 3)

ModelFactory = Callable[[UpsamplerFactory, int, int], Any]


def check_model(
    make: ModelFactory,
    upsampler: UpsamplerFactory = PixelShuffle,
    scales: Sequence[int] = (2, 3, 4),
) -> None:
    """Check that a factory makes networks that can be trained, judged and run in tiles.

    Scales and channels that it refuses by a ValueError with a sentence are passed over, as long as
    it accepts one.

    Args:
        make: The factory ``(upsampler, scale, channels) -> model``.
        upsampler: The factory of the upsampler that it is given.
        scales: What to try, with 1 and with 3 channels.

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
                    _check(factory, model, scale, channels)
    if len(refusals) == len(scales) * len(CHANNELS):
        raise AssertionError(f"it refuses every scale and channel count; as in: {refusals[0]}")


def _check(factory: Callable[[], Any], model: Any, scale: int, channels: int) -> None:
    name = f"{type(model).__name__} (scale {scale}, {channels} channels)"
    _check_words(name, model, scale, channels)
    with torch.no_grad():
        _check_shapes(name, model.eval())
    check_behaviour(name, factory, [torch.rand(2, channels, 5, 6)])
    disturb(model.double())
    with torch.no_grad():
        _check_frame(name, model)
        if not model.whole:
            _check_tiles(name, model)


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
    for height, width in SIZES:
        for halo in sorted({0, model.frame, model.frame + 1}):
            lr = torch.rand(1, model.channels, height + 2 * halo, width + 2 * halo)
            got = tuple(run(name, model, lr, halo=halo).shape)
            wanted = (1, model.channels, model.scale * height, model.scale * width)
            require(
                got == wanted,
                f"{name} makes {list(got)} of a picture of {height}x{width} with halo={halo}; "
                f"wanted is {list(wanted)}",
            )


def _check_frame(name: str, model: Model) -> None:
    """Check that a model makes up its frame by mirroring, and uses one that is there."""
    frame = model.frame
    lr = torch.rand(1, model.channels, 5, 6, dtype=torch.float64)
    framed = mirror_pad(lr, frame)
    output = run(name, model, framed, halo=frame)
    off = distance(output, run(name, model, lr))
    require(
        off < TOLERANCE,
        f"{name} gives another output for a picture that is mirrored at its border by the frame of "
        f"{frame} pixels: it differs by {off:.1g}",
    )
    framed[..., :frame, :] = 0
    require(
        frame == 0 or not torch.equal(run(name, model, framed, halo=frame), output),
        f"{name} ignores its frame of {frame} pixels",
    )


def _check_tiles(name: str, model: Model) -> None:
    """Check a strip in three tiles, each of which is really cut from its surroundings.

    Grey strips lie and coloured ones stand, in tiles of another size: their corners cannot all fall
    on a grid that the model has and does not say.
    """
    tile = -(-(model.halo + 2) // model.grid) * model.grid + (model.channels > 1) * model.grid
    size = (5, 3 * tile + 1) if model.channels == 1 else (3 * tile + 1, 5)
    lr = torch.rand(1, model.channels, *size, dtype=torch.float64)
    off = distance(upscale_tiled(model, lr, tile), run(name, model, lr))
    require(
        off < TOLERANCE,
        f"{name} gives another picture in tiles of {tile} pixels: it differs by {off:.1g}. It "
        f"looks farther than its halo of {model.halo}, or its grid of {model.grid} is not true; "
        f"one whose output depends on the size of the picture says whole = True",
    )
