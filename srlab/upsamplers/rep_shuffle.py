"""A sub-pixel convolution that is trained as branches (ECBSR: Zhang, Zeng, Zhang, ACM MM 2021)."""

from torch import Tensor

from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.linear import SubPixel
from srlab.upsamplers.rep_conv import RepConv
from srlab.upsamplers.shuffle import pixel_shuffle
from srlab.upsamplers.starts import Init, initial_kernel


class RepShuffle(Upsampler):
    """``PixelShuffle`` with a 3x3 kernel that is the sum of branches: see ``RepConv``.

    It has the functions of ``PixelShuffle`` and its cost, in training but for the sum of the
    kernels; ``srlab.simplify``, ``srlab export`` and ``srlab upscale`` make one of it.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s.
        expand: Channels within the second branch, as a multiple of the convolution's.
        init: As of ``PixelShuffle``: what all branches together are at the start.

    Shapes: ``(N, in, H + 2, W + 2) -> (N, out, s H, s W)``.

    Example:
        >>> upsampler = srlab.RepShuffle(32, 1, scale=3)
        >>> type(srlab.simplify(srlab.ESPCN(srlab.RepShuffle, scale=3)).upsampler).__name__
        'PixelShuffle'
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        expand: int = 2,
        init: Init = "default",
    ):
        super().__init__(in_channels, out_channels, scale, 1)
        self.conv = RepConv(in_channels, out_channels * scale**2, expand)
        if init != "default":
            self.conv.become(initial_kernel(in_channels, out_channels, scale, 3, init))

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        return pixel_shuffle(self.conv(framed), self.scale)

    def hold(self, form: SubPixel) -> None:
        """Set the weights to a form; see ``linear.take_over``."""
        self.conv.become(form.padded(3), form.bias)
