"""A start from which a plain network is trained in a fraction of the steps."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Start = Literal["default", "identity"]

_SLOPE = 0.25  # of a PReLU for negative values, at the start


def check_start(init: str) -> None:
    """Raise ValueError unless ``init`` is a known start."""
    if init not in ("default", "identity"):
        raise ValueError(f"init must be default or identity, got {init!r}")


def check_features(features: Sequence[int]) -> tuple[int, int]:
    """Return the channels of two layers.

    Raises:
        ValueError: They are not two numbers, or too small to carry an RGB picture through.
    """
    if len(features) != 2 or min(features) < 6:
        raise ValueError(f"features must be two numbers of at least 6, got {list(features)}")
    return features[0], features[1]


@torch.no_grad()
def start_as_identity(
    convolutions: Sequence[nn.Conv2d], carriers: Sequence[Tensor], gains: Sequence[float]
) -> None:
    """Let the first features of a stack of convolutions carry its input through.

    The other features begin as orthogonal filters, all biases as zero. With an upsampler that
    begins as interpolation of its first channels (``init=bilinear``), the network begins near the
    interpolated picture and only has to learn what is missing, as a residual network does, while it
    stays the paper's network.

    Args:
        convolutions: The layers, first to last.
        carriers: For each layer the matrix ``(features, inputs)`` that its first features and
            inputs begin with, at the centre of the kernel; the rest of these features is zero.
        gains: Gain of the orthogonal filters of each layer. A tanh needs a large one in the first:
            the contrast within a patch is a few hundredths, which it would pass as good as linear.
    """
    for conv, carrier, gain in zip(convolutions, carriers, gains, strict=True):
        nn.init.orthogonal_(conv.weight, gain)
        nn.init.zeros_(conv.get_parameter("bias"))
        centre = conv.kernel_size[0] // 2
        features, inputs = carrier.shape
        conv.weight[:features] = 0
        conv.weight[:features, :inputs, centre, centre] = carrier


def relu_carriers(channels: int) -> list[Tensor]:
    """Return the carriers of three layers with ReLUs between: ``x = relu(x) - relu(-x)``."""
    split = torch.cat([torch.eye(channels), -torch.eye(channels)])
    return [split, split @ split.T, split.T]


def prelu_stack(convolutions: Sequence[nn.Conv2d], channels: int, init: Start) -> nn.Sequential:
    """Return convolutions with a PReLU after each, slope 1/4 for negative values at the start.

    With ``init=identity`` the first ``channels`` features carry the input through, and their PReLUs
    begin as straight lines.
    """
    slopes = [nn.PReLU(conv.out_channels, _SLOPE) for conv in convolutions]
    if init == "identity":
        count = len(convolutions)
        gain = nn.init.calculate_gain("leaky_relu", _SLOPE)
        start_as_identity(convolutions, [torch.eye(channels)] * count, [gain] * count)
        for slope in slopes:
            slope.weight.data[:channels] = 1
    layers = [layer for pair in zip(convolutions, slopes, strict=True) for layer in pair]
    return nn.Sequential(*layers)
