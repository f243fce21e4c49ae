"""Resize-convolution (Odena, Dumoulin, Olah: Distill 2016): interpolate, then convolve."""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.imaging.resample import REACH, Interpolation, phase_taps
from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.linear import SubPixel, fit_separable, shared_bias
from srlab.upsamplers.shuffle import pixel_shuffle
from srlab.upsamplers.starts import box_line, carry, channel_match


class ResizeConv(Upsampler):
    """Enlarge by a fixed kernel and convolve at high resolution.

    The two are linear, so they are done as the one sub-pixel convolution that they amount to: the
    large feature map is never made, and the layer costs what a sub-pixel convolution does.

    It cannot start or end with a checkerboard, because every phase shares the one kernel; for the
    same reason it is a strict subset of what a sub-pixel convolution can represent. By default its
    kernel is the largest whose nearest-neighbour form merges into the 3x3 sub-pixel kernel that
    the other upsamplers have: 2 s + 1.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s.
        kernel_size: Size of the kernel on the high-resolution grid; odd.
        mode: The interpolation: nearest, bilinear or bicubic.
        init: ``default`` is torch's. With ``bilinear``, as in the other upsamplers, output channel
            c starts as the bilinear interpolation of input channel c (bicubic with mode=bicubic).
            ICNR has nothing to do here: all phases share their kernel anyway.

    Shapes: ``(N, in, H + 2 halo, W + 2 halo) -> (N, out, s H, s W)``.

    Example:
        >>> upsampler = srlab.ResizeConv(32, 1, scale=3)
        >>> float(srlab.kernel_ripple(srlab.subpixel_form(upsampler).kernel, 3)) < 1e-12
        True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        kernel_size: int | None = None,
        mode: Interpolation = "nearest",
        init: Literal["default", "bilinear"] = "default",
    ):
        size = 2 * scale + 1 if kernel_size is None else kernel_size
        if size < 1 or size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive, got {size}")
        if mode not in REACH:
            raise ValueError(f"mode must be one of {', '.join(REACH)}, got {mode!r}")
        halo = REACH[mode] + -(-(size // 2) // scale)
        super().__init__(in_channels, out_channels, scale, halo)
        self.mode: Interpolation = mode
        self.sharing = scale**2
        self.conv = nn.Conv2d(in_channels, out_channels, size)
        if init not in ("default", "bilinear"):
            raise ValueError(f"init must be default or bilinear, got {init!r}")
        if init == "bilinear":
            line = box_line(scale) if mode == "nearest" else torch.ones(1)
            if size < len(line):
                raise ValueError(
                    f"init=bilinear at scale {scale} needs a kernel_size of at least "
                    f"{len(line)}, got {size}"
                )
            carry(self.conv, channel_match(in_channels, out_channels), torch.outer(line, line))

        self.merge: Tensor
        self.register_buffer("merge", _merging(scale, mode, size), persistent=False)

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        conv, s = self.conv, self.scale
        merge = self.merge.to(conv.weight.dtype)
        kernel = torch.einsum("aum,bvn,oimn->oabiuv", merge, merge, conv.weight)
        bias = conv.get_parameter("bias").repeat_interleave(s**2)
        return pixel_shuffle(F.conv2d(framed, kernel.flatten(0, 2), bias), s)

    @staticmethod
    def options_for(form: SubPixel) -> dict[str, Any]:
        """Return the options that a layer needs to hold a form, if it can; see ``take_over``."""
        return {"kernel_size": 2 * form.scale * (form.size // 2) + 1}

    def hold(self, form: SubPixel) -> None:
        """Set the weights to those that come nearest to a form; see ``linear.take_over``."""
        self.conv.weight.data.copy_(fit_separable(form, self.merge))
        self.conv.get_parameter("bias").data.copy_(shared_bias(form))


def _merging(scale: int, mode: Interpolation, size: int) -> Tensor:
    """Return ``(s, 2 halo + 1, size)``, float64: how the kernel's lines become those of each phase.

    Tap m of phase a reads pixel ``s y + a + m - size // 2`` of the enlarged line, which is itself a
    mixture of the pixels around ``y`` plus the quotient by s.
    """
    taps, reach = phase_taps(scale, mode), REACH[mode]
    halo = reach + -(-(size // 2) // scale)
    merge = torch.zeros(scale, 2 * halo + 1, size, dtype=torch.float64)
    for a in range(scale):
        for m in range(size):
            offset, phase = divmod(a + m - size // 2, scale)
            first = halo + offset - reach
            merge[a, first : first + 2 * reach + 1, m] = taps[phase]
    return merge
