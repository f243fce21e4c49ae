"""SCN: a network of sparse coding (Wang, Liu, Yang, Han, Huang, ICCV 2015, arXiv 1507.08905)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.imaging.resample import Framed, crop
from srlab.models.base import Model, UpsamplerFactory
from srlab.models.upsampling import is_whole, picture_reach, upsample
from srlab.sparse_coding.shrinkage import soft_threshold

_PATCH = 5  # pixels a side, of what an atom makes
_MEAN = 13  # pixels a side, of the local mean
_FIELD = 4  # pixels around one that its features see
_CONTEXT = _MEAN // 2 + 2 * (_PATCH // 2)  # of the contrast, which sees furthest
_FLAT = 1e-3  # a norm far below that of a step between two of 256 levels


class SCN(Model):
    """Enlarge the input, code the features of its patches, and make new patches of the codes.

    All at high resolution. The features of a pixel, 100 by two convolutions, are scaled to unit
    norm and coded by LISTA. Of the codes z a dictionary makes the patch around the pixel,
    ``contrast Dx z``; the contrast is the norm of the input's patch less its local mean.
    Overlapping patches are added with weights, and the local mean is added on top.

    It starts with the features of Yang et al. (TIP 2010), first and second differences gathered
    from 5x5 pixels, with ISTA on a random dictionary, and with patches of zeros. The paper starts
    from dictionaries trained beforehand, and reaches x3 and x4 by x2 twice.

    Args:
        upsampler: Factory ``(in_channels, out_channels, scale) -> nn.Module``; the paper's is
            bicubic interpolation.
        scale: The factor s.
        channels: 1 for Y; 3 for RGB, whose channels are treated alike, one by one.
        atoms: Size of the dictionary.
        recursions: Of LISTA after the first threshold.
        weight: What the absolute values of the codes count at the start.
    """

    def __init__(
        self,
        upsampler: UpsamplerFactory,
        scale: int,
        channels: int = 1,
        atoms: int = 128,
        recursions: int = 1,
        weight: float = 0.1,
    ):
        super().__init__()
        if atoms < 1 or recursions < 0:
            raise ValueError(
                f"atoms must be at least 1 and recursions at least 0, got {atoms} and {recursions}"
            )
        if weight <= 0:
            raise ValueError(f"weight must be above 0, got {weight}")
        self.scale = scale
        self.channels = channels
        self.recursions = recursions
        taps = _PATCH**2
        self.differences = nn.Conv2d(1, 4, _PATCH, bias=False)
        self.gather = nn.Conv2d(4, 4 * taps, _PATCH, bias=False)
        self.encode = nn.Conv2d(4 * taps, atoms, 1, bias=False)
        self.recur = nn.Conv2d(atoms, atoms, 1, bias=False)
        self.threshold = nn.Parameter(torch.empty(atoms, 1, 1))
        self.decode = nn.Conv2d(atoms, taps, 1, bias=False)
        self.overlap = nn.Parameter(torch.empty(taps))
        self._begin(weight)
        self.upsampler = upsampler(channels, channels, scale)
        frame = -(-_CONTEXT // scale)
        self._surplus = scale * frame - _CONTEXT
        self._spare = frame
        self.whole = is_whole(self.upsampler)
        self.halo = picture_reach(self.upsampler, frame)
        self.frame = self.halo

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        """Map ``(N, C, H+2h, W+2h)``, framed by h = ``halo`` pixels, to ``(N, C, sH, sW)``."""
        seen = Framed(lr, halo).to(self.halo)
        enlarged = upsample(self.upsampler, seen, seen, self.scale, self._spare)
        picture = crop(enlarged, self._surplus).flatten(0, 1).unsqueeze(1)
        mean = F.avg_pool2d(picture, _MEAN, stride=1)
        energy = (crop(picture, _MEAN // 2) - mean).square()
        contrast = (_PATCH**2 * F.avg_pool2d(energy, _PATCH, stride=1) + _FLAT**2).sqrt()
        half = _PATCH // 2
        codes = self.codes(crop(picture, _CONTEXT - half - _FIELD))
        places = torch.diag(self.overlap).view(-1, 1, _PATCH, _PATCH)
        added = crop(F.conv_transpose2d(contrast * self.decode(codes), places), 2 * half)
        sr = added + crop(mean, 2 * half)
        return sr.view(*lr.shape[:2], *sr.shape[-2:])

    def codes(self, picture: Tensor) -> Tensor:
        """Return codes of the patches around pixels: ``(N, 1, H+8, W+8)`` to ``(N, K, H, W)``."""
        features = self.gather(self.differences(picture))
        power = features.square().sum(dim=1, keepdim=True)
        driven = self.encode(features * (power + _FLAT**2).rsqrt())
        threshold = F.relu(self.threshold)
        codes = soft_threshold(driven, threshold)
        for _ in range(self.recursions):
            codes = soft_threshold(driven + self.recur(codes), threshold)
        return codes

    @torch.no_grad()
    def _begin(self, weight: float) -> None:
        inputs, atoms = self.encode.in_channels, self.encode.out_channels
        dictionary = F.normalize(torch.randn(inputs, atoms), dim=0)
        power = torch.linalg.matrix_norm(dictionary, 2) ** 2
        first = torch.tensor([0.0, -1, 0, 1, 0])
        second = torch.tensor([1.0, 0, -2, 0, 1])
        self.differences.weight.zero_()
        self.differences.weight[:2, 0, _PATCH // 2] = torch.stack([first, second])
        self.differences.weight[2:, 0, :, _PATCH // 2] = torch.stack([first, second])
        self.gather.weight.copy_(torch.eye(inputs).view_as(self.gather.weight))
        self.encode.weight.copy_((dictionary.T / power)[..., None, None])
        self.recur.weight.copy_(
            (torch.eye(atoms) - dictionary.T @ dictionary / power)[..., None, None]
        )
        self.threshold.fill_(weight / power.item())
        self.decode.weight.zero_()
        self.overlap.fill_(1 / len(self.overlap))
