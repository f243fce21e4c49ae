"""EDSR (Lim et al., CVPR workshops 2017, arXiv 1707.02921): residual blocks at low resolution."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from srlab.imaging.resample import Framed
from srlab.machine.precision import in_single
from srlab.models.base import MID_GREY, Model, UpsamplerFactory, set_mean
from srlab.models.residual import Residual, add_residual, residual_reach
from srlab.models.upsampling import guide_reach, halo_of, is_whole, upsample_zero_padded
from srlab.upsamplers.rep_conv import BlockKind, make_blocks


class EDSR(Model):
    """A convolution, residual blocks with a long skip around them, the upsampler, a convolution.

    EDSR-baseline, 16 blocks of 64 features, has 1,369,859, 1,554,499 and 1,517,571 parameters for
    RGB at x2, x3 and x4, where its upsampler is two stages of PixelShuffle. EDSR itself is 32
    blocks of 256 features with ``block_scale`` 0.1. Every convolution pads with zeros, and so does
    the frame of the upsampler.

    Args:
        upsampler: Factory ``(in_channels, out_channels, scale) -> nn.Module``.
        scale: The factor s.
        channels: 1 for Y, 3 for RGB.
        blocks: Number of residual blocks.
        features: Channels within them.
        block_scale: What the outcome of a block is multiplied by before it is added.
        residual: What is interpolated from the input and added to the output; the paper has none.
        mean: What is subtracted from the picture, and so what the zeros around it stand for: a
            number, or one for each channel. The papers have the mean colour of DIV2K.
        block: ``plain``, or ``rep``: the 3x3 convolutions of the residual blocks are trained as
            branches and used as one (``upsamplers.rep_conv``).

    Example:
        >>> upsampler = partial(srlab.Staged, stage=srlab.PixelShuffle)
        >>> model = srlab.EDSR(upsampler, scale=4, channels=3)
        >>> sum(p.numel() for p in model.parameters())
        1517571
    """

    def __init__(
        self,
        upsampler: UpsamplerFactory,
        scale: int,
        channels: int = 1,
        blocks: int = 16,
        features: int = 64,
        block_scale: float = 1.0,
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
        self.blocks = nn.ModuleList(Block(features, block_scale) for _ in range(blocks))
        make_blocks(self.blocks, block)
        self.join = nn.Conv2d(features, features, 3, padding=1)
        self.tail = nn.Conv2d(features, channels, 3, padding=1)
        self.upsampler = upsampler(features, features, scale)  # last: the rest starts alike for all
        self.whole = is_whole(self.upsampler)
        self.frame = max(guide_reach(self.upsampler), residual_reach(residual))
        # Head, two for each block, join, upsampler, tail (a fraction of a pixel).
        self.halo = self.frame + 1 + 2 * blocks + 1 + halo_of(self.upsampler) + 1

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        """Map ``(N, C, H+2h, W+2h)``, framed by h = ``halo`` pixels, to ``(N, C, sH, sW)``."""
        picture = Framed(lr - self.mean, halo).to(self.frame)
        first = self.head(picture.within(0))
        features = first
        for block in self.blocks:
            features = block(features)
        features = self.join(features) + first
        large = upsample_zero_padded(self.upsampler, features, picture, self.scale)

        def with_residual(large: Tensor) -> Tensor:
            return add_residual(self.tail(large), picture, self.scale, self.residual)

        return in_single(with_residual, large) + self.mean

    @property
    def exact_layers(self) -> nn.Module:
        """What writes the picture."""
        return self.tail


class Block(nn.Module):
    """Convolution, ReLU, convolution, added to the input; no batch normalisation (section 3.1).

    Shapes: ``(N, features, H, W) -> (N, features, H, W)``.
    """

    def __init__(self, features: int, scale: float):
        super().__init__()
        self.first = nn.Conv2d(features, features, 3, padding=1)
        self.second = nn.Conv2d(features, features, 3, padding=1)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum."""
        return x + self.scale * self.second(F.relu(self.first(x)))
