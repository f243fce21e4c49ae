"""What shallow networks share: convolutions at low resolution, the upsampler last."""

from collections import OrderedDict

from torch import Tensor, nn

from srlab.imaging.resample import Framed
from srlab.machine.precision import ExactEnds, in_single
from srlab.models.base import MID_GREY, Model
from srlab.models.residual import Residual, add_residual, residual_reach
from srlab.models.upsampling import (
    Border,
    guide_reach,
    halo_of,
    is_whole,
    picture_reach,
    set_border,
    upsample,
    upsample_zero_padded,
)


class Shallow(Model):
    """A body of convolutions, and an upsampler.

    Args:
        body: Maps ``(N, C, H + 2 reach, W + 2 reach)`` to features ``(N, F, H, W)``: its
            convolutions pad nothing.
        reach: How many pixels its convolutions use up on each side.
        upsampler: The upsampler, of F features.
        scale: The factor s.
        channels: 1 for Y, 3 for RGB.
        residual: What is interpolated from the input and added to the output.
        mean: What is subtracted from the picture and added again, where it is mirrored.
        exact: How many modules of the body, the first, stay in single precision where the layers
            are in bf16; the last always does.
        border: ``mirror`` mirrors the picture once; with ``zeros`` each convolution pads with
            zeros, which are black: nothing is subtracted.
    """

    def __init__(
        self,
        body: nn.Sequential,
        reach: int,
        upsampler: nn.Module,
        scale: int,
        channels: int,
        residual: Residual,
        mean: float = MID_GREY,
        exact: int = 0,
        border: Border = "mirror",
    ):
        super().__init__()
        self._zeros = set_border(body, border)
        self.scale = scale
        self.channels = channels
        self.residual: Residual = residual
        self.mean = 0.0 if self._zeros else mean
        self.body = ExactEnds(OrderedDict(body.named_children()), exact)
        self.upsampler = upsampler
        self.whole = is_whole(upsampler)
        self._left = halo_of(upsampler)
        self._context = 0 if self._zeros else reach + self._left
        seen = guide_reach(upsampler) if self._zeros else picture_reach(upsampler)
        self.frame = max(self._context, seen, residual_reach(residual))
        self.halo = self.frame + (reach + self._left if self._zeros else 0)

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        """Map ``(N, C, H+2h, W+2h)``, framed by h = ``halo`` pixels, to ``(N, C, sH, sW)``."""
        picture = Framed(lr - self.mean, halo).to(self.frame)

        def enlarged(features: Tensor) -> Tensor:
            if self._zeros:
                sr = upsample_zero_padded(self.upsampler, features, picture, self.scale)
            else:
                framed = Framed(features, self._left)
                sr = upsample(self.upsampler, framed, picture, self.scale)
            return add_residual(sr, picture, self.scale, self.residual)

        return in_single(enlarged, self.body(picture.within(self._context))) + self.mean

    @property
    def exact_layers(self) -> nn.Module:
        """What sees the picture itself, and what writes it."""
        return nn.ModuleList([*list(self.body)[: self.body.exact], self.upsampler])
