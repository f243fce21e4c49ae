"""Layouts of others: what their weights are called, and what they are in ours.

One function for each layout takes weights by their names and returns what network of ours they are,
or None if they are of another layout. It looks at keys and shapes only.

The function is theirs but for the border of the picture. Ours subtract a grey from the picture and
add it to the output; that goes into the first and the last bias. EDSR subtracts the mean colour of
its training set and computes on 0 to 255; its first and last layer absorb the shift, and as all
that lies between is positively homogeneous, 255 is only taken off the biases. What can not be
absorbed is what is around the picture: their layers pad with zeros, ours either mirror the picture
once or pad with zeros that stand for grey.
"""

import re
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Weights = dict[str, Tensor]
Wanted = dict[str, tuple[str, tuple[int, ...]]]  # by their key: our key and the shape

MIRRORED = "they pad every layer with zeros, and here the picture is mirrored once"


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
        border: How the border of the picture differs.
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


def absorb_shift(weights: Weights, first: str, last: str, grey: float) -> Weights:
    """Return the weights of a network that sees pixels less a grey and is added to that grey."""
    seen = weights[f"{first}.bias"] + grey * weights[f"{first}.weight"].sum((1, 2, 3))
    return weights | {f"{first}.bias": seen, f"{last}.bias": weights[f"{last}.bias"] - grey}
