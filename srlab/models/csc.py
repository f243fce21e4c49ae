"""Unrolled convolutional sparse coding (Sreter and Giryes, ICASSP 2018, arXiv 1711.00328)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.imaging.resample import REACH, Framed, interpolate
from srlab.models.base import Model, UpsamplerFactory, misfit
from srlab.models.upsampling import guide_reach, halo_of, is_whole, upsample_zero_padded
from srlab.sparse_coding.operators import lipschitz, random_filters, transform
from srlab.sparse_coding.shrinkage import soft_threshold
from srlab.sparse_coding.split import GAIN, residual_of, smoothing_kernel
from srlab.sparse_coding.split import REACH as SPLIT_REACH

_FREQUENCIES = (64, 64)  # at which the filters' largest response is looked for


class CSC(Model):
    """Some iterations of ISTA at low resolution, whose filters are trained; then the upsampler.

    ``z <- soft(z + B (x - A z), threshold)``, from ``z = soft(B x, threshold)``: x is the residual
    of ``sparse_coding.split``, A synthesises it from the codes z, B analyses it. Convolutions pad
    with zeros. The upsampler makes of the codes what is added to bicubic's enlargement.

    It starts as ISTA itself does: random filters d of unit norm, ``A = d / sqrt(L)`` and its
    adjoint B, L being the Lipschitz constant of d. ``start_from`` takes the filters of CSC-SR.

    Args:
        upsampler: Factory ``(in_channels, out_channels, scale) -> nn.Module``.
        scale: The factor s.
        channels: 1 for Y, 3 for RGB.
        filters: Number K of feature maps.
        kernel_size: Size of the filters; odd.
        iterations: Of ISTA after the first threshold.
        tied: Whether B stays the adjoint of A.
        weight: What the absolute values of the codes count at the start.
    """

    smoothing: Tensor

    def __init__(
        self,
        upsampler: UpsamplerFactory,
        scale: int,
        channels: int = 1,
        filters: int = 128,
        kernel_size: int = 5,
        iterations: int = 6,
        tied: bool = False,
        weight: float = 0.4,
    ):
        super().__init__()
        if filters < 1 or iterations < 0:
            raise ValueError(
                f"filters must be at least 1 and iterations at least 0, got {filters}, {iterations}"
            )
        if not 1 <= kernel_size < _FREQUENCIES[0] or kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size must be odd and from 1 to {_FREQUENCIES[0] - 1}, got {kernel_size}"
            )
        if weight <= 0:
            raise ValueError(f"weight must be above 0, got {weight}")
        self.scale = scale
        self.channels = channels
        self.iterations = iterations
        self.weight = weight
        start = random_filters(filters, kernel_size)
        self.synthesis = nn.Parameter(start.expand(-1, channels, -1, -1).clone())
        self.analysis = None if tied else nn.Parameter(self.synthesis.detach().clone())
        self.threshold = nn.Parameter(torch.empty(filters, 1, 1))
        self._begin(self.synthesis.detach() / channels**0.5)
        self.register_buffer("smoothing", smoothing_kernel(), persistent=False)
        self.upsampler = upsampler(filters, channels, scale)  # last: the rest starts alike for all
        self.whole = is_whole(self.upsampler)
        self.frame = max(guide_reach(self.upsampler), SPLIT_REACH, REACH["bicubic"])
        steps = 2 * iterations + 1
        self.halo = self.frame + steps * (kernel_size // 2) + halo_of(self.upsampler)

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        """Map ``(N, C, H+2h, W+2h)``, framed by h = ``halo`` pixels, to ``(N, C, sH, sW)``."""
        picture = Framed(lr, halo).to(self.frame)
        codes = self.codes(residual_of(picture.within(SPLIT_REACH), self.smoothing))
        detail = upsample_zero_padded(self.upsampler, codes, picture, self.scale)
        small = picture.within(REACH["bicubic"])
        return interpolate(small, self.scale, "bicubic") + detail / GAIN

    def codes(self, residual: Tensor) -> Tensor:
        """Return the feature maps of a residual ``(N, C, H, W)``, ``(N, K, H, W)``."""
        analysis = self.synthesis if self.analysis is None else self.analysis
        pad = analysis.shape[-1] // 2
        threshold = F.relu(self.threshold)
        codes = soft_threshold(F.conv2d(residual, analysis, padding=pad), threshold)
        for _ in range(self.iterations):
            error = residual - F.conv_transpose2d(codes, self.synthesis, padding=pad)
            codes = soft_threshold(codes + F.conv2d(error, analysis, padding=pad), threshold)
        return codes

    def start_from(self, weights: dict[str, Tensor]) -> None:
        """Take the weights of a network like this one, or the dictionaries of CSC-SR.

        Raises:
            ValueError: They do not fit.
        """
        if "filters" not in weights:
            super().start_from(weights)
            return
        filters = weights["filters"]
        if filters.shape != self.synthesis.shape:
            raise ValueError(
                f"its filters are {list(filters.shape)}, and here are {list(self.synthesis.shape)}"
            )
        size = _size(filters)
        if not size > 0:
            raise ValueError("its filters are zeros")
        head = {
            name.removeprefix("upsampler."): value / size
            for name, value in weights.items()
            if name.startswith("upsampler.")
        }
        try:
            self.upsampler.load_state_dict(head)
        except RuntimeError as error:
            raise ValueError(f"its upsampler is another: {misfit(error)}") from None
        self._begin(filters)

    @torch.no_grad()
    def _begin(self, filters: Tensor) -> None:
        """Start as ISTA with these filters."""
        size = _size(filters)
        self.synthesis.copy_(filters / size)
        if self.analysis is not None:
            self.analysis.copy_(filters / size)
        self.threshold.fill_(self.weight / size.item())


def _size(filters: Tensor) -> Tensor:
    """Return by what filters ``(K, C, h, h)`` are divided, and codes grow, in ISTA of step 1."""
    power = [lipschitz(transform(part, _FREQUENCIES)) for part in filters.split(1, dim=1)]
    return torch.stack(power).sum().sqrt()
