"""Guards: a picture's smooth component minimises its functional."""

import torch
import torch.nn.functional as F
from common import largest, normal_noise

from srlab.sparse_coding.split import REACH, smooth_of, smoothing_kernel


def test_the_smooth_component_minimises_its_functional():
    picture = normal_noise(1, 1, 64, 64)
    kernel = smoothing_kernel(torch.float64)
    smooth = smooth_of(F.pad(picture, [REACH] * 4, mode="circular"), kernel)
    box = torch.zeros(64, 64, dtype=torch.float64)
    box[:2, :2] = box[-1, :2] = 1
    box[:2, -1] = box[-1, -1] = 1
    s = torch.fft.fft2(box)
    slope = 4 - 2 * (
        torch.cos(2 * torch.pi * torch.fft.fftfreq(64, dtype=torch.float64))[:, None]
        + torch.cos(2 * torch.pi * torch.fft.fftfreq(64, dtype=torch.float64))[None, :]
    )
    z = torch.fft.fft2(picture) * s.conj() / (s.abs() ** 2 + 30 * slope)
    assert largest(smooth - torch.fft.ifft2(s * z).real) < 1e-3 * largest(picture)
