"""Several processes that train one network, each on its part of every batch: torch's own words.

A process is a *rank*; rank 0 speaks and writes. All of this is what it says for a single process,
too. Numbers and results travel between CPUs (gloo), gradients by what fits the device.
"""

import os
import time
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from srlab.machine.signals import Stopper

T = TypeVar("T")

_STORE = "SRLAB_RANKS"  # names the file by which the ranks of one machine meet
_MOST_BETWEEN = 10  # steps between two times at which ranks ask each other whether to leave


def expected() -> int:
    """Return how many ranks the environment speaks of, as ``torchrun`` sets it: 1 without."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def local_rank() -> int:
    """Return the number of this rank on its machine: that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0")) if expected() > 1 else 0


def environment(rank: int, count: int, store: Path) -> dict[str, str]:
    """Return the variables of a rank on this machine, which ``join`` reads; ``store``: a file."""
    return {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count), _STORE: str(store),
    }  # fmt: skip


def join(device: torch.device) -> None:
    """Meet the other ranks that the environment speaks of; returns once all are there."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    place = os.environ.get(_STORE)
    if place is None:
        dist.init_process_group(backend)
    else:
        number = int(os.environ["RANK"])
        store = dist.FileStore(place, expected())
        dist.init_process_group(backend, store=store, rank=number, world_size=expected())


def leave() -> None:
    """Wait until all have come here, and part."""
    maximum(0)
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


def maximum(*numbers: int) -> list[int]:
    """Return the highest of the ranks' numbers, of each kind."""
    values = torch.tensor(numbers)
    if count() > 1:
        dist.all_reduce(values, dist.ReduceOp.MAX)
    return values.tolist()


class Leaving:
    """Lets all ranks leave after the same step, whichever of them was asked to.

    They ask each other about once a second, at steps on which they agree: every tenth, or sooner
    where steps take long. One rank looks at its own signal after every step.

    Args:
        stopper: What has caught the signals of this rank.
    """

    def __init__(self, stopper: Stopper):
        self.stopper = stopper
        self._last, self._next = time.monotonic(), 1
        self._steps = 1

    def __call__(self, step: int) -> bool:
        """Tell, after ``step``, whether to leave now."""
        if count() == 1:
            return self.stopper.signal is not None
        self._next -= 1
        if self._next > 0:
            return False
        pace = (time.monotonic() - self._last) / self._steps
        number, microseconds = maximum(self.stopper.signal or 0, int(1e6 * pace))
        self._steps = min(_MOST_BETWEEN, max(1, 1_000_000 // max(1, microseconds)))
        self._last, self._next = time.monotonic(), self._steps
        if number and self.stopper.signal is None:
            self.stopper.signal = number
        return number > 0


def from_first(value: T) -> T:
    """Return what rank 0 has."""
    if count() == 1:
        return value
    shared = [value]
    dist.broadcast_object_list(shared, device=torch.device("cpu"))
    return shared[0]


def share(items: list[T]) -> list[T]:
    """Return this rank's part of a list: the ranks take turns, as with a hand of cards."""
    return items[rank() :: count()]


def gather(part: list[T], total: int) -> list[T]:
    """Return the ``total`` things, in order, whose parts the ranks have as they were dealt."""
    if count() == 1:
        return part
    parts: list[list[T]] = [[] for _ in range(count())]
    dist.all_gather_object(parts, part)
    return [parts[number % count()][number // count()] for number in range(total)]


def wait_for_first() -> None:
    """Wait, on all ranks but the first, until the first has come here."""
    from_first(None)
