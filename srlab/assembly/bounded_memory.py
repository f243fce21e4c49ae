"""Keeping a config that came inside a file from filling the memory."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_ROOM = 2**24  # values that are always allowed: what is made on the way, and thrown away
_SIZED = {torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn, torch.full, torch.eye}


class BoundedMemory(TorchFunctionMode):
    """While entered, no tensor is made that is out of proportion to a file's weights.

    Args:
        weights: What the file holds: a network that fits it needs no more values than these.

    Raises:
        ValueError: One is asked for.
    """

    def __init__(self, weights: Iterable[Tensor]):
        super().__init__()
        self.most = _ROOM + sum(weight.numel() for weight in weights)

    def __torch_function__(
        self,
        function: Callable,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Look at the size that is asked for, and let all else pass."""
        if function in _SIZED and args:
            sizes = args[0] if isinstance(args[0], Sequence) else args
            values = math.prod(size for size in sizes if isinstance(size, int))
            if values > self.most:
                raise ValueError(f"it asks for {values:,} weights, which its file does not hold")
        return function(*args, **(kwargs or {}))
