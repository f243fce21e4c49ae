"""Filters from codes: least squares whose matrix is gathered batch by batch.

With the codes at hand, a picture is a linear function of its filters: the pixel at p is the sum
over feature maps k and taps u of ``w[k, u] z_k(p + u)``. All that least squares wants to know of
the pictures are the moments of these taps, however many pictures there are.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_FLAT = 1e-12  # a mean square of codes that is as good as none


def moments(codes: Tensor, targets: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the second moments of codes with themselves and with targets, means over pixels.

    Args:
        codes: ``(N, K, H + 2 r, W + 2 r)``, r = ``size // 2``.
        targets: ``(N, T, H, W)``.
        size: Taps on a side, odd.

    Returns:
        ``(K size^2, K size^2)`` and ``(K size^2, T)``.
    """
    taps = F.unfold(codes, size).transpose(0, 1).flatten(1)
    wanted = targets.transpose(0, 1).flatten(1)
    return taps @ taps.T / taps.shape[1], taps @ wanted.T / taps.shape[1]


def inner_taps(maps: int, size: int, inner: int) -> Tensor:
    """Return which of ``maps size^2`` taps lie in the middle ``inner x inner`` of each window."""
    numbers = torch.arange(maps * size**2).view(maps, size, size)
    edge = (size - inner) // 2
    return numbers[:, edge : size - edge, edge : size - edge].flatten()


def ridge(matrix: Tensor, right: Tensor, damping: float) -> Tensor:
    """Return the w that minimises ``w^T M w / 2 - w^T r + damping mean(diag M) |w|^2 / 2``.

    Args:
        matrix: M, ``(n, n)``, of second moments.
        right: r, ``(n, T)``.
        damping: Above 0.

    Returns:
        w, ``(n, T)``; zeros where M is.

    Raises:
        torch.linalg.LinAlgError: The damping is lost in the rounding of M.
    """
    exact = matrix.double()
    level = damping * exact.diagonal().mean().clamp(min=_FLAT)
    damped = exact + level * torch.eye(len(exact)).to(exact)
    return torch.cholesky_solve(right.double(), torch.linalg.cholesky(damped)).to(right.dtype)


def descend_in_balls(
    weights: Tensor, matrix: Tensor, right: Tensor, block: int, passes: int
) -> Tensor:
    """Lower ``w^T M w / 2 - w^T r`` where each block of w lies in the unit ball.

    Block by block, a gradient step of the length that the block's curvature allows and the
    projection onto the ball (Mairal et al., JMLR 2010, algorithm 2): no step raises it.

    Args:
        weights: w, ``(n,)``, within the balls.
        matrix: M, ``(n, n)``.
        right: r, ``(n,)``.
        block: Length of a block, one filter.
        passes: Over all blocks.

    Returns:
        The new w. A block that no code uses stays as it is.
    """
    weights = weights.clone()
    squares = matrix.unflatten(0, (-1, block)).unflatten(2, (-1, block))
    own = squares.diagonal(dim1=0, dim2=2).permute(2, 0, 1)
    curvature = torch.linalg.eigvalsh(own)[:, -1].tolist()
    for _ in range(passes):
        for number, steepest in enumerate(curvature):
            if steepest <= 0:
                continue
            part = slice(number * block, (number + 1) * block)
            moved = weights[part] - (matrix[part] @ weights - right[part]) / steepest
            weights[part] = moved / moved.norm().clamp(min=1)
    return weights
