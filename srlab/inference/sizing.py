"""How large tiles are and how many run at once, where nobody says."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from srlab.models.base import Model

_PROBE = 24  # low-resolution pixels a side
_AT_ONCE = 2**26  # bytes that a thread gets from glibc without asking the system
_MEMORY = 2**30  # bytes for the features of a tile on the CPU
_FREE = 0.4  # share of a device's free memory for those of a batch
_MOST_TILES = 16


def automatic_tile(model: Model) -> int:
    """Return a good size of tiles for a network on its device, in low-resolution pixels a side.

    On the CPU 192, so that the features of a shallow network stay near: that is twice as fast as
    the whole picture. Less for a network that makes more than 64 MB of features of it, which glibc
    would fetch from the system anew for each tile of a thread. On CUDA 512, to keep it busy.
    Larger where the network's halo is, so that no more than a quarter is computed twice, but not
    beyond a gigabyte of features, or what is free on CUDA.
    """
    device = _device(model)
    each = bytes_per_pixel(model)
    usual = 512 if device.type == "cuda" else min(192, int((_AT_ONCE / each) ** 0.5))
    wanted = max(usual, 17 * model.halo)
    most = int((_memory(device) / each) ** 0.5) - 2 * model.halo
    return max(min(wanted, most), model.halo, 32)


def automatic_number(model: Model, tile: int) -> int:
    """Return how many tiles are computed at a time: as many as fit beside each other.

    On the CPU one for each of torch's threads, or one by them all; on CUDA a batch of up to 16.
    """
    device = _device(model)
    most = torch.get_num_threads() if device.type == "cpu" else _MOST_TILES
    if tile == 0 or most == 1:
        return 1
    fitting = _memory(device) / (bytes_per_pixel(model) * (tile + 2 * model.halo) ** 2)
    if device.type == "cpu":
        return most if fitting >= most else 1
    return max(1, min(most, int(fitting)))


@torch.inference_mode()
def bytes_per_pixel(model: Model) -> float:
    """Return about how many bytes a network holds at once for each low-resolution pixel.

    It is run on a small picture; counted is what goes into its hungriest layer and comes out, and
    half as much again for what skips it.
    """
    side = _PROBE + 2 * model.frame
    lr = torch.zeros(1, model.channels, side, side, device=_device(model))
    first = next(model.parameters(), lr)
    with _watched(model) as sizes:
        model(lr.to(first.dtype), halo=model.frame)
    return 1.5 * max(sizes) / side**2


@contextmanager
def _watched(model: nn.Module) -> Iterator[list[int]]:
    """Collect, while the body runs, how many bytes every module takes and gives."""
    sizes: list[int] = []

    def note(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        tensors = [x for x in (*inputs, output) if isinstance(x, Tensor)]
        sizes.append(sum(x.nbytes for x in tensors))

    hooks = [module.register_forward_hook(note) for module in model.modules()]
    try:
        yield sizes
    finally:
        for hook in hooks:
            hook.remove()


def _device(model: Model) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def _memory(device: torch.device) -> float:
    """Return the bytes that features may take."""
    if device.type == "cuda":
        return _FREE * torch.cuda.mem_get_info(device)[0]
    return _MEMORY
