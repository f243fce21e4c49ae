"""Meta-Upscale: kernels that a small network makes (Hu et al., CVPR 2019, arXiv 1903.00875)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.imaging.resample import phase_taps
from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.shuffle import pixel_shuffle
from srlab.upsamplers.starts import channel_match

_UNITS = 6  # hidden ones whose weights' steps together move a kernel as far as its own step would


class MetaShuffle(Upsampler):
    """``PixelShuffle`` whose kernel is a function of where an output pixel lies, and of the scale.

    A small network maps the place ``(y, x)`` of an output pixel, measured in low-resolution pixels
    from the centre of the one that it lies in, and ``1 / s`` to the weights by which it mixes its
    neighbourhood (section 3.2, equation 6). No weight belongs to a scale: one training serves all.
    At a whole scale s there are s^2 places, so that the layer is a sub-pixel convolution, and is
    run as one; ``srlab.simplify``, ``srlab export`` and ``srlab upscale`` keep that alone.

    In three things it is not the paper's. Places are measured from pixel centres, so that they
    mean the same at every scale. What the network makes is added to the kernel of bilinear
    interpolation, which is the start that other upsamplers have. And there is a bias.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s.
        kernel_size: Size of the kernels on the low-resolution grid; odd, at least 3, the paper's.
        hidden: Hidden units of the network; the paper's 256.
        init: ``default`` is torch's, added to bilinear interpolation. With ``bilinear``, as in the
            other upsamplers, output channel c starts as the bilinear interpolation of input channel
            ``c mod i``, at every scale: hidden units come in pairs that cancel each other.

    Shapes: ``(N, in, H + 2 halo, W + 2 halo) -> (N, out, s H, s W)``, halo = kernel_size // 2.

    Example:
        >>> meta = srlab.MetaShuffle(32, 1, scale=3)
        >>> srlab.MetaShuffle(32, 1, scale=2).load_state_dict(meta.state_dict())
        <All keys matched successfully>
    """

    any_scale = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        kernel_size: int = 3,
        hidden: int = 256,
        init: Literal["default", "bilinear"] = "default",
    ):
        if kernel_size < 3 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and at least 3, got {kernel_size}")
        if hidden < 2:
            raise ValueError(f"hidden must be at least 2, got {hidden}")
        if init not in ("default", "bilinear"):
            raise ValueError(f"init must be default or bilinear, got {init!r}")
        super().__init__(in_channels, out_channels, scale, kernel_size // 2)
        self.sharing = 1 + hidden // _UNITS
        self.first = nn.Linear(3, hidden)
        self.last = nn.Linear(hidden, out_channels * in_channels * kernel_size**2)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.matched: Tensor  # by which input channel an output channel is interpolated
        self.register_buffer("matched", channel_match(in_channels, out_channels), persistent=False)
        if init == "bilinear":
            _cancel(self.first, self.last)

    def kernel(self) -> Tensor:
        """Return the sub-pixel kernel ``(o s^2, i, k, k)``."""
        s, size, weight = self.scale, 2 * self.halo + 1, self.first.weight
        place = (torch.arange(s, dtype=torch.float64, device=weight.device) + 0.5) / s - 0.5
        down, across = place.repeat_interleave(s), place.repeat(s)
        asked = torch.stack([down, across, torch.full_like(down, 1 / s)], dim=1).to(weight.dtype)
        made = self.last(self.first(asked).relu())
        made = made.view(s**2, self.out_channels, self.in_channels, size, size).transpose(0, 1)
        taps = phase_taps(s, "bilinear", weight.device).to(made)
        taps = F.pad(torch.einsum("au,bv->abuv", taps, taps), [self.halo - 1] * 4)
        fixed = self.matched[:, None, :, None, None] * taps.view(1, s**2, 1, size, size)
        return (made + fixed).flatten(0, 1)

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        bias = self.bias.repeat_interleave(self.scale**2)
        return pixel_shuffle(F.conv2d(framed, self.kernel(), bias), self.scale)


@torch.no_grad()
def _cancel(first: nn.Linear, last: nn.Linear) -> None:
    """Let two layers make zeros, through units that are all different from zero and learn."""
    half = first.out_features // 2
    first.weight[half : 2 * half] = first.weight[:half]
    first.bias[half : 2 * half] = first.bias[:half]
    last.weight[:, half : 2 * half] = -last.weight[:, :half]
    last.weight[:, 2 * half :] = 0
    nn.init.zeros_(last.bias)
