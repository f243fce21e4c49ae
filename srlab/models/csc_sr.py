"""CSC-SR: convolutional sparse coding (Gu, Zuo, Xie, Meng, Feng, Zhang, ICCV 2015).

The picture is split into a smooth component and a residual; the residual is coded as a sum of LR
filters convolved with sparse feature maps; the maps drive HR filters; what these make is added to
the picture enlarged by bicubic.

The paper maps the K feature maps to J others, by non-negative weights that sum to 1, sets zeros
between their pixels and convolves them with J filters. Both steps are linear, and with J >= K, as
in the paper, the weights restrict nothing: each map may be passed on as it is. So they amount to
one free transposed convolution of stride s, the network's upsampler, and its best weights are the
solution of a least-squares problem, with no alternation and no local minimum.

Nothing here is learnt by gradients: see ``learn``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.errors import UserError
from srlab.imaging.resample import REACH, Framed, crop, fold, interpolate, reframe
from srlab.models.base import Model, UpsamplerFactory
from srlab.models.upsampling import halo_of, is_whole, picture_reach, upsample
from srlab.sparse_coding.admm import code_by_admm
from srlab.sparse_coding.contact_sheet import contact_sheet
from srlab.sparse_coding.operators import random_filters, sparse_objective, transform
from srlab.sparse_coding.regression import descend_in_balls, inner_taps, moments, ridge
from srlab.sparse_coding.split import GAIN, residual_of, smoothing_kernel
from srlab.sparse_coding.split import REACH as SPLIT_REACH

_MARGIN = 8  # pixels coded around a block and thrown away: there the borders wrap around
_MEMORY = 3  # step n counts n (n + 1) (n + 2) / 6 times the first: old filters are forgotten
_BLOCKS = 16  # coded at a time


class CSCSR(Model):
    """Code the residual in blocks, and synthesise with the upsampler.

    RGB is coded channel by channel with the same filters. The moments of its codes from which it
    learns, ``(K kernel_size^2)^2`` numbers, lie beside the weights: 10 MB for 64 filters of 5x5.

    Args:
        upsampler: Factory ``(in_channels, out_channels, scale) -> nn.Module``; to learn, it takes
            one that can hold any kernel: a transposed convolution whose kernel is a multiple of the
            scale, or PixelShuffle.
        scale: The factor s.
        channels: 1 for Y, 3 for RGB.
        filters: Number K of feature maps.
        kernel_size: Size of the LR filters; odd.
        weight: What the absolute values of the codes count, for a residual of variance about 1.
        iterations: Of ADMM.
        damping: Of the ridge regression, in units of the mean square of the codes.
        block: LR pixels a side that are coded together.
    """

    learns = True
    smoothing: Tensor
    steps: Tensor
    taps: Tensor
    answers: Tensor
    active: Tensor

    def __init__(
        self,
        upsampler: UpsamplerFactory,
        scale: int,
        channels: int = 1,
        filters: int = 64,
        kernel_size: int = 5,
        weight: float = 0.5,
        iterations: int = 10,
        damping: float = 1e-3,
        block: int = 48,
    ):
        super().__init__()
        if filters < 1 or iterations < 1:
            raise ValueError(
                f"filters and iterations must be at least 1, got {filters}, {iterations}"
            )
        if kernel_size % 2 == 0 or not 1 <= kernel_size <= 2 * _MARGIN + 1:
            raise ValueError(
                f"kernel_size must be odd and at most {2 * _MARGIN + 1}, got {kernel_size}"
            )
        if weight <= 0 or damping <= 0:
            raise ValueError(f"weight and damping must be above 0, got {weight}, {damping}")
        if block < 8:
            raise ValueError(f"block must be at least 8 pixels, got {block}")
        self.scale = scale
        self.channels = channels
        self.weight = weight
        self.iterations = iterations
        self.damping = damping
        self.block = block
        self.filters = nn.Parameter(random_filters(filters, kernel_size), requires_grad=False)
        taps = filters * kernel_size**2
        self.register_buffer("smoothing", smoothing_kernel(), persistent=False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.register_buffer("taps", torch.zeros(taps, taps))
        self.register_buffer("answers", torch.zeros(taps, 1 + scale**2))
        self.register_buffer("active", torch.zeros(()), persistent=False)
        self.upsampler = upsampler(filters, 1, scale)
        self._reach = halo_of(self.upsampler)
        self.whole = is_whole(self.upsampler)
        self.frame = max(SPLIT_REACH + _MARGIN, picture_reach(self.upsampler))
        self.grid = 1 if self.whole else block
        self.halo = self.frame + block - 1

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        """Map ``(N, C, H+2h, W+2h)``, framed by h = ``halo`` pixels, to ``(N, C, sH, sW)``."""
        framed = reframe(lr, halo, self.frame)
        height, width = (n - 2 * self.frame for n in framed.shape[-2:])
        down, across = (height, width) if self.whole else (self.block, self.block)
        for axis, missing in ((-2, -height % down), (-1, -width % across)):
            size = framed.shape[axis]
            further = fold(torch.arange(size + missing, device=framed.device), size)
            framed = framed.index_select(axis, further)
        cut = framed.unfold(2, down + 2 * self.frame, down)
        cut = cut.unfold(3, across + 2 * self.frame, across)
        blocks = cut.reshape(-1, 1, *cut.shape[-2:])
        made = torch.cat([self._enlarge(part) for part in blocks.split(_BLOCKS)])
        rows = made.view(*cut.shape[:4], *made.shape[-2:]).transpose(3, 4)
        sr = rows.reshape(*cut.shape[:2], rows.shape[2] * rows.shape[3], -1)
        return sr[..., : self.scale * height, : self.scale * width]

    def codes(self, residual: Tensor) -> Tensor:
        """Return the feature maps of a residual ``(N, 1, H, W)``, ``(N, K, H, W)``."""
        # Of penalties from 3 to 300 times the weight, the one that came nearest in 50 iterations
        # on noise.
        return code_by_admm(residual, self.filters, self.weight, self.iterations, 10 * self.weight)

    def split(self, framed: Tensor) -> tuple[Tensor, Tensor]:
        """Return the residual of a framed picture, with its margin, and bicubic's enlargement.

        Shapes: ``(N, 1, H + 2 frame, W + 2 frame)`` to ``(N, 1, H + 2 margin, W + 2 margin)`` and
        ``(N, 1, s H, s W)``.
        """
        framed = crop(framed, self.frame - SPLIT_REACH - _MARGIN)
        residual = residual_of(framed, self.smoothing)
        small = crop(framed, SPLIT_REACH + _MARGIN - REACH["bicubic"])
        return residual, interpolate(small, self.scale, "bicubic")

    def check_learning(self) -> None:
        """Make sure that the upsampler can hold what is learnt.

        Raises:
            ValueError: It cannot.
        """
        size = 2 * self._reach + 1
        if size > self.filters.shape[-1]:
            raise ValueError(
                f"the upsampler's kernel of {size}x{size} LR pixels is larger than the filters, "
                f"{self.filters.shape[-1]}x{self.filters.shape[-1]}: raise model.kernel_size"
            )
        shape = (self.scale**2, len(self.filters), size, size)
        trial = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        held = {k: v.clone() for k, v in self.upsampler.state_dict().items()}
        self._give(trial)
        self.upsampler.load_state_dict(held)

    @torch.no_grad()
    def learn(self, lr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        """Take one step of online dictionary learning (Mairal et al., JMLR 2010).

        The batch is coded with the filters as they are; the moments of its codes join the running
        ones; from these follow new LR filters, within unit balls, and the best HR filters.

        Args:
            lr: ``(N, C, H + 2 frame, W + 2 frame)``, in ``[0, 1]``.
            hr: ``(N, C, s H, s W)``.

        Returns:
            ``coding``, the objective of sparse coding per LR pixel, and ``synthesis``, the squared
            error per HR pixel before the step; both for a residual of variance about 1.
        """
        residual, enlarged = self.split(lr.flatten(0, 1).unsqueeze(1))
        codes = self.codes(residual)
        size = self.filters.shape[-1]
        near = crop(codes, _MARGIN - size // 2)
        inner, detail = crop(residual, _MARGIN), GAIN * (hr.flatten(0, 1).unsqueeze(1) - enlarged)
        picture = Framed(lr, self.frame)
        made = upsample(self.upsampler, Framed(near, size // 2), picture, self.scale)
        terms = {
            "coding": self._objective(residual, codes),
            "synthesis": (made - detail).square().mean(),
        }
        targets = torch.cat([inner, F.pixel_unshuffle(detail, self.scale)], dim=1)
        taps, answers = moments(near, targets, size)
        share = (_MEMORY + 1) / (_MEMORY + 1 + self.steps)
        self.taps.lerp_(taps, share)
        self.answers.lerp_(answers, share)
        self.steps += 1
        self.active.copy_(codes.count_nonzero() / residual.numel())
        self._update_filters(size)
        self._solve_upsampler(size)
        return terms

    def gauges(self) -> dict[str, float]:
        """Return how many codes of the last batch were not zero, per LR pixel."""
        return {"sparsity/active_codes_per_pixel": self.active.item()}

    def pictures(self) -> dict[str, Tensor]:
        """Return the LR and the HR filters as sheets, ``(1, 1, H, W)`` in ``[0, 1]``."""
        return {
            "filters/lr": contact_sheet(self.filters, zoom=self.scale),
            "filters/hr": contact_sheet(self.responses()),
        }

    @torch.no_grad()
    def responses(self) -> Tensor:
        """Return the HR filters, what one pixel of each map makes: ``(K, 1, h, h)``."""
        count, halo = len(self.filters), self._reach
        middle = 2 * halo
        impulses = self.filters.new_zeros(count, count, 2 * middle + 1, 2 * middle + 1)
        impulses[range(count), range(count), middle, middle] = 1
        return self.upsampler(impulses)

    def _objective(self, residual: Tensor, codes: Tensor) -> Tensor:
        spectrum = transform(self.filters, residual.shape[-2:])
        total = sparse_objective(residual, codes, spectrum, self.weight)
        return total.mean() / residual[0].numel()

    def _update_filters(self, size: int) -> None:
        """Lower the mean coding error of all steps over the LR filters."""
        # A convolution reads its taps the other way round.
        weights = self.filters.flip(-2, -1).flatten()
        moved = descend_in_balls(weights, self.taps, self.answers[:, 0], size**2, passes=1)
        self.filters.copy_(moved.view_as(self.filters).flip(-2, -1))

    def _solve_upsampler(self, size: int) -> None:
        """Give the upsampler the kernel that lowers the mean error of all steps most."""
        reach = 2 * self._reach + 1
        used = inner_taps(len(self.filters), size, reach).to(self.taps.device)
        try:
            kernel = ridge(self.taps[used][:, used], self.answers[used, 1:], self.damping)
        except torch.linalg.LinAlgError:
            raise UserError(
                f"the HR filters cannot be solved for: raise model.damping, which is {self.damping}"
            ) from None
        self._give(kernel.T.reshape(-1, len(self.filters), reach, reach))

    def _give(self, kernel: Tensor) -> None:
        become = getattr(self.upsampler, "become", None)
        if become is None:
            raise ValueError(f"{type(self.upsampler).__name__} cannot be given a kernel")
        become(kernel)

    def _enlarge(self, framed: Tensor) -> Tensor:
        """Map blocks ``(n, 1, B + 2 frame, B + 2 frame)`` to ``(n, 1, s B, s B)``."""
        residual, enlarged = self.split(framed)
        with torch.no_grad():
            codes = self.codes(residual)
        picture = Framed(framed, self.frame)
        detail = upsample(self.upsampler, Framed(codes, _MARGIN), picture, self.scale)
        return enlarged + detail / GAIN
