"""Resize-convolution (Odena, Dumoulin, Olah: Distill 2016): interpolate, then convolve."""

from torch import Tensor, nn

from srlab.imaging.resample import REACH, Interpolation, crop, interpolate


class ResizeConv(nn.Module):
    """Enlarge by a fixed kernel and convolve at high resolution.

    It cannot start or end with a checkerboard, because every phase shares the one kernel; for the
    same reason it is a strict subset of what a sub-pixel convolution can represent. By default its
    kernel is the largest whose nearest-neighbour form merges into the 3x3 sub-pixel kernel that
    the other upsamplers have: 2 s + 1.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s.
        kernel_size: Size of the kernel on the high-resolution grid; odd.
        mode: The interpolation: nearest, bilinear or bicubic.

    Shapes: ``(N, in, H + 2 halo, W + 2 halo) -> (N, out, s H, s W)``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        kernel_size: int | None = None,
        mode: Interpolation = "nearest",
    ):
        super().__init__()
        size = 2 * scale + 1 if kernel_size is None else kernel_size
        if size < 1 or size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive, got {size}")
        if mode not in REACH:
            raise ValueError(f"mode must be one of {', '.join(REACH)}, got {mode!r}")
        self.scale = scale
        self.mode: Interpolation = mode
        reach = -(-(size // 2) // scale)
        self.surplus = scale * reach - size // 2
        self.halo = REACH[mode] + reach
        self.conv = nn.Conv2d(in_channels, out_channels, size)

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        return self.conv(crop(interpolate(framed, self.scale, self.mode), self.surplus))
