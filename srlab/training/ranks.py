"""Several processes that train one network, each on its part of every batch: torch's own words.

A process is a *rank*; rank 0 speaks and writes. All of this is what it says for a single process,
too. Numbers and results travel between CPUs (gloo), gradients by what fits the device.
"""

import os
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


def asked() -> int:
    """Return how many ranks the environment speaks of, as ``torchrun`` sets it: 1 without."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def local() -> int:
    """Return the number of this rank on its machine: that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0")) if asked() > 1 else 0


def join(device: torch.device) -> None:
    """Meet the other ranks that the environment speaks of; returns once all are there."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")


def leave() -> None:
    """Part from the others, if there are any."""
    if dist.is_initialized():
        dist.destroy_process_group()


def count() -> int:
    """Return how many ranks there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this one."""
    return dist.get_rank() if dist.is_initialized() else 0


def parallel(model: nn.Module) -> nn.Module:
    """Return a module that computes what ``model`` does and averages its gradients over ranks."""
    if count() == 1:
        return model
    device = next(model.parameters()).device
    places = [device.index] if device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=places, gradient_as_bucket_view=True)


def mean(values: Tensor) -> Tensor:
    """Return the mean over ranks of a tensor on the CPU."""
    if count() > 1:
        values = values.clone()
        dist.all_reduce(values)
        values /= count()
    return values


def highest(number: int) -> int:
    """Return the highest of the ranks' numbers."""
    if count() == 1:
        return number
    value = torch.tensor(number)
    dist.all_reduce(value, dist.ReduceOp.MAX)
    return int(value)


def of_first(value: T) -> T:
    """Return what rank 0 has."""
    if count() == 1:
        return value
    shared = [value]
    dist.broadcast_object_list(shared, device=torch.device("cpu"))
    return shared[0]


def dealt(items: list[T]) -> list[T]:
    """Return this rank's part of a list: the ranks take turns, as with a hand of cards."""
    return items[rank() :: count()]


def collected(part: list[T], total: int) -> list[T]:
    """Return the ``total`` things, in order, whose parts the ranks have as they were dealt."""
    if count() == 1:
        return part
    parts: list[list[T]] = [[] for _ in range(count())]
    dist.all_gather_object(parts, part)
    return [parts[number % count()][number // count()] for number in range(total)]


def wait_for_first() -> None:
    """Wait, on all ranks but the first, until the first has come here."""
    of_first(None)
