"""FSRCNN (Dong et al., ECCV 2016, arXiv 1608.00367): extract, shrink, map, expand, upsample."""

from torch import nn

from srlab.models.base import UpsamplerFactory
from srlab.models.identity import Start, check_start, prelu_stack
from srlab.models.residual import Residual
from srlab.models.shallow import Shallow
from srlab.models.upsampling import Border


class FSRCNN(Shallow):
    """5x5 to d features, 1x1 to s, m times 3x3, 1x1 back to d, each with PReLU; the upsampler last.

    The paper's FSRCNN(56, 12, 4) has 12,464 weights, FSRCNN-s (32, 5, 1) has 3,937, biases and
    slopes not counted, with its 9x9 transposed convolution as the upsampler, and ``border=zeros``.

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
        border: What is around the picture: ``mirror`` mirrors it once; with ``zeros`` each
            convolution pads with zeros, which are black, as networks of others do.

    Example:
        >>> model = srlab.FSRCNN(srlab.Deconv, scale=2)
        >>> tuple(model(torch.rand(1, 1, 24, 32)).shape)
        (1, 1, 48, 64)
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
        border: Border = "mirror",
    ):
        if min(features, shrunk) < channels:
            raise ValueError(
                f"features and shrunk must be at least the {channels} channels of the picture, "
                f"got {features} and {shrunk}"
            )
        if depth < 0:
            raise ValueError(f"depth must not be negative, got {depth}")
        check_start(init)
        convolutions = [
            nn.Conv2d(channels, features, 5),
            nn.Conv2d(features, shrunk, 1),
            *(nn.Conv2d(shrunk, shrunk, 3) for _ in range(depth)),
            nn.Conv2d(shrunk, features, 1),
        ]
        body = prelu_stack(convolutions, channels, init)
        head = upsampler(features, channels, scale)
        super().__init__(body, 2 + depth, head, scale, channels, residual, border=border)
