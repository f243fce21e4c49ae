"""FSRCNN (Dong et al., ECCV 2016, arXiv 1608.00367): extract, shrink, map, expand, upsample."""

from torch import Tensor, nn

from srlab.imaging.resample import reframe
from srlab.models.base import MID_GREY, Model, UpsamplerFactory
from srlab.models.identity import Start, check_start, prelu_stack
from srlab.models.residual import Residual, add_residual, residual_reach
from srlab.models.upsampling import halo_of, is_whole, picture_reach, upsample


class FSRCNN(Model):
    """5x5 to d features, 1x1 to s, m times 3x3, 1x1 back to d, each with PReLU; the upsampler last.

    The paper's FSRCNN(56, 12, 4) has 12,464 weights, FSRCNN-s (32, 5, 1) has 3,937, biases and
    slopes not counted, with its 9x9 transposed convolution as the upsampler. Only the border is not
    the paper's: here no layer pads, the picture is mirrored once.

    Args:
        upsampler: Factory ``(in_channels, out_channels, scale) -> nn.Module``.
        scale: The factor.
        channels: 1 for Y, 3 for RGB.
        features: d, at least ``channels``.
        shrunk: s, at least ``channels``.
        depth: m.
        residual: What is interpolated from the input and added to the output; the paper has none.
        init: ``default`` is torch's; ``identity`` lets one feature channel carry the input through
            the body (``models.identity``), where its PReLUs begin as straight lines.
    """

    def __init__(
        self,
        upsampler: UpsamplerFactory,
        scale: int,
        channels: int = 1,
        features: int = 56,
        shrunk: int = 12,
        depth: int = 4,
        residual: Residual = "none",
        init: Start = "default",
    ):
        super().__init__()
        if min(features, shrunk) < channels:
            raise ValueError(
                f"features and shrunk must be at least the {channels} channels of the picture, "
                f"got {features} and {shrunk}"
            )
        if depth < 0:
            raise ValueError(f"depth must not be negative, got {depth}")
        check_start(init)
        self.scale = scale
        self.channels = channels
        self.residual: Residual = residual
        convolutions = [
            nn.Conv2d(channels, features, 5),
            nn.Conv2d(features, shrunk, 1),
            *(nn.Conv2d(shrunk, shrunk, 3) for _ in range(depth)),
            nn.Conv2d(shrunk, features, 1),
        ]
        self.body = prelu_stack(convolutions, channels, init)
        self.upsampler = upsampler(features, channels, scale)
        self.whole = is_whole(self.upsampler)
        self._left = halo_of(self.upsampler)
        self._context = 2 + depth + self._left
        self.halo = max(self._context, picture_reach(self.upsampler), residual_reach(residual))
        self.frame = self.halo

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        """Map ``(N, C, H+2h, W+2h)``, framed by h = ``halo`` pixels, to ``(N, C, sH, sW)``."""
        framed = reframe(lr, halo, self.halo) - MID_GREY
        features = self.body(reframe(framed, self.halo, self._context))
        sr = upsample(self.upsampler, features, self._left, framed, self.halo, self.scale)
        return add_residual(sr, framed, self.halo, self.scale, self.residual) + MID_GREY
