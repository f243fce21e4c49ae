"""The baseline: an upsampler and nothing else."""

from torch import Tensor

from srlab.imaging.resample import Framed
from srlab.models.base import Model, UpsamplerFactory
from srlab.models.upsampling import is_whole, picture_reach, upsample


class Plain(Model):
    """Upsample and do nothing else: bicubic, bilinear and nearest as models without weights.

    Args:
        upsampler: Factory ``(in_channels, out_channels, scale) -> nn.Module``.
        scale: The factor s.
        channels: 1 for Y, 3 for RGB.
    """

    def __init__(self, upsampler: UpsamplerFactory, scale: int, channels: int = 1):
        super().__init__()
        self.scale = scale
        self.channels = channels
        self.upsampler = upsampler(channels, channels, scale)
        self.whole = is_whole(self.upsampler)
        self.halo = self.frame = picture_reach(self.upsampler)

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        """Map ``(N, C, H+2h, W+2h)``, framed by h = ``halo`` pixels, to ``(N, C, sH, sW)``."""
        picture = Framed(lr, halo).to(self.halo)
        return upsample(self.upsampler, picture, picture, self.scale)
