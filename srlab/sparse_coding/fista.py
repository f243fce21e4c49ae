"""Sparse coding by the fast iterative shrinkage-thresholding algorithm."""

import math

from torch import Tensor

from srlab.sparse_coding.operators import analyse, lipschitz, synthesise, transform
from srlab.sparse_coding.shrinkage import soft_threshold


def code_by_fista(picture: Tensor, filters: Tensor, weight: float, iterations: int) -> Tensor:
    """Return the codes z that minimise ``|y - D z|^2 / 2 + weight |z|_1``, borders wrapped around.

    Beck and Teboulle (SIAM J. Imaging Sciences 2009); its momentum, that of all pictures together,
    starts anew where it points uphill (O'Donoghue and Candes 2015). Another way to the minimum that
    ``code_by_admm`` seeks, by which the two are judged.

    Args:
        picture: y, ``(N, 1, H, W)``.
        filters: ``(K, 1, h, h)``, h odd.
        weight: Of the codes' absolute values.
        iterations: How many.

    Returns:
        ``(N, K, H, W)``, with true zeros.
    """
    spectrum = transform(filters, picture.shape[-2:])
    step = 1 / lipschitz(spectrum)
    codes = picture.new_zeros(len(picture), len(filters), *picture.shape[-2:])
    ahead, momentum = codes, 1.0
    for _ in range(iterations):
        slope = analyse(synthesise(ahead, spectrum) - picture, spectrum)
        moved = soft_threshold(ahead - step * slope, weight * step)
        if ((ahead - moved) * (moved - codes)).sum() > 0:
            momentum = 1.0
        following = (1 + math.sqrt(1 + 4 * momentum**2)) / 2
        ahead = moved + (momentum - 1) / following * (moved - codes)
        codes, momentum = moved, following
    return codes
