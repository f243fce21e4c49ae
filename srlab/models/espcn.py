"""ESPCN (Shi et al., CVPR 2016, arXiv 1609.05158): convolve at low resolution, upsample last."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from srlab.imaging.resample import reframe
from srlab.models.base import MID_GREY, Model, UpsamplerFactory
from srlab.models.identity import Start, check_features, check_start, start_as_identity
from srlab.models.residual import Residual, add_residual, residual_reach
from srlab.models.upsampling import halo_of, is_whole, picture_reach, upsample

ACTIVATIONS = {"tanh": nn.Tanh, "relu": nn.ReLU}


class ESPCN(Model):
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
    ):
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation must be tanh or relu, got {activation!r}")
        nonlinearity = ACTIVATIONS[activation]
        # Pixels are never negative, so a ReLU lets them pass as they are.
        self.mean = MID_GREY if activation == "tanh" else 0.0
        check_start(init)
        wide, narrow = check_features(features)
        self.scale = scale
        self.channels = channels
        self.residual: Residual = residual
        first, second = nn.Conv2d(channels, wide, 5), nn.Conv2d(wide, narrow, 3)
        if init == "identity":
            carrier = torch.eye(channels)
            gains = [8, 2] if activation == "tanh" else [1, 1]
            start_as_identity([first, second], [carrier, carrier], gains)
        self.body = nn.Sequential(first, nonlinearity(), second, nonlinearity())
        self.upsampler = upsampler(narrow, channels, scale)
        self.whole = is_whole(self.upsampler)
        self._context = 3 + halo_of(self.upsampler)
        self.halo = max(self._context, picture_reach(self.upsampler), residual_reach(residual))
        self.frame = self.halo

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        """Map ``(N, C, H+2h, W+2h)``, framed by h = ``halo`` pixels, to ``(N, C, sH, sW)``."""
        framed = reframe(lr, halo, self.halo) - self.mean
        features = self.body(reframe(framed, self.halo, self._context))
        left = self._context - 3
        sr = upsample(self.upsampler, features, left, framed, self.halo, self.scale)
        return add_residual(sr, framed, self.halo, self.scale, self.residual) + self.mean
