"""A start from which a plain network is trained in a fraction of the steps."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

Start = Literal["default", "identity"]


@torch.no_grad()
def start_as_identity(
    convolutions: Sequence[nn.Conv2d], channels: int, gains: Sequence[float]
) -> None:
    """Let the first ``channels`` features of a stack of convolutions carry its input through.

    These features begin as copies of the input (as far as the nonlinearities between the layers let
    them), the others as orthogonal filters without bias. With an upsampler that begins as
    interpolation of its first channels (``init=bilinear``), the network begins near the
    interpolated picture and only has to learn what is missing, as a residual network does, while
    it stays the paper's network.

    Args:
        convolutions: The layers, first to last.
        channels: Channels of the network's input.
        gains: Gain of the orthogonal filters of each layer. A tanh needs a large one in the first:
            the contrast within a patch is a few hundredths, which it would pass as good as linear.
    """
    for conv, gain in zip(convolutions, gains, strict=True):
        nn.init.orthogonal_(conv.weight, gain)
        nn.init.zeros_(conv.get_parameter("bias"))
        centre = conv.kernel_size[0] // 2
        for channel in range(channels):
            conv.weight[channel] = 0
            conv.weight[channel, channel, centre, centre] = 1
