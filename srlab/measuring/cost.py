"""What a module costs: multiply-adds, counted as torch runs it, memory and parameters."""

import copy
import weakref
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


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


class _LiveTensors(TorchDispatchMode):
    """Adds up the storage of the tensors that are alive, as torch makes and drops them."""

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self._owners: dict[int, int] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._note(leaf)
        return result

    def _note(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        if not self._owners.get(place):
            self.live += size
            self.peak = max(self.peak, self.live)
        self._owners[place] = self._owners.get(place, 0) + 1
        weakref.finalize(tensor, self._drop, place, size)

    def _drop(self, place: int, size: int) -> None:
        self._owners[place] -= 1
        if not self._owners[place]:
            self.live -= size


def tensor_memory(run: Callable[[], object]) -> int:
    """Return the most bytes of tensors that were alive at once, of those that ``run`` makes.

    What a layer's own kernel needs for a moment besides its output is not seen.
    """
    with torch.inference_mode(), _LiveTensors() as mode:
        run()
    return mode.peak


def _count(
    module: nn.Module, run: Callable[[nn.Module, int, int], Tensor], rows: int, columns: int
) -> dict[str, float]:
    from torch.utils.flop_counter import FlopCounterMode  # brings Triton along

    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        run(module, rows, columns)
    counts = {}
    for path, operations in counter.get_flop_counts().items():
        name = "" if path == "Global" else path.partition(".")[2]
        if name or path == "Global":
            counts[name] = sum(operations.values()) / 2
    return counts


def parameter_count(module: nn.Module) -> int:
    """Return how many parameters a module has, frozen ones too."""
    return sum(parameter.numel() for parameter in module.parameters())
