"""Sub-pixel convolution (ESPCN: Shi et al., CVPR 2016, section 2.2)."""

from typing import Any

from torch import Tensor, nn

from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.linear import SubPixel
from srlab.upsamplers.shuffle import pixel_shuffle
from srlab.upsamplers.starts import Init, initial_kernel


class PixelShuffle(Upsampler):
    """Convolve at low resolution to ``s^2`` channels per output channel and interleave them.

    Channel ``c s^2 + a s + b`` becomes pixel ``(s y + a, s x + b)`` of channel ``c``.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s.
        kernel_size: Size of the kernel on the low-resolution grid; odd.
        init: ``default``, ``icnr``, ``nearest`` or ``bilinear``; see ``starts.initial_deconv``.

    Shapes: ``(N, in, H + 2 halo, W + 2 halo) -> (N, out, s H, s W)``, halo = kernel_size // 2.

    Example:
        >>> upsampler = srlab.PixelShuffle(32, 1, scale=3)
        >>> tuple(upsampler(torch.rand(1, 32, 10 + 2, 8 + 2)).shape), upsampler.halo
        ((1, 1, 30, 24), 1)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        kernel_size: int = 3,
        init: Init = "default",
    ):
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive, got {kernel_size}")
        super().__init__(in_channels, out_channels, scale, kernel_size // 2)
        self.conv = nn.Conv2d(in_channels, out_channels * scale**2, kernel_size)
        if init != "default":
            kernel = initial_kernel(in_channels, out_channels, scale, kernel_size, init)
            self.conv.weight.data.copy_(kernel)
            nn.init.zeros_(self.conv.get_parameter("bias"))

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        return pixel_shuffle(self.conv(framed), self.scale)

    @staticmethod
    def options_for(form: SubPixel) -> dict[str, Any]:
        """Return the options that a layer needs to hold a form; see ``linear.take_over``."""
        return {"kernel_size": form.size}

    def hold(self, form: SubPixel) -> None:
        """Set the weights to a form; see ``linear.take_over``."""
        self.conv.weight.data.copy_(form.padded(2 * self.halo + 1))
        self.conv.get_parameter("bias").data.copy_(form.bias)
