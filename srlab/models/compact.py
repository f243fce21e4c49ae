"""A plain narrow stack of 3x3 convolutions at low resolution, the upsampler last.

The network that Real-ESRGAN (Wang et al., ICCVW 2021, arXiv 2107.10833) calls SRVGGNetCompact, and,
in luma and with 16 features, the plain form of ECBSR (Zhang et al., ACM MM 2021).
"""

from torch import nn

from srlab.models.base import UpsamplerFactory
from srlab.models.identity import Start, check_start, prelu_stack
from srlab.models.residual import Residual
from srlab.models.shallow import Shallow
from srlab.models.upsampling import Border
from srlab.upsamplers.rep_conv import BlockKind, make_blocks


class Compact(Shallow):
    """``depth`` + 1 convolutions 3x3 to ``features`` channels, each with PReLU, and the upsampler.

    Real-ESRGAN's has ``border=zeros`` and ``residual=nearest``.

    Args:
        upsampler: Factory ``(in_channels, out_channels, scale) -> nn.Module``.
        scale: The factor.
        channels: 1 for Y, 3 for RGB.
        features: Channels of each convolution, at least ``channels``.
        depth: Convolutions between the first and the upsampler.
        residual: What is interpolated from the input and added to the output.
        init: ``default`` is torch's; ``identity`` lets one feature channel carry the input through
            the body (``models.identity``), where its PReLUs begin as straight lines.
        block: ``plain``, or ``rep``: the 3x3 convolutions of the body are trained as branches and
            used as one (``upsamplers.rep_conv``).
        border: What is around the picture: ``mirror`` mirrors it once; with ``zeros`` each
            convolution pads with zeros, which are black, as networks of others do.

    Example:
        >>> model = srlab.Compact(srlab.PixelShuffle, scale=4, channels=3)
        >>> tuple(model(torch.rand(1, 3, 24, 32)).shape)
        (1, 3, 96, 128)
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
        block: BlockKind = "plain",
        border: Border = "mirror",
    ):
        if features < channels:
            raise ValueError(
                f"features must be at least the {channels} channels of the picture, got {features}"
            )
        if depth < 0:
            raise ValueError(f"depth must not be negative, got {depth}")
        check_start(init)
        convolutions = [
            nn.Conv2d(channels, features, 3),
            *(nn.Conv2d(features, features, 3) for _ in range(depth)),
        ]
        body = prelu_stack(convolutions, channels, init)
        make_blocks(body, block)
        head = upsampler(features, channels, scale)
        super().__init__(body, 1 + depth, head, scale, channels, residual, border=border)
