"""SRCNN (Dong et al., ECCV 2014; TPAMI 2016, arXiv 1501.00092): upsample first, then convolve."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from srlab.imaging.resample import Framed, crop
from srlab.machine.precision import in_single
from srlab.models.base import MID_GREY, Model, UpsamplerFactory
from srlab.models.identity import (
    Start,
    check_features,
    check_start,
    relu_carriers,
    start_as_identity,
)
from srlab.models.residual import Residual, add_residual, residual_reach
from srlab.models.upsampling import Border, is_whole, picture_reach, set_border, upsample


class SRCNN(Model):
    """Enlarge the input and refine it by three convolutions at high resolution.

    Args:
        upsampler: Factory ``(in_channels, out_channels, scale) -> nn.Module``; the paper's is
            bicubic interpolation.
        scale: The factor s.
        channels: 1 for Y, 3 for RGB.
        kernels: Sizes of the three kernels.
        residual: What is interpolated from the input and added to the output; the paper has none.
        init: ``default`` is torch's; ``identity`` starts with the interpolated input as output
            (``models.identity``).
        features: Channels of the first two layers; the paper has 64 and 32.
        border: What is around the picture: ``mirror`` mirrors it once; with ``zeros`` each
            convolution pads with zeros, which are black, as networks of others do.

    Example:
        >>> model = srlab.SRCNN(srlab.Interpolate, scale=3)
        >>> sum(p.numel() for p in model.parameters())
        8129
    """

    def __init__(
        self,
        upsampler: UpsamplerFactory,
        scale: int,
        channels: int = 1,
        kernels: Literal["9-1-5", "9-3-5", "9-5-5"] = "9-1-5",
        residual: Residual = "none",
        init: Start = "default",
        features: Sequence[int] = (64, 32),
        border: Border = "mirror",
    ):
        super().__init__()
        if kernels not in ("9-1-5", "9-3-5", "9-5-5"):
            raise ValueError(f"kernels must be 9-1-5, 9-3-5 or 9-5-5, got {kernels!r}")
        extract, combine, reconstruct = (int(k) for k in kernels.split("-"))
        check_start(init)
        wide, narrow = check_features(features)
        self.scale = scale
        self.channels = channels
        self.residual: Residual = residual
        first, second = nn.Conv2d(channels, wide, extract), nn.Conv2d(wide, narrow, combine)
        last = nn.Conv2d(narrow, channels, reconstruct)
        if init == "identity":
            start_as_identity([first, second, last], relu_carriers(channels), gains=[1, 1, 1])
        self.body = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)
        self.upsampler = upsampler(channels, channels, scale)
        context = extract // 2 + combine // 2 + reconstruct // 2
        reach = -(-context // scale)
        zeros = set_border(self.body, border)
        self.mean = 0.0 if zeros else MID_GREY
        self._spare = 0 if zeros else reach
        self._surplus = 0 if zeros else scale * reach - context
        self.frame = max(picture_reach(self.upsampler, self._spare), residual_reach(residual))
        self.halo = self.frame + (reach if zeros else 0)
        self.whole = is_whole(self.upsampler)

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        """Map ``(N, C, H+2h, W+2h)``, framed by h = ``halo`` pixels, to ``(N, C, sH, sW)``."""
        picture = Framed(lr - self.mean, halo).to(self.frame)

        def enlarged(lr: Tensor) -> Tensor:
            framed = Framed(lr, picture.frame)
            large = upsample(self.upsampler, framed, framed, self.scale, self._spare)
            return crop(large, self._surplus)

        def with_residual(features: Tensor) -> Tensor:
            return add_residual(self.body[-1](features), picture, self.scale, self.residual)

        features = in_single(enlarged, picture.pixels)
        for layer in list(self.body)[:-1]:
            features = layer(features)
        return in_single(with_residual, features) + self.mean

    @property
    def exact_layers(self) -> nn.Module:
        """What writes the picture."""
        return self.body[-1]
