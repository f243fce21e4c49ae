"""Feeding a training loop: batches made ahead of the step, in blocks, where the step wants them.

A batch is so cheap that what it costs is mostly the calls, so several are cut at once. On CUDA the
pack moves there, if it fits, and only the places of the patches cross the bus.
"""

import os
import signal
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from srlab.data.patches import PatchBatches
from srlab.machine.processes import end_with_parent

_BLOCK_VALUES = {"cpu": 2**21, "cuda": 2**24}
Item = TypeVar("Item")
Made = TypeVar("Made")

_RESIDENT_SHARE = 0.5  # of the free memory of a GPU that a pack may take


def feed(
    batches: PatchBatches, first: int, last: int, device: torch.device, workers: int = 0
) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Return what yields the batches ``first`` to ``last - 1``; see ``feed_steps``."""
    return feed_steps(batches, range(first, last), device, workers)


def feed_steps(
    batches: PatchBatches, steps: Iterable[int], device: torch.device, workers: int = 0
) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Yield the batches of some steps, in order, as float32 in ``[0, 1]``.

    Args:
        batches: The batches; what is yielded does not depend on how they are made.
        steps: The numbers of the steps, which are looked at as they are wanted.
        device: Where LR ``(N, C, p+2h, p+2h)`` and HR ``(N, C, sp, sp)`` are to lie; both are in
            channels_last.
        workers: Processes that cut them, for packs that outgrow memory; 0 cuts them here.
    """
    size = max(1, min(_BLOCK_VALUES[device.type] // batches.batch_values, 64))
    coming = iter(steps)
    blocks = iter(lambda: tuple(islice(coming, size)), ())
    count = batches.count
    for block in _blocks(batches, blocks, device, workers):
        lr, hr = (x.to(device, non_blocking=True).div(batches.pack.top) for x in block)
        yield from zip(lr.split(count), hr.split(count), strict=True)


def _blocks(
    batches: PatchBatches, steps: Iterable[Sequence[int]], device: torch.device, workers: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield blocks of patches, on the CPU or on the device."""
    if workers:
        yield from _by_workers(batches, steps, workers, pin=device.type == "cuda")
        return
    pixels = batches.pack.as_tensor()
    if not _fits(pixels, device):
        for block in steps:
            yield batches.block(block)
        return
    pixels = pixels.to(device)

    def draw(block: Sequence[int]) -> tuple[Tensor, ...]:
        with torch.cuda.device(device):  # pinned, so that nobody waits for them to be copied
            return tuple(places.pin_memory() for places in batches.places(block))

    for places in _ahead(draw, steps):
        yield batches.cut(pixels, *places)


def _ahead(work: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """Yield ``work(item)`` in order; a thread makes the next one meanwhile."""
    with ThreadPoolExecutor(1, "srlab") as pool:
        coming: Future[Made] | None = None
        for item in items:
            following = pool.submit(work, item)
            if coming is not None:
                yield coming.result()
            coming = following
        if coming is not None:
            yield coming.result()


def _fits(pixels: Tensor, device: torch.device) -> bool:
    """Tell whether a pack may lie on a GPU."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    # What torch holds and does not use is free, too: the pack lay there in the phase before.
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return pixels.numel() <= _RESIDENT_SHARE * free


class _Blocks(Dataset):
    """Blocks of batches by their steps, as a DataLoader wants them."""

    def __init__(self, batches: PatchBatches):
        self.batches = batches

    def __getitem__(self, steps: Sequence[int]) -> tuple[Tensor, Tensor]:
        return self.batches.block(steps)


def _by_workers(
    batches: PatchBatches, steps: Iterable[Sequence[int]], workers: int, pin: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    yield from DataLoader(
        _Blocks(batches),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        pin_memory=pin,
        generator=torch.Generator(),  # or it would draw from the global one at each start
        worker_init_fn=partial(_start_worker, os.getpid()),
    )


def _start_worker(parent: int, _: int) -> None:
    """Leave signals to the parent, and end with it.

    torch's workers look out for their parent from a little later on: one whose parent was killed
    before would wait for ever, and hold the lock of the run folder, which it has inherited.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent(parent)
