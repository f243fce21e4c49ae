"""Convolve, bend, shuffle in stages, convolve: the tail of SwinIR."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.imaging.resample import crop
from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.staged import frames_of, stage_factors
from srlab.upsamplers.starts import carry, leaky_carriers
from srlab.upsamplers.tail import check_features

_SLOPE = 0.01  # of the LeakyReLU: torch's own


class ShuffleTail(Upsampler):
    """A 3x3 convolution, LeakyReLU, sub-pixel convolutions in stages of 2 and 3, a 3x3 convolution.

    The reconstruction that SwinIR (Liang et al., ICCV workshops 2021, arXiv 2108.10257) has for
    classical super-resolution, and that of many transformers after it. SRResNet's and EDSR's,
    which bend nothing before the stages, is ``Staged``.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s, a product of twos and threes.
        features: Channels of the stages, of which SwinIR has 64; null: as many as come in, or twice
            as many as go out where that is more.
        init: ``default`` is torch's. With ``bilinear``, as in the other upsamplers, output channel
            c starts as input channel c enlarged by bilinear interpolation, stage by stage; there
            must be twice as many features as output channels, to carry it with either sign.

    Shapes: ``(N, in, H + 2 halo, W + 2 halo) -> (N, out, s H, s W)``.

    Example:
        >>> upsampler = srlab.ShuffleTail(32, 1, scale=4, features=16)
        >>> framed = torch.rand(1, 32, 5 + 2 * upsampler.halo, 6 + 2 * upsampler.halo)
        >>> tuple(upsampler(framed).shape)
        (1, 1, 20, 24)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        features: int | None = None,
        init: Literal["default", "bilinear"] = "default",
    ):
        width = check_features(features, in_channels, out_channels, init)
        factors = stage_factors(scale)
        halo, self._surplus = frames_of([1] * len(factors), factors, at_the_end=1)
        super().__init__(in_channels, out_channels, scale, halo + 1)
        self.first = nn.Conv2d(in_channels, width, 3)
        self.stages = nn.ModuleList(PixelShuffle(width, width, f, init=init) for f in factors)
        self.last = nn.Conv2d(width, out_channels, 3)
        if init == "bilinear":
            first, _, last = leaky_carriers(in_channels, out_channels, _SLOPE)
            carry(self.first, first, torch.ones(1, 1))
            nn.init.zeros_(self.last.weight)
            carry(self.last, last, torch.ones(1, 1))

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        x = F.leaky_relu(self.first(framed), _SLOPE)
        for stage, surplus in zip(self.stages, self._surplus, strict=True):
            x = crop(stage(x), surplus)
        return self.last(x)
