"""Enlarging, convolving and bending in turn: the nonlinear tails of ESRGAN and PAN."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.imaging.resample import crop
from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.resize_conv import ResizeConv
from srlab.upsamplers.staged import frames_of, stage_factors
from srlab.upsamplers.starts import box_line, carry, leaky_carriers

_SLOPE = 0.2  # of the LeakyReLUs, in both papers


class Tail(Upsampler):
    """In each stage nearest, a 3x3 convolution and LeakyReLU; then two more convolutions.

    The first of these keeps the features, with LeakyReLU, the other makes the output channels.
    Stages are of 2 and 3. This is what ESRGAN (Wang et al., ECCV workshops 2018, arXiv 1809.00219)
    and many after it call upsampling by interpolation; ``ResizeConv`` is one linear layer. With
    ``attention`` it is PAN's "U-PA" (Zhao et al., ECCV workshops 2020, arXiv 2010.01073): each
    stage weighs its pixels by the sigmoid of a 1x1 convolution of them before its LeakyReLU, and
    has a second 3x3 convolution with LeakyReLU of its own.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s, a product of twos and threes.
        features: Channels between the layers; null: as many as come in, or twice as many as go out
            where that is more.
        attention: See above.
        init: ``default`` is torch's. With ``bilinear``, as in the other upsamplers, output channel
            c starts as input channel c enlarged by bilinear interpolation, stage by stage; there
            must be twice as many features as output channels, to carry it with either sign.

    Shapes: ``(N, in, H + 2 halo, W + 2 halo) -> (N, out, s H, s W)``.

    Example:
        >>> upsampler = srlab.Tail(32, 1, scale=4, features=16)
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
        attention: bool = False,
        init: Literal["default", "bilinear"] = "default",
    ):
        width = check_features(features, in_channels, out_channels, init)
        factors = stage_factors(scale)
        halo, self._surplus = frames_of(
            [1] * len(factors), factors, int(attention), 2 - int(attention)
        )
        super().__init__(in_channels, out_channels, scale, halo)
        inputs = [in_channels] + [width] * (len(factors) - 1)
        enlarge = [ResizeConv(i, width, f, 3) for i, f in zip(inputs, factors, strict=True)]
        attend = [nn.Conv2d(width, width, 1) for _ in factors if attention]
        refine = [nn.Conv2d(width, width, 3) for _ in (factors if attention else factors[:1])]
        self.enlarge, self.refine = nn.ModuleList(enlarge), nn.ModuleList(refine)
        self.attend = nn.ModuleList(attend)
        self.last = nn.Conv2d(width, out_channels, 3)
        if init == "bilinear":
            first, between, last = leaky_carriers(in_channels, out_channels, _SLOPE)
            for weigh in attend:  # by a half, which the layer before makes good
                nn.init.zeros_(weigh.weight)
                nn.init.zeros_(weigh.get_parameter("bias"))
            for number, stage in enumerate(enlarge):
                line = box_line(stage.scale)
                taps = torch.outer(line, line) * (2 if attention else 1)
                carry(stage.conv, between if number else first, taps)
            for conv in refine:
                carry(conv, between, torch.ones(1, 1))
            nn.init.zeros_(self.last.weight)
            carry(self.last, last, torch.ones(1, 1))

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        x = framed
        for number, (enlarge, surplus) in enumerate(zip(self.enlarge, self._surplus, strict=True)):
            x = crop(enlarge(x), surplus)
            if len(self.attend):
                x = F.leaky_relu(x * self.attend[number](x).sigmoid(), _SLOPE)
                x = self.refine[number](x)
            x = F.leaky_relu(x, _SLOPE)
        if not len(self.attend):
            x = F.leaky_relu(self.refine[0](x), _SLOPE)
        return self.last(x)


def check_features(
    features: int | None, in_channels: int, out_channels: int, init: str, key: str = "features"
) -> int:
    """Return how many features a tail has.

    Raises:
        ValueError: They, which are called ``key``, are too few, or ``init`` is unknown.
    """
    width = max(in_channels, 2 * out_channels) if features is None else features
    if init not in ("default", "bilinear"):
        raise ValueError(f"init must be default or bilinear, got {init!r}")
    least = 2 * out_channels if init == "bilinear" else 1
    if width < least:
        raise ValueError(f"{key} must be at least {least} with init={init}, got {width}")
    return width
