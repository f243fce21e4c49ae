"""CARAFE: Content-Aware ReAssembly of FEatures (Wang et al., ICCV 2019, arXiv 1905.02188)."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.imaging.resample import REACH, phase_taps, reframe
from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.shuffle import reassembled
from srlab.upsamplers.starts import projection

_FLOOR = 1e-3  # of a weight at the start, next to the largest of 1, so that it can be learnt


class CARAFE(Upsampler):
    """Mix the k x k neighbours of a pixel by weights that are predicted from the picture.

    Kernel prediction (section 3.2): a 1x1 convolution compresses the features to ``compressed``
    channels, an ``encoder_size`` convolution makes ``s^2 k^2`` channels of these, and a softmax
    over the k^2 of each of the s^2 output pixels normalises them. Reassembly (section 3.3): every
    channel of an output pixel is the sum of its low-resolution neighbourhood under these weights.
    The weights are positive and add up to 1, so that a flat area stays flat: no checkerboard.

    CARAFE keeps the number of channels. Where it is to change, a 3x3 convolution at low resolution
    maps what is mixed, as in ``Interpolate``; the weights come from all features.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s.
        kernel_size: k of the reassembly; odd; the paper's is 5.
        encoder_size: Size of the encoder's kernel; odd; the paper advises k - 2.
        compressed: Channels after the compressor; the paper's 64.
        init: ``default`` starts near the average of the neighbourhood, as the paper's does, for a
            normal encoder of deviation 1e-3; ``bilinear`` adds the biases by which it starts near
            bilinear interpolation.

    Shapes: ``(N, in, H + 2 halo, W + 2 halo) -> (N, out, s H, s W)``.

    Example:
        >>> upsampler = srlab.CARAFE(8, 8, scale=2)
        >>> framed = torch.rand(1, 8, 5 + 2 * upsampler.halo, 6 + 2 * upsampler.halo)
        >>> tuple(upsampler(framed).shape)
        (1, 8, 10, 12)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        kernel_size: int = 5,
        encoder_size: int = 3,
        compressed: int = 64,
        init: Literal["default", "bilinear"] = "default",
    ):
        for name, size in (("kernel_size", kernel_size), ("encoder_size", encoder_size)):
            if size < 1 or size % 2 == 0:
                raise ValueError(f"{name} must be odd and positive, got {size}")
        if compressed < 1:
            raise ValueError(f"compressed must be at least 1, got {compressed}")
        if init not in ("default", "bilinear"):
            raise ValueError(f"init must be default or bilinear, got {init!r}")
        if init == "bilinear" and kernel_size < 3:
            raise ValueError(f"init=bilinear needs a kernel_size of at least 3, got {kernel_size}")
        same = in_channels == out_channels
        reach = max(kernel_size // 2 + (0 if same else 1), encoder_size // 2)
        super().__init__(in_channels, out_channels, scale, reach)
        self.kernel_size = kernel_size
        self._margin = 0 if same else 1
        self.compress = nn.Conv2d(in_channels, compressed, 1)
        self.encode = nn.Conv2d(compressed, (scale * kernel_size) ** 2, encoder_size)
        self.project = nn.Identity() if same else projection(in_channels, out_channels, init)
        nn.init.xavier_uniform_(self.compress.weight)
        nn.init.zeros_(self.compress.get_parameter("bias"))
        nn.init.normal_(self.encode.weight, std=1e-3)
        nn.init.zeros_(self.encode.get_parameter("bias"))
        if init == "bilinear":
            line = F.pad(phase_taps(scale, "bilinear"), [kernel_size // 2 - REACH["bilinear"]] * 2)
            taps = torch.einsum("au,bv->uvab", line, line)
            self.encode.get_parameter("bias").data.copy_((taps + _FLOOR).log().flatten())

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        s, k, halo = self.scale, self.kernel_size, self.halo
        rows, columns = (n - 2 * halo for n in framed.shape[-2:])
        encoded = self.encode(reframe(self.compress(framed), halo, self.encode.kernel_size[0] // 2))
        weights = encoded.view(-1, k * k, s * s, rows, columns).softmax(dim=1)
        mixed = reframe(self.project(framed), halo - self._margin, k // 2)
        return reassembled(mixed, weights, s)
