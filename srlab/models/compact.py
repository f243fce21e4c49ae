"""A plain narrow stack of 3x3 convolutions at low resolution, the upsampler last.

The network that Real-ESRGAN (Wang et al., ICCVW 2021, arXiv 2107.10833) calls SRVGGNetCompact, and,
in luma and with 16 features, the plain form of ECBSR (Zhang et al., ACM MM 2021).
"""

from torch import Tensor, nn

from srlab.imaging.resample import reframe
from srlab.models.base import MID_GREY, Model, UpsamplerFactory
from srlab.models.identity import Start, check_start, prelu_stack
from srlab.models.residual import Residual, add_residual, residual_reach
from srlab.models.upsampling import halo_of, is_whole, picture_reach, upsample


class Compact(Model):
    """``depth`` + 1 convolutions 3x3 to ``features`` channels, each with PReLU, and the upsampler.

    Only the border is not that of Real-ESRGAN's: here no layer pads, the picture is mirrored once.

    Args:
        upsampler: Factory ``(in_channels, out_channels, scale) -> nn.Module``.
        scale: The factor.
        channels: 1 for Y, 3 for RGB.
        features: Channels of each convolution, at least ``channels``.
        depth: Convolutions between the first and the upsampler.
        residual: What is interpolated from the input and added to the output.
        init: ``default`` is torch's; ``identity`` lets one feature channel carry the input through
            the body (``models.identity``), where its PReLUs begin as straight lines.
    """

    def __init__(
        self,
        upsampler: UpsamplerFactory,
        scale: int,
        channels: int = 1,
        features: int = 16,
        depth: int = 6,
        residual: Residual = "none",
        init: Start = "default",
    ):
        super().__init__()
        if features < channels:
            raise ValueError(
                f"features must be at least the {channels} channels of the picture, got {features}"
            )
        if depth < 0:
            raise ValueError(f"depth must not be negative, got {depth}")
        check_start(init)
        self.scale = scale
        self.channels = channels
        self.residual: Residual = residual
        convolutions = [
            nn.Conv2d(channels, features, 3),
            *(nn.Conv2d(features, features, 3) for _ in range(depth)),
        ]
        self.body = prelu_stack(convolutions, channels, init)
        self.upsampler = upsampler(features, channels, scale)
        self.whole = is_whole(self.upsampler)
        self._left = halo_of(self.upsampler)
        self._context = 1 + depth + self._left
        self.halo = max(self._context, picture_reach(self.upsampler), residual_reach(residual))
        self.frame = self.halo

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        """Map ``(N, C, H+2h, W+2h)``, framed by h = ``halo`` pixels, to ``(N, C, sH, sW)``."""
        framed = reframe(lr, halo, self.halo) - MID_GREY
        features = self.body(reframe(framed, self.halo, self._context))
        sr = upsample(self.upsampler, features, self._left, framed, self.halo, self.scale)
        return add_residual(sr, framed, self.halo, self.scale, self.residual) + MID_GREY
