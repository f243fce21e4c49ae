"""Enlarging in stages of 2 and 3, as EDSR does for x4 (Lim et al., CVPR workshops 2017)."""

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
        frames: list[int] = []  # of the input of each stage, last to first
        for module, factor in zip(reversed(stages), reversed(factors), strict=True):
            after = frames[-1] if frames else 0
            frames.append(module.halo + -(-after // factor))
        super().__init__(in_channels, out_channels, scale, frames[-1])
        self.stages = nn.ModuleList(stages)
        self._frames = [*reversed(frames), 0]
        self._surplus = [
            factor * (frame - module.halo) - after
            for module, factor, frame, after in zip(
                stages, factors, self._frames[:-1], self._frames[1:], strict=True
            )
        ]

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
