"""A U-Net: an encoder that pools, and a decoder that upsamples, by any upsampler.

Skip connections on make it U-Net's (Ronneberger et al., MICCAI 2015, arXiv 1505.04597); off, with
``upsampler=unpool``, it is SegNet's decoder (arXiv 1511.00561), and with a frozen bilinear
deconvolution FCN's (Long et al., CVPR 2015).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.imaging.resample import Framed, fold
from srlab.machine.precision import in_single
from srlab.models.base import MID_GREY, Model, UpsamplerFactory
from srlab.models.residual import Residual, add_residual, residual_reach
from srlab.models.upsampling import (
    guide_reach,
    halo_of,
    is_guided,
    is_whole,
    upsample_zero_padded,
)


class UNet(Model):
    """Work at low resolution and, pooled, below; then upsample to high resolution.

    Level l has ``features * 2**l`` channels. Each step up keeps the channels, which the convolution
    before it has reduced, so that unpooling finds as many as were pooled; its switches are those
    of the encoder. The same kind of upsampler makes every step of the decoder, by 2, and the last,
    by the scale. Every convolution pads with zeros, and so does the frame of the upsamplers; a
    picture whose size ``2**depth`` does not divide is mirrored at its bottom and right.

    Args:
        upsampler: Factory ``(in_channels, out_channels, scale) -> nn.Module``.
        scale: The factor s.
        channels: 1 for Y, 3 for RGB.
        depth: How often the encoder pools.
        features: Channels before it pools.
        skips: Hand the encoder's features to the decoder.
        residual: What is interpolated from the input and added to the output.

    Example:
        >>> model = srlab.UNet(srlab.Unpool, scale=2)
        >>> tuple(model(torch.rand(1, 1, 24, 32)).shape)
        (1, 1, 48, 64)
    """

    def __init__(
        self,
        upsampler: UpsamplerFactory,
        scale: int,
        channels: int = 1,
        depth: int = 2,
        features: int = 16,
        skips: bool = True,
        residual: Residual = "none",
    ):
        super().__init__()
        if depth < 1 or features < 1:
            raise ValueError(f"depth and features must be at least 1, got {depth} and {features}")
        self.scale = scale
        self.channels = channels
        self.skips = skips
        self.residual: Residual = residual
        width = [features * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            _block(width[level - 1] if level else channels, width[level], width[level])
            for level in range(depth)
        )
        self.bottom = _block(width[depth - 1], width[depth], width[depth - 1])
        self.up = nn.ModuleList(
            _block((1 + skips) * width[level], width[level], width[max(level - 1, 0)])
            for level in range(depth)
        )
        # The upsamplers come last, so that the rest starts alike whichever they are.
        self.steps = nn.ModuleList(upsampler(w, w, 2) for w in width[:depth])
        self.upsampler = upsampler(features, channels, scale)
        self.whole = is_whole(self.upsampler)
        self.grid = 2**depth
        self.frame = max(guide_reach(self.upsampler), residual_reach(residual))
        step = max(halo_of(module) for module in self.steps)
        # Two convolutions each way on every level, the steps up, and where the pools' blocks lie.
        convolutions = 4 * (self.grid - 1) + 2 * self.grid
        steps = step * 2 * (self.grid - 1)
        context = convolutions + steps + self.grid - 1 + halo_of(self.upsampler)
        self.halo = self.frame + context

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        """Map ``(N, C, H+2h, W+2h)``, framed by h = ``halo`` pixels, to ``(N, C, sH, sW)``."""
        picture = Framed(lr - MID_GREY, halo).to(self.frame)
        inner = picture.within(0)
        rows, columns = inner.shape[-2:]
        features = self._hourglass(_up_to_multiple(inner, self.grid))[..., :rows, :columns]

        def enlarged(features: Tensor) -> Tensor:
            sr = upsample_zero_padded(self.upsampler, features, picture, self.scale)
            return add_residual(sr, picture, self.scale, self.residual)

        return in_single(enlarged, features) + MID_GREY

    def _hourglass(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, features, H, W)``."""
        pooled = []
        for block in self.down:
            x = block(x)
            pooled.append(x)
            x = F.max_pool2d(x, 2)
        x = self.bottom(x)
        for step, block, before in reversed(list(zip(self.steps, self.up, pooled, strict=True))):
            frame = halo_of(step)
            x = F.pad(x, [frame] * 4)
            x = step(x, F.pad(before, [2 * frame] * 4)) if is_guided(step) else step(x)
            x = block(torch.cat([x, before], dim=1) if self.skips else x)
        return x


def _block(before: int, within: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, within, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(within, after, 3, padding=1),
        nn.ReLU(),
    )


def _up_to_multiple(x: Tensor, grid: int) -> Tensor:
    """Mirror ``(N, C, H, W)`` at its bottom and right until ``grid`` divides its size."""
    # Of whole numbers above zero: below, ONNX rounds the other way.
    sizes = ((n + grid - 1) // grid * grid for n in x.shape[-2:])
    rows, columns = (torch.arange(size, device=x.device) for size in sizes)
    return x.index_select(-2, fold(rows, x.shape[-2])).index_select(-1, fold(columns, x.shape[-1]))
