"""Fixed interpolation: nearest, bilinear or bicubic."""

from typing import Literal

from torch import Tensor, nn

from srlab.imaging.resample import REACH, Interpolation, interpolate
from srlab.upsamplers import Upsampler


class Interpolate(nn.Module):
    """Enlarge by a fixed kernel that is not trained.

    Where the channel counts differ (as the last layer of an ESPCN) a 3x3 convolution on the
    low-resolution grid first maps one to the other; where they agree (as the first layer of an
    SRCNN) there is nothing to train.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s.
        mode: nearest, bilinear or bicubic, which is MATLAB's.
        init: Of the convolution, where there is one: ``default`` is torch's; ``bilinear`` is
            named as in the other upsamplers: output channel c starts as input channel c, enlarged.

    Shapes: ``(N, in, H + 2 halo, W + 2 halo) -> (N, out, s H, s W)``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        mode: Interpolation = "bicubic",
        init: Literal["default", "bilinear"] = "default",
    ):
        super().__init__()
        if mode not in REACH:
            raise ValueError(f"mode must be one of {', '.join(REACH)}, got {mode!r}")
        same = in_channels == out_channels
        self.project = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 3)
        if init not in ("default", "bilinear"):
            raise ValueError(f"init must be default or bilinear, got {init!r}")
        if init == "bilinear" and isinstance(self.project, nn.Conv2d):
            nn.init.zeros_(self.project.weight)
            nn.init.zeros_(self.project.get_parameter("bias"))
            self.project.weight.data[:, :, 1, 1] = channel_match(in_channels, out_channels)
        self.scale = scale
        self.mode: Interpolation = mode
        self.halo = REACH[mode] + (0 if same else 1)

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        return interpolate(self.project(framed), self.scale, self.mode)
