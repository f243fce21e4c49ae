"""Sparse coding by the alternating direction method of multipliers, in the Fourier domain.

Bristow, Eriksson, Lucey (CVPR 2013); the Sherman-Morrison step is Wohlberg's (ICASSP 2014).
"""

import torch
from torch import Tensor

from srlab.sparse_coding.operators import transform
from srlab.sparse_coding.shrinkage import soft_threshold

_RELAXATION = 1.8  # between 1 and 2: beyond the step, which converges in fewer of them


def solve_rank_one(spectrum: Tensor, right: Tensor, penalty: float) -> Tensor:
    """Solve ``(conj(d) d^T + penalty I) z = right`` for each frequency, by Sherman and Morrison.

    Args:
        spectrum: d, ``(K, ...)``, complex.
        right: ``(N, K, ...)``, complex.
        penalty: Above 0.

    Returns:
        z, ``(N, K, ...)``.
    """
    power = spectrum.abs().square().sum(dim=0)
    shared = (spectrum * right).sum(dim=1, keepdim=True) / (penalty + power)
    return (right - spectrum.conj() * shared) / penalty


def code_by_admm(
    picture: Tensor, filters: Tensor, weight: float, iterations: int, penalty: float
) -> Tensor:
    """Return the codes z that minimise ``|y - D z|^2 / 2 + weight |z|_1``, borders wrapped around.

    Args:
        picture: y, ``(N, 1, H, W)``.
        filters: ``(K, 1, h, h)``, h odd.
        weight: Of the codes' absolute values.
        iterations: How many.
        penalty: That on the difference of the two copies of the codes; it changes the speed only.

    Returns:
        ``(N, K, H, W)``, with true zeros.
    """
    size = picture.shape[-2:]
    spectrum = transform(filters, size)
    fixed = spectrum.conj() * torch.fft.rfft2(picture)
    sparse = picture.new_zeros(len(picture), len(filters), *size)
    scaled = torch.zeros_like(sparse)  # the multipliers over the penalty
    for _ in range(iterations):
        right = fixed + penalty * torch.fft.rfft2(sparse - scaled)
        exact = torch.fft.irfft2(solve_rank_one(spectrum, right, penalty), s=size)
        relaxed = torch.lerp(sparse, exact, _RELAXATION)
        scaled += relaxed
        sparse = soft_threshold(scaled, weight / penalty)
        scaled -= sparse
    return sparse
