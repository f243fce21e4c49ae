"""LIIF, the local implicit image function (Chen, Liu, Wang: CVPR 2021, arXiv 2012.09161)."""

from functools import reduce
from typing import Literal

import torch
from torch import Tensor, nn

from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.shuffle import pixel_shuffle
from srlab.upsamplers.starts import carry, leaky_carriers
from srlab.upsamplers.tail import check_features


class LIIF(Upsampler):
    """Ask a small network for the value at a place, of each of the four pixels around it.

    The network sees the 3x3 neighbourhood of a low-resolution pixel, how far the output pixel is
    from the pixel's centre, and how large an output pixel is (sections 3.1 and 3.2: feature
    unfolding, cell decoding). Its four answers are mixed as bilinear interpolation mixes pixels
    (local ensemble). No weight belongs to a scale: one training serves all. At a whole scale the
    places repeat themselves in every low-resolution pixel, so that the layer is a 3x3 convolution
    and 1x1 convolutions of shifted copies of what it gives.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s.
        hidden: Units of each hidden layer, of which the paper has 256; null: 64, or twice as many
            as channels go out where that is more.
        depth: Hidden layers, each with a ReLU; the paper has 4.
        init: ``default`` is torch's. With ``bilinear``, as in the other upsamplers, output channel
            c starts as the bilinear interpolation of input channel ``c mod i``; there must be twice
            as many hidden units as output channels, to carry it with either sign.

    Shapes: ``(N, in, H + 4, W + 4) -> (N, out, s H, s W)``.

    Example:
        >>> liif = srlab.LIIF(32, 1, scale=3)
        >>> srlab.LIIF(32, 1, scale=2).load_state_dict(liif.state_dict())
        <All keys matched successfully>
    """

    any_scale = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        hidden: int | None = None,
        depth: int = 2,
        init: Literal["default", "bilinear"] = "default",
    ):
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth}")
        hidden = max(64, 2 * out_channels) if hidden is None else hidden
        check_features(hidden, in_channels, out_channels, init, "hidden")
        super().__init__(in_channels, out_channels, scale, 2)
        # One layer in two parts: what it sees of the picture is the same for every place.
        self.first = nn.Conv2d(in_channels, hidden, 3)
        self.place = nn.Linear(4, hidden, bias=False)
        bound = (9 * in_channels + 4) ** -0.5
        for drawn in (self.first.weight, self.first.get_parameter("bias"), self.place.weight):
            nn.init.uniform_(drawn, -bound, bound)
        middle = [nn.Conv2d(hidden, hidden, 1) for _ in range(depth - 1)]
        self.between = nn.ModuleList(middle)
        self.last = nn.Conv2d(hidden, out_channels, 1)
        if init == "bilinear":
            first, between, last = leaky_carriers(in_channels, out_channels, 0)
            carry(self.first, first, torch.ones(1, 1))
            self.place.weight.data[: len(first)] = 0
            for layer in middle:
                carry(layer, between, torch.ones(1, 1))
            nn.init.zeros_(self.last.weight)
            carry(self.last, last, torch.ones(1, 1))

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        features = self.first(framed)  # with a frame of 1
        answers = (self._answers(features, low, right) for low in (0, 1) for right in (0, 1))
        blocks = reduce(torch.add, answers)  # one at a time in memory
        return pixel_shuffle(blocks.transpose(1, 2).flatten(1, 2), self.scale)

    def _answers(self, features: Tensor, low: int, right: int) -> Tensor:
        """Return what one of the four pixels around adds to each phase, ``(N, s^2, out, H, W)``.

        Args:
            features: ``(N, hidden, H + 2, W + 2)``.
            low: 1: of the two pixels that a phase lies between the one below, 0: the one above.
            right: 1: the one on the right, 0: the one on the left.
        """
        s, kind = self.scale, features.dtype
        rows, columns = (features.shape[axis] - 2 for axis in (-2, -1))
        # From the upper half of a pixel it is one up to the pixel above, from the lower half none.
        first = [int(2 * phase + 1 >= s) for phase in range(s)]
        copies = [
            features[..., a + low : a + low + rows, b + right : b + right + columns]
            for a in first
            for b in first
        ]
        place = (torch.arange(s, dtype=torch.float64, device=features.device) + 0.5) / s - 0.5
        nearer = torch.where(place < 0, -1, 0)  # the upper pixel, or the left one
        down, across = (place - nearer - step for step in (low, right))
        down, across = down.repeat_interleave(s), across.repeat(s)
        # The authors' units: a picture is 2 wide, and what they measure is multiplied by its size.
        cell = torch.full_like(down, 2 / s)
        told = self.place(torch.stack([2 * down, 2 * across, cell, cell], dim=1).to(kind))
        x = (torch.stack(copies, dim=1) + told[:, :, None, None]).flatten(0, 1).relu()
        for layer in self.between:
            x = layer(x).relu()
        weight = ((1 - down.abs()) * (1 - across.abs())).to(kind)
        return self.last(x).unflatten(0, (-1, s**2)) * weight[:, None, None, None]
