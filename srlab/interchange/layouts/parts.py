"""What the layouts of others share: keys and shapes."""

import math
import re
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Weights = dict[str, Tensor]
Wanted = dict[str, tuple[str, tuple[int, ...]]]  # by their key: our key and the shape

# Options of our shallow networks as those of others have them: zeros around every layer.
OF_OTHERS: dict[str, Any] = {"border": "zeros", "init": "default"}


@dataclass(frozen=True)
class Foreign:
    """A network of others in our terms.

    Args:
        title: What it is, for people.
        model: The option of the group model.
        options: Its values that are not those of the option.
        upsampler: The option of the group upsampler.
        upsampler_options: Its values, likewise.
        scale: The factor, or None if it does not show in the weights.
        channels: 1 for Y, 3 for RGB.
        border: How the border of the picture differs; empty if it does not.
        weights: By our names, float64.
    """

    title: str
    model: str
    options: dict[str, Any]
    upsampler: str
    upsampler_options: dict[str, Any]
    scale: int | None
    channels: int
    border: str
    weights: Weights


def convolution_names(their: str, our: str, outs: int, ins: int, size: int) -> Wanted:
    """Return what a convolution consists of."""
    kernel, bias = (outs, ins, size, size), (outs,)
    return {f"{their}.weight": (f"{our}.weight", kernel), f"{their}.bias": (f"{our}.bias", bias)}


def slope_names(their: str, our: str, channels: int) -> Wanted:
    """Return what a PReLU consists of."""
    return {f"{their}.weight": (f"{our}.weight", (channels,))}


def count_keys(theirs: Weights, pattern: str) -> int:
    """Return how many keys a pattern fits."""
    return sum(re.fullmatch(pattern, key) is not None for key in theirs)


def kernel_shape(theirs: Weights, key: str) -> tuple[int, int, int]:
    """Return output channels, input channels and size of a convolution.

    Raises:
        ValueError: It is missing, or no kernel.
    """
    if key not in theirs:
        raise ValueError(f"{key} is missing")
    shape = tuple(theirs[key].shape)
    if len(shape) != 4 or min(shape) < 1:
        raise ValueError(f"{key} is no kernel of a convolution: its shape is {_shape(shape)}")
    return shape[0], shape[1], shape[2]


def phases_scale(outs: int, channels: int) -> int:
    """Return the factor s of a layer that makes the s^2 phases of each channel.

    Raises:
        ValueError: There is none.
    """
    scale = math.isqrt(outs // channels)
    if scale**2 * channels != outs:
        raise ValueError(f"its last layer makes {outs} channels of {channels}, which are no phases")
    return scale


def check_keys(theirs: Weights, names: list[str]) -> None:
    """Raise ValueError unless there are just these weights."""
    missing = [name for name in names if name not in theirs]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    extra = [key for key in theirs if key not in names]
    if extra:
        raise ValueError(f"it has {extra[0][:60]}, too, which this layout has not")


def take_weights(theirs: Weights, wanted: Wanted) -> Weights:
    """Return copies of the weights by our names.

    Raises:
        ValueError: One is missing, misshapen, or too many.
    """
    check_keys(theirs, list(wanted))
    for key, (_, shape) in wanted.items():
        got = tuple(theirs[key].shape)
        if got != shape:
            raise ValueError(f"{key} has the shape {_shape(got)} where {_shape(shape)} is wanted")
    return {ours: theirs[key].clone() for key, (ours, _) in wanted.items()}


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "of a single number"
