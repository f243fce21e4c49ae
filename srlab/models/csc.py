"""Unrolled convolutional sparse coding (Sreter and Giryes, ICASSP 2018, arXiv 1711.00328)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.imaging.resample import REACH, crop, interpolate, reframe
from srlab.models import MID_GREY, Model, UpsamplerFactory
from srlab.models.upsampling import guide_reach, halo_of, is_whole, upsample_zero_padded
from srlab.sparse_coding import split
from srlab.sparse_coding.shrinkage import soft_threshold

# The residual of photographs has a standard deviation of some 1/20; the codes see it as 1.
GAIN = 20.0


class CSC(Model):
    def __init__(
        self,
        upsampler: UpsamplerFactory,
        scale: int,
        channels: int = 1,
        filters: int = 128,
        kernel_size: int = 5,
        iterations: int = 6,
        tied: bool = False,
        threshold: float = 0.02,
    ):
        super().__init__()
        self.scale = scale
        self.channels = channels
        self.iterations = iterations
        reach = kernel_size // 2
        atoms = torch.randn(filters, channels, kernel_size, kernel_size)
        atoms /= atoms.flatten(1).norm(dim=1)[:, None, None, None]
        power = torch.fft.rfft2(atoms, s=(32, 32)).abs().square().sum(dim=(0, 1))
        atoms /= power.max().sqrt()
        self.synthesis = nn.Parameter(atoms)
        self.analysis = None if tied else nn.Parameter(atoms.clone())
        self.threshold = nn.Parameter(torch.full((filters, 1, 1), GAIN * threshold / power.max().sqrt().item()))
        self.register_buffer("smoothing", split.smoothing_kernel(), persistent=False)
        self.upsampler = upsampler(filters, channels, scale)
        self.whole = is_whole(self.upsampler)
        self.frame = max(guide_reach(self.upsampler), split.REACH + REACH["bicubic"])
        self.halo = self.frame + reach * (2 * iterations + 1) + halo_of(self.upsampler)

    def codes(self, residual):
        analysis = self.synthesis if self.analysis is None else self.analysis
        pad = analysis.shape[-1] // 2
        x = GAIN * residual
        t = F.relu(self.threshold)
        z = soft_threshold(F.conv2d(x, analysis, padding=pad), t)
        for _ in range(self.iterations):
            error = x - F.conv_transpose2d(z, self.synthesis, padding=pad)
            z = soft_threshold(z + F.conv2d(error, analysis, padding=pad), t)
        return z

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        framed = reframe(lr, halo, self.frame) - MID_GREY
        smooth = split.smooth_of(reframe(framed, self.frame, split.REACH + REACH["bicubic"]), self.smoothing)
        residual = crop(framed, self.frame) - crop(smooth, REACH["bicubic"])
        z = self.codes(residual)
        sr = upsample_zero_padded(self.upsampler, z, framed, self.frame, self.scale)
        return sr / GAIN + interpolate(smooth, self.scale, "bicubic") + MID_GREY
