"""Max-unpooling with switches (Zeiler and Fergus, ECCV 2014, section 2.1; SegNet, 1511.00561)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.imaging.resample import crop
from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.starts import channel_match


def switches(guide: Tensor, scale: int) -> Tensor:
    """Return where the largest value of each s x s block lies, as ``F.max_pool2d`` indexes it.

    Of values that are equal but for rounding the first counts, so that in a flat area the last bit
    does not decide, which a tile and the whole picture may compute differently.

    Shapes: ``(N, C, s H, s W) -> (N, C, H, W)``, int64.
    """
    tops = F.interpolate(F.max_pool2d(guide, scale), scale_factor=scale, mode="nearest")
    near = guide >= tops - 4 * torch.finfo(guide.dtype).eps * (1 + tops.abs())
    return F.max_pool2d(near.to(guide), scale, return_indices=True)[1]


def unpool(x: Tensor, indices: Tensor, scale: int) -> Tensor:
    """Put each value where its switch points, and zeros elsewhere.

    Shapes: ``x (N, C, H, W)`` and ``indices (N, 1 or C, H, W) -> (N, C, s H, s W)``.
    """
    return F.max_unpool2d(x, indices.expand_as(x), [scale, scale])


class Unpool(Upsampler):
    """Unpool by the switches of a guide, then convolve at high resolution to fill the gaps.

    The guide is a picture or features at high resolution; its largest value within the s x s block
    of a pixel says where that pixel goes. In the decoder of a U-Net it is what the encoder pooled,
    so that the switches are SegNet's. Where a super-resolution network ends there is nothing to
    have been pooled: the switches are borrowed from its input, enlarged by bicubic, and the values
    follow its edges.

    All but one of s^2 pixels are zero after unpooling. The kernel, 2 s + 1 by default, always
    reaches into at least one whole block, so that no window is empty.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s.
        kernel_size: Size of the kernel on the high-resolution grid; odd.
        init: ``default`` is torch's; with ``bilinear`` output channel c starts as input channel
            ``c mod i`` under the kernel of bilinear interpolation, which is that interpolation
            where the switches lie on a regular grid.

    Shapes: ``(N, in, H + 2 halo, W + 2 halo)`` and a guide
    ``(N, 1 or in, s (H + 2 halo), s (W + 2 halo)) -> (N, out, s H, s W)``.

    Example:
        >>> upsampler = srlab.Unpool(8, 1, scale=2)
        >>> halo = upsampler.halo
        >>> guide = torch.rand(1, 1, 2 * (5 + 2 * halo), 2 * (6 + 2 * halo))
        >>> tuple(upsampler(torch.rand(1, 8, 5 + 2 * halo, 6 + 2 * halo), guide).shape)
        (1, 1, 10, 12)
    """

    guided = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        kernel_size: int | None = None,
        init: Literal["default", "bilinear"] = "default",
    ):
        size = 2 * scale + 1 if kernel_size is None else kernel_size
        if size < 1 or size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive, got {size}")
        if init not in ("default", "bilinear"):
            raise ValueError(f"init must be default or bilinear, got {init!r}")
        super().__init__(in_channels, out_channels, scale, -(-(size // 2) // scale))
        self.conv = nn.Conv2d(in_channels, out_channels, size)
        if init == "bilinear":
            line = 1 - (torch.arange(size) - size // 2).abs() / scale
            taps = torch.outer(line.clamp(min=0), line.clamp(min=0))
            matched = channel_match(in_channels, out_channels)[:, :, None, None]
            self.conv.weight.data.copy_(matched * taps)
            nn.init.zeros_(self.conv.get_parameter("bias"))

    def forward(self, framed: Tensor, guide: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        sparse = unpool(framed, switches(guide, self.scale), self.scale)
        return self.conv(crop(sparse, self.scale * self.halo - self.conv.kernel_size[0] // 2))
