"""The exponential moving average of a network's weights."""

import copy
from typing import Any

import torch
from torch import Tensor

from srlab.models.base import Model


class Average:
    """A copy of a network whose weights follow those of the network.

    The decay rises to its value as ``(1 + n) / (10 + n)``, so that the start is soon forgotten; the
    first update takes the weights as they are. Nothing waits for the device.

    Args:
        model: The network that is trained.
        decay: How much of itself the average keeps in a step, at least 0 and under 1.
    """

    def __init__(self, model: Model, decay: float):
        self.module = copy.deepcopy(model).requires_grad_(False)
        self.decay = decay
        self._weights: list[Tensor] = list(model.parameters())
        self._averages: list[Tensor] = list(self.module.parameters())
        self._buffers = list(zip(self.module.buffers(), model.buffers(), strict=True))

    @torch.no_grad()
    def update(self, count: int) -> None:
        """Move towards the weights; ``count`` updates were made before."""
        torch._foreach_lerp_(self._averages, self._weights, self.share(count))
        self._copy_buffers()

    def share(self, count: int) -> float:
        """Return which share of the way an update goes after ``count`` others."""
        return 1 - (min(self.decay, (1 + count) / (10 + count)) if count else 0.0)

    @torch.no_grad()
    def move(self, share: Tensor) -> None:
        """Go a share of the way, which is a tensor: in a recorded step it changes."""
        gaps = torch._foreach_sub(self._weights, self._averages)
        torch._foreach_mul_(gaps, share)
        torch._foreach_add_(self._averages, gaps)
        self._copy_buffers()

    def _copy_buffers(self) -> None:
        for ours, theirs in self._buffers:
            ours.copy_(theirs)

    def state_dict(self) -> dict[str, Any]:
        """Return the averaged weights."""
        return self.module.state_dict()

    def load_state_dict(self, weights: dict[str, Any]) -> None:
        """Take up averaged weights; also as srlab 0.1 kept them in its first months."""
        if "n_averaged" in weights:
            weights = {
                key.removeprefix("module."): value
                for key, value in weights.items()
                if key != "n_averaged"
            }
        self.module.load_state_dict(weights)


def average_of(model: Model, decay: float) -> Average | None:
    """Return the average of a model's weights, or None for a decay of 0."""
    return Average(model, decay) if decay > 0 else None
