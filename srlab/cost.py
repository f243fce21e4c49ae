"""What a module costs: multiply-adds, counted as torch runs it."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def multiply_adds(
    module: nn.Module, run: Callable[[nn.Module, int, int], Tensor], step: int = 12
) -> dict[str, float]:
    """Count the multiply-adds of a module, and of each of its parts, per pixel of its input.

    Of pictures of four sizes the mixed difference is taken, ``f(a, a) - f(a, b) - f(b, a) +
    f(b, b)``: what borders and what the weights alone cost drops out, and what remains is exact.
    Nothing is computed: the tensors have shapes alone.

    Args:
        module: The module; it is copied, not changed.
        run: ``(module, rows, columns) -> output``; hands the module an input on the device
            ``meta`` whose number of pixels, borders aside, is ``rows * columns``.
        step: Difference of the sizes, a multiple of whatever grid the module pools by.

    Returns:
        Multiply-adds by the dotted name of the part, '' being the whole.
    """
    shapes = copy.deepcopy(module).to("meta", torch.float32).eval()
    base = 4 * step
    total: dict[str, float] = {}
    for rows, columns, sign in (
        (base + step, base + step, 1), (base + step, base, -1), (base, base + step, -1),
        (base, base, 1),
    ):  # fmt: skip
        for name, count in _count(shapes, run, rows, columns).items():
            total[name] = total.get(name, 0) + sign * count
    return {name: count / step**2 for name, count in total.items()}


def _count(
    module: nn.Module, run: Callable[[nn.Module, int, int], Tensor], rows: int, columns: int
) -> dict[str, float]:
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        run(module, rows, columns)
    counts = {}
    for path, operations in counter.get_flop_counts().items():
        name = "" if path == "Global" else path.partition(".")[2]
        if name or path == "Global":
            counts[name] = sum(operations.values()) / 2
    return counts
