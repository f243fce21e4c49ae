"""A start from which a plain network is trained in a fraction of the steps."""

from typing import Literal

import torch
from torch import nn

Start = Literal["default", "identity"]


@torch.no_grad()
def start_as_identity(convolutions: list[nn.Conv2d], channels: int) -> None:
    """Let the first ``channels`` features of a stack of convolutions carry its input through.

    These features begin as copies of the input (as far as the nonlinearities between the layers let
    them), the others as orthogonal filters without bias. With an upsampler that begins as
    interpolation of its first channels (``init=bilinear``), the network begins near the
    interpolated picture and only has to learn what is missing, as a residual network does, while
    it stays the paper's network.
    """
    for conv in convolutions:
        nn.init.orthogonal_(conv.weight)
        if conv.bias is not None:
            nn.init.zeros_(conv.bias)
        centre = conv.kernel_size[0] // 2
        for channel in range(channels):
            conv.weight[channel] = 0
            conv.weight[channel, channel, centre, centre] = 1
