"""What is measured of a network without pictures: its ripple and its cost."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from srlab.measuring.cost import multiply_adds
from srlab.metrics.checkerboard import flat_ripple
from srlab.models.base import Model

_BORDER = 64  # low-resolution pixels that count as border in flat pictures, at most


def ripple_on_flats(upscale: Callable[[Tensor], Tensor], model: Model) -> float:
    """Return the ripple of what ``upscale``, which runs a model, makes of flat pictures."""
    border = min(model.halo, _BORDER)
    return flat_ripple(upscale, model.scale, model.channels, border, model.grid)


def costs_of(network: Model) -> dict[str, float]:
    """Return the multiply-adds per SR pixel, by layer; none if they cannot be counted."""

    def run_network(module: nn.Module, rows: int, columns: int) -> Tensor:
        return module(torch.empty(1, network.channels, rows, columns, device="meta"))

    step = max(12, 4 * network.grid)
    try:
        costs = multiply_adds(network, run_network, step)
    except RuntimeError:  # a foreign layer that wants values
        return {}
    return {name: count / network.scale**2 for name, count in costs.items()}
