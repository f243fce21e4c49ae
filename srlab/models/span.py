"""SPAN (Wan et al., CVPR workshops 2024, arXiv 2311.12770): attention without parameters."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.imaging.resample import Framed
from srlab.machine.precision import in_single
from srlab.models.base import MID_GREY, Model, UpsamplerFactory, set_mean
from srlab.models.residual import Residual, add_residual, residual_reach
from srlab.models.upsampling import guide_reach, halo_of, is_whole, upsample_zero_padded
from srlab.upsamplers.rep_conv import BlockKind, make_blocks

_RANGE = 255.0  # what its body computes on: a block makes far smaller numbers of small ones


class SPAN(Model):
    """A convolution, blocks that weigh their features by themselves, and the upsampler.

    The last layer before the upsampler mixes four stages: the first convolution, the first block,
    the middle of the last block, and a convolution of its end. Every convolution pads with zeros,
    and so does the frame of the upsampler. The paper's has 6 blocks of 48 features for RGB, which
    its code trains as branches of another kind.

    Args:
        upsampler: Factory ``(in_channels, out_channels, scale) -> nn.Module``.
        scale: The factor s.
        channels: 1 for Y, 3 for RGB.
        blocks: Number of blocks.
        features: Channels within them.
        residual: What is interpolated from the input and added to the output; the paper has none.
        mean: What is subtracted from the picture, and so what the zeros around it stand for: a
            number, or one for each channel. The paper has the mean colour of DIV2K.
        block: ``plain``, or ``rep``: the 3x3 convolutions are trained as branches and used as one
            (``upsamplers.rep_conv``).

    Example:
        >>> model = srlab.SPAN(srlab.PixelShuffle, scale=2, channels=3)
        >>> tuple(model(torch.rand(1, 3, 24, 32)).shape)
        (1, 3, 48, 64)
    """

    def __init__(
        self,
        upsampler: UpsamplerFactory,
        scale: int,
        channels: int = 1,
        blocks: int = 6,
        features: int = 48,
        residual: Residual = "none",
        mean: float | Sequence[float] = MID_GREY,
        block: BlockKind = "plain",
    ):
        super().__init__()
        if blocks < 1 or features < 1:
            raise ValueError(f"blocks and features must be at least 1, got {blocks}, {features}")
        self.scale = scale
        self.channels = channels
        self.residual: Residual = residual
        self.mean: float | Tensor
        set_mean(self, mean)
        self.head = nn.Conv2d(channels, features, 3, padding=1)
        self.blocks = nn.ModuleList(Block(features) for _ in range(blocks))
        self.join = nn.Conv2d(features, features, 3, padding=1)
        self.mix = nn.Conv2d(4 * features, features, 1)
        make_blocks(self, block)
        self.upsampler = upsampler(features, channels, scale)  # last: the rest starts alike for all
        self.whole = is_whole(self.upsampler)
        self.frame = max(guide_reach(self.upsampler), residual_reach(residual))
        self.halo = self.frame + 1 + 3 * blocks + 1 + halo_of(self.upsampler)

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        """Map ``(N, C, H+2h, W+2h)``, framed by h = ``halo`` pixels, to ``(N, C, sH, sW)``."""
        picture = Framed(lr - self.mean, halo).to(self.frame)
        first = features = self.head(_RANGE * picture.within(0))
        ends = []
        for block in self.blocks:
            features, middle = block(features)
            ends.append(features)
        stages = [first, self.join(features), ends[0], middle]
        features = self.mix(torch.cat(stages, dim=1)) / _RANGE

        def enlarged(features: Tensor) -> Tensor:
            sr = upsample_zero_padded(self.upsampler, features, picture, self.scale)
            return add_residual(sr, picture, self.scale, self.residual)

        return in_single(enlarged, features) + self.mean


class Block(nn.Module):
    """Three convolutions, SiLU between; sum with the input, by the sigmoid of the third less 1/2.

    Shapes: ``(N, features, H, W)`` to twice that: the outcome, and what the first SiLU gave.
    """

    def __init__(self, features: int):
        super().__init__()
        self.first = nn.Conv2d(features, features, 3, padding=1)
        self.second = nn.Conv2d(features, features, 3, padding=1)
        self.third = nn.Conv2d(features, features, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outcome and the middle."""
        middle = F.silu(self.first(x))
        last = self.third(F.silu(self.second(middle)))
        return (last + x) * (last.sigmoid() - 0.5), middle
