"""DySample: sampling at places that are predicted (Liu et al., ICCV 2023, arXiv 2308.15085)."""

from math import gcd
from typing import Literal

import torch
from torch import Tensor, nn

from srlab.imaging.resample import crop
from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.shuffle import reassembled
from srlab.upsamplers.starts import carry, channel_match


class DySample(Upsampler):
    """Sample the picture, bilinearly, at a place of its own for each output pixel.

    The place of an output pixel is where bilinear interpolation would look, moved by an offset that
    a 1x1 convolution predicts of the features (section 3.2): ``0.25 L(x)``, or, ``dynamic``,
    ``0.5 sigmoid(L'(x)) L(x)``. The paper samples by ``grid_sample``, wherever an offset may point.
    Here offsets o are bounded, ``b tanh(o / b)``, so that no place is further than ``reach`` pixels
    away; then the sample is a sum over the pixels around, each weighed by a tent, and the layer can
    be computed in tiles and exported everywhere. For small offsets the two are the same.

    Channels in ``groups`` share their offsets. DySample keeps the number of channels. Where it is
    to change, a 3x3 convolution at low resolution makes the output channels anew for each group,
    and what the groups sample is added up; the offsets come from all features.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s.
        groups: How many offsets each output pixel has; the paper has 4. Where that does not divide
            the channels that it keeps, the largest number that divides both.
        dynamic: Whether the reach of offsets is predicted, too: the paper's "DySample+".
        reach: How far away, in low-resolution pixels, a place may lie.
        init: Of the convolution that changes the channels: ``default`` is torch's; with
            ``bilinear`` output channel c starts near the bilinear interpolation of input channel c.

    Shapes: ``(N, in, H + 2 halo, W + 2 halo) -> (N, out, s H, s W)``.

    Example:
        >>> upsampler = srlab.DySample(8, 8, scale=2)
        >>> framed = torch.rand(1, 8, 5 + 2 * upsampler.halo, 6 + 2 * upsampler.halo)
        >>> tuple(upsampler(framed).shape)
        (1, 8, 10, 12)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        groups: int = 4,
        dynamic: bool = False,
        reach: int = 1,
        init: Literal["default", "bilinear"] = "default",
    ):
        if groups < 1 or reach < 1:
            raise ValueError(f"groups and reach must be at least 1, got {groups} and {reach}")
        if init not in ("default", "bilinear"):
            raise ValueError(f"init must be default or bilinear, got {init!r}")
        same = in_channels == out_channels
        groups = gcd(groups, in_channels) if same else groups
        super().__init__(in_channels, out_channels, scale, reach + (0 if same else 1))
        self.groups, self.dynamic, self.reach = groups, dynamic, reach
        offsets = 2 * groups * scale**2
        self.offset = nn.Conv2d(in_channels, offsets, 1)
        nn.init.normal_(self.offset.weight, std=1e-3)
        nn.init.zeros_(self.offset.get_parameter("bias"))
        if dynamic:
            self.scope = nn.Conv2d(in_channels, offsets, 1, bias=False)
            nn.init.zeros_(self.scope.weight)
        self.project: nn.Module = nn.Identity()
        if not same:
            self.project = nn.Conv2d(in_channels, groups * out_channels, 3)
            if init == "bilinear":
                each = channel_match(in_channels, out_channels) / groups
                carry(self.project, each.repeat(groups, 1), torch.ones(1, 1))
        phase = (torch.arange(scale, dtype=torch.float64) - (scale - 1) / 2) / scale
        self.phases: Tensor  # (2, s^2), across and down, in low-resolution pixels
        grid = torch.stack([phase.repeat(scale), phase.repeat_interleave(scale)])
        self.register_buffer("phases", grid, persistent=False)

    def offsets(self, features: Tensor) -> Tensor:
        """Predict ``(N, 2, groups, s^2, H, W)`` of features ``(N, in, H, W)``: across and down."""
        told = self.offset(features)
        told = 0.5 * self.scope(features).sigmoid() * told if self.dynamic else 0.25 * told
        bound = self.reach - (self.scale - 1) / (2 * self.scale)
        told = bound * (told / bound).tanh()
        return told.unflatten(1, (2, self.groups, self.scale**2))

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        features = crop(framed, self.halo)
        places = self.offsets(features) + self.phases[:, None, :, None, None].to(framed)
        steps = torch.arange(-self.reach, self.reach + 1, device=framed.device)
        steps = steps.view(-1, 1, 1, 1)
        across, down = (
            (1 - (axis[:, :, None] - steps).abs()).clamp(min=0) for axis in places.unbind(1)
        )  # (N, groups, k, s^2, H, W)
        weights = (down[:, :, :, None] * across[:, :, None]).flatten(2, 3).flatten(0, 1)
        source = self.project(framed)  # (N, groups C, H + 2 reach, W + 2 reach)
        sampled = reassembled(
            source.unflatten(1, (self.groups, -1)).flatten(0, 1), weights, self.scale
        ).unflatten(0, (-1, self.groups))
        return sampled.flatten(1, 2) if self.in_channels == self.out_channels else sampled.sum(1)
