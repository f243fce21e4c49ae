"""Enlarging in stages of 2 and 3, as EDSR does for x4 (Lim et al., CVPR workshops 2017)."""

from collections.abc import Sequence

from torch import Tensor, nn

from srlab.imaging.resample import crop
from srlab.upsamplers.base import Factory, Upsampler, check_plain
from srlab.upsamplers.linear import SubPixel, take_over


class Staged(Upsampler):
    """Apply one kind of upsampler in turn: 2 and 2 for a scale of 4, 2 and 3 for 6.

    All stages but the last keep the number of channels. Nothing nonlinear lies between them, so
    stages of linear upsamplers are a linear upsampler, whose kernel is larger and of lower rank.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s, a product of twos and threes.
        stage: Factory ``(in_channels, out_channels, scale) -> nn.Module`` of one stage.

    Shapes: ``(N, in, H + 2 halo, W + 2 halo) -> (N, out, s H, s W)``.

    Example:
        >>> upsampler = srlab.Staged(32, 1, scale=4, stage=srlab.PixelShuffle)
        >>> [type(stage).__name__ for stage in upsampler.stages]
        ['PixelShuffle', 'PixelShuffle']
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        stage: Factory,
    ):
        factors = stage_factors(scale)
        outs = [in_channels] * (len(factors) - 1) + [out_channels]
        stages = [stage(in_channels, o, f) for o, f in zip(outs, factors, strict=True)]
        for module in stages:
            check_plain(module, "a stage")
        halo, self._surplus = frames_of([module.halo for module in stages], factors)
        super().__init__(in_channels, out_channels, scale, halo)
        self.stages = nn.ModuleList(stages)

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        for stage, surplus in zip(self.stages, self._surplus, strict=True):
            framed = crop(stage(framed), surplus)
        return framed

    def hold(self, form: SubPixel) -> None:
        """Set the weights of a single stage to a form; see ``linear.take_over``.

        Raises:
            ValueError: There are several, whose kernels multiply.
        """
        if len(self.stages) > 1:
            raise ValueError(f"no kernel is split into {len(self.stages)} stages")
        take_over(self.stages[0], form)


def frames_of(
    halos: Sequence[int], factors: Sequence[int], after_each: int = 0, at_the_end: int = 0
) -> tuple[int, list[int]]:
    """Return the frame that stages in turn need, and what is to be cut off after each of them.

    Args:
        halos: The frame that each stage uses up of its input.
        factors: Those by which they enlarge.
        after_each: Pixels that layers use up of the result of each stage.
        at_the_end: Pixels that layers use up of the last result besides.
    """
    needed, surplus = at_the_end, []
    for halo, factor in zip(reversed(halos), reversed(factors), strict=True):
        needed += after_each
        frame = halo + -(-needed // factor)
        surplus.append(factor * (frame - halo) - needed)
        needed = frame
    return needed, surplus[::-1]


def stage_factors(scale: int) -> list[int]:
    """Split a scale into twos and then threes.

    Raises:
        ValueError: It has another prime factor.
    """
    factors, rest = [], max(scale, 1)
    for prime in (2, 3):
        while rest % prime == 0:
            factors.append(prime)
            rest //= prime
    if rest != 1 or not factors:
        raise ValueError(f"stages are of 2 and 3, and scale {scale} is no product of these")
    return factors
