"""VDSR (Kim et al., CVPR 2016, arXiv 1511.04587): a very deep network on the enlarged picture."""

from itertools import pairwise

from torch import Tensor, nn

from srlab.imaging.resample import Framed
from srlab.machine.precision import in_single
from srlab.models.base import MID_GREY, Model, UpsamplerFactory
from srlab.models.identity import Start, check_start
from srlab.models.upsampling import is_whole, picture_reach, upsample


class VDSR(Model):
    """Enlarge the picture, and add what 3x3 convolutions at high resolution make of it.

    The paper's 20 layers of 64 features have 664,704 weights, biases not counted, and a receptive
    field of 41 x 41 high-resolution pixels. Every convolution pads with zeros.

    Args:
        upsampler: Factory ``(in_channels, out_channels, scale) -> nn.Module``; the paper's is
            bicubic interpolation.
        scale: The factor s.
        channels: 1 for Y, 3 for RGB.
        depth: Number of convolutions, at least 2.
        features: Channels between them.
        init: ``default`` is He's normal one, the paper's; ``identity`` also starts the last layer
            at zero, so that the network begins as its upsampler.
        mean: What is subtracted from the picture, and so what the zeros around it stand for. The
            paper subtracts nothing.

    Example:
        >>> model = srlab.VDSR(srlab.Interpolate, scale=2, depth=5)
        >>> tuple(model(torch.rand(1, 1, 24, 32)).shape)
        (1, 1, 48, 64)
    """

    def __init__(
        self,
        upsampler: UpsamplerFactory,
        scale: int,
        channels: int = 1,
        depth: int = 20,
        features: int = 64,
        init: Start = "default",
        mean: float = MID_GREY,
    ):
        super().__init__()
        if depth < 2 or features < 1:
            raise ValueError(f"depth must be at least 2 and features 1, got {depth} and {features}")
        check_start(init)
        self.scale = scale
        self.channels = channels
        self.mean = mean
        widths = [channels, *[features] * (depth - 1), channels]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            conv = nn.Conv2d(before, after, 3, padding=1)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.get_parameter("bias"))
            layers += [conv, nn.ReLU()]
        if init == "identity":
            nn.init.zeros_(conv.weight)
        self.body = nn.Sequential(*layers[:-1])
        self.upsampler = upsampler(channels, channels, scale)
        self.whole = is_whole(self.upsampler)
        self.frame = picture_reach(self.upsampler)
        self.halo = self.frame + -(-depth // scale)

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        """Map ``(N, C, H+2h, W+2h)``, framed by h = ``halo`` pixels, to ``(N, C, sH, sW)``."""
        picture = Framed(lr - self.mean, halo).to(self.frame)

        def enlarged(lr: Tensor) -> Tensor:
            framed = Framed(lr, picture.frame)
            return upsample(self.upsampler, framed, framed, self.scale)

        features = large = in_single(enlarged, picture.pixels)
        for layer in list(self.body)[:-1]:
            features = layer(features)
        return large + in_single(self.body[-1], features) + self.mean

    @property
    def exact_layers(self) -> nn.Module:
        """What writes the picture."""
        return self.body[-1]
