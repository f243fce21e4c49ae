"""ESPCN (Shi et al., CVPR 2016, arXiv 1609.05158): convolve at low resolution, upsample last."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from srlab.models.base import MID_GREY, UpsamplerFactory
from srlab.models.identity import Start, check_features, check_start, start_as_identity
from srlab.models.residual import Residual
from srlab.models.shallow import Shallow
from srlab.models.upsampling import Border
from srlab.upsamplers.rep_conv import BlockKind, make_blocks

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}


class ESPCN(Shallow):
    """Two convolutions, 5x5 to 64 and 3x3 to 32 channels unless told otherwise, and the upsampler.

    With the PixelShuffle upsampler and its 3x3 kernel this is the paper's 5-3-3 network; no
    nonlinearity follows the last layer.

    Args:
        upsampler: Factory ``(in_channels, out_channels, scale) -> nn.Module``.
        scale: The factor s.
        channels: 1 for Y, 3 for RGB.
        activation: ``tanh``, the paper's final choice, or ``relu``.
        residual: What is interpolated from the input and added to the output; the paper has none.
        init: ``default`` is torch's; ``identity`` lets one feature channel carry the input through
            the body (``models.identity``).
        features: Channels of the two convolutions.
        block: ``plain``, or ``rep``: the 3x3 convolutions of the body are trained as branches and
            used as one (``upsamplers.rep_conv``).
        border: What is around the picture: ``mirror`` mirrors it once; with ``zeros`` each
            convolution pads with zeros, which are black, as networks of others do.

    Example:
        >>> model = srlab.ESPCN(srlab.PixelShuffle, scale=3)
        >>> tuple(model(torch.rand(1, 1, 24, 32)).shape)
        (1, 1, 72, 96)
    """

    def __init__(
        self,
        upsampler: UpsamplerFactory,
        scale: int,
        channels: int = 1,
        activation: Literal["tanh", "relu"] = "tanh",
        residual: Residual = "none",
        init: Start = "default",
        features: Sequence[int] = (64, 32),
        block: BlockKind = "plain",
        border: Border = "mirror",
    ):
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be tanh or relu, got {activation!r}")
        nonlinearity = ACTIVATIONS[activation]
        check_start(init)
        wide, narrow = check_features(features)
        first, second = nn.Conv2d(channels, wide, 5), nn.Conv2d(wide, narrow, 3)
        if init == "identity":
            carrier = torch.eye(channels)
            gains = [8, 2] if activation == "tanh" else [1, 1]
            start_as_identity([first, second], [carrier, carrier], gains)
        body = nn.Sequential(first, nonlinearity(), second, nonlinearity())
        make_blocks(body, block)
        # Pixels are never negative, so a ReLU lets them pass as they are.
        mean = MID_GREY if activation == "tanh" else 0.0
        head = upsampler(narrow, channels, scale)
        # Large gains of the first filters would magnify what is rounded of the picture.
        super().__init__(body, 3, head, scale, channels, residual, mean, 2, border)
