"""Fixed interpolation: nearest (also called unsampling), bilinear or bicubic."""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.imaging.resample import (
    REACH,
    Interpolation,
    interpolate,
    mirror_pad,
    phase_taps,
    stretch,
)
from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.linear import SubPixel, fit_separable, shared_bias
from srlab.upsamplers.starts import projection


class Interpolate(Upsampler):
    """Enlarge by a fixed kernel that is not trained.

    Where the channel counts differ (as the last layer of an ESPCN) a 3x3 convolution on the
    low-resolution grid first maps one to the other; where they agree (as the first layer of an
    SRCNN) there is nothing to train.

    With ``align_corners``, as in ``nn.Upsample``, the centres of the corner pixels stay where they
    are. The phases of the kernel then drift across the picture, by an amount that depends on its
    size: it takes no frame, cannot be computed in tiles, and is no convolution.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s.
        mode: nearest, bilinear or bicubic, which is MATLAB's.
        init: Of the convolution, where there is one: ``default`` is torch's; ``bilinear`` is
            named as in the other upsamplers: output channel c starts as input channel c, enlarged.
        align_corners: See above; not with nearest.

    Shapes: ``(N, in, H + 2 halo, W + 2 halo) -> (N, out, s H, s W)``.

    Example:
        >>> upsampler = srlab.Interpolate(1, 1, scale=2, mode="bilinear")
        >>> upsampler(torch.ones(1, 1, 3 + 2, 3 + 2)).unique()
        tensor([1.])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        mode: Interpolation = "bicubic",
        init: Literal["default", "bilinear"] = "default",
        align_corners: bool = False,
    ):
        if mode not in REACH:
            raise ValueError(f"mode must be one of {', '.join(REACH)}, got {mode!r}")
        if init not in ("default", "bilinear"):
            raise ValueError(f"init must be default or bilinear, got {init!r}")
        if align_corners and mode == "nearest":
            raise ValueError("align_corners is for bilinear and bicubic, not for nearest")
        same = in_channels == out_channels
        reach = REACH[mode] + (0 if same else 1)
        super().__init__(in_channels, out_channels, scale, 0 if align_corners else reach)
        self.project = nn.Identity() if same else projection(in_channels, out_channels, init)
        self.mode: Interpolation = mode
        self.whole = align_corners

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        if not self.whole:
            return interpolate(self.project(framed), self.scale, self.mode)
        rows, columns = framed.shape[-2:]
        if not isinstance(self.project, nn.Identity):
            framed = self.project(mirror_pad(framed, 1))
        size = (self.scale * rows, self.scale * columns)
        return stretch(framed, *size, self.mode, align_corners=True)

    @staticmethod
    def options_for(form: SubPixel) -> dict[str, Any]:
        """Return the options that a layer needs to hold a form, if it can: none but its mode."""
        return {}

    def hold(self, form: SubPixel) -> None:
        """Set the weights to those that come nearest to a form; see ``linear.take_over``."""
        if isinstance(self.project, nn.Conv2d):
            self.project.weight.data.copy_(fit_separable(form, _merging(self.scale, self.mode)))
            self.project.get_parameter("bias").data.copy_(shared_bias(form))


def _merging(scale: int, mode: Interpolation) -> Tensor:
    """Return ``(s, 2 halo + 1, 3)``: how the lines of the projection become those of each phase."""
    taps = phase_taps(scale, mode)
    return torch.stack([F.pad(taps, (m, 2 - m)) for m in range(3)], dim=-1)
