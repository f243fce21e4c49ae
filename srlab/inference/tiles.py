"""Upscaling in tiles whose result is the whole picture's."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import torch
from torch import Tensor

from srlab.imaging.resample import fold, mirror_indices
from srlab.inference.copies import DeviceCopies
from srlab.inference.cuts import Cut, cut_side, up_to
from srlab.models.base import Model


@torch.inference_mode()
def upscale_tiled(model: Model, lr: Tensor, tile: int, at_once: int = 1) -> Tensor:
    """Upscale ``(N, C, H, W)`` to ``(N, C, sH, sW)`` in tiles of ``tile`` LR pixels a side.

    See ``upscale_rows``. The result is on the CPU where there are tiles, else on the model's
    device.
    """
    height, width = lr.shape[-2:]
    if _whole(model, height, width, tile):
        return model(lr.to(device_of(model, lr)))
    sr = torch.empty(*lr.shape[:2], height * model.scale, width * model.scale, dtype=lr.dtype)
    tiling = _Tiling(model, height, width, tile, at_once)
    for _ in tiling.run(lambda a, b: lr[..., a:b, :], lambda a, b: sr[..., a:b, :]):
        pass
    return sr


@torch.inference_mode()
def upscale_rows(
    model: Model,
    read: Callable[[int, int], Tensor],
    height: int,
    width: int,
    tile: int,
    at_once: int = 1,
) -> Iterator[Tensor]:
    """Upscale a picture by rows of tiles, and yield the finished rows from top to bottom.

    Each tile is cut with ``model.halo`` pixels of context, the whole receptive field, so that it
    gives the pixels of the whole picture up to the rounding of another order of summation. The
    picture is mirrored by the model's ``frame`` at its border, and the context ends there: a deep
    network pads with zeros at the same places as on the whole picture.

    Args:
        model: The network.
        read: ``(first, last)`` gives these low-resolution rows ``(N, C, last - first, W)``.
        height: Rows of the picture.
        width: Its columns.
        tile: The side of the largest tile, in low-resolution pixels; 0 takes the picture whole, and
            so does a model that must. Tiles are alike, so most are smaller.
        at_once: How many tiles are computed at a time: on the CPU by as many threads, each on its
            own, else in one batch. With 1, torch's threads share each tile.

    Yields:
        ``(N, C, s rows, s W)`` on the CPU, of the number type that was read, the channels last in
        memory.
    """
    line = read(0, 1)
    device, kind = device_of(model, line), line.dtype

    def strip(first: int, last: int) -> Tensor:
        size = (*line.shape[:2], last - first, width * model.scale)
        # Pinned, or what comes from a GPU would be copied twice, and waited for.
        pinned = device.type == "cuda"
        return torch.empty(size, dtype=kind, pin_memory=pinned, memory_format=torch.channels_last)

    if _whole(model, height, width, tile):
        sr = _channels_last(model(read(0, height).to(device, non_blocking=True)))
        yield strip(0, height * model.scale).copy_(sr) if sr.is_cuda else sr
        return
    yield from _Tiling(model, height, width, tile, at_once).run(read, strip)


@dataclass(frozen=True)
class _Row:
    """A row of tiles: what it sees of the picture, where it lies, and where its pixels go."""

    band: Tensor
    down: Cut
    out: Tensor


class _Tiling:
    """How a picture is cut for a network."""

    def __init__(self, model: Model, height: int, width: int, tile: int, at_once: int):
        context = up_to(model.halo - model.frame, model.grid)  # beyond the frame
        self.model = model
        self.height, self.width = height, width
        self.down = cut_side(height, tile, model.grid, context)
        self.across = cut_side(width, tile, model.grid, context, at_once)
        self.at_once = at_once

    def run(
        self, read: Callable[[int, int], Tensor], place: Callable[[int, int], Tensor]
    ) -> Iterator[Tensor]:
        """Fill the places of the enlarged picture's rows, one after the other; yield the filled."""
        threads = self.at_once > 1 and device_of(self.model, torch.empty(0)).type == "cpu"
        return self.in_threads(read, place) if threads else self.in_batches(read, place)

    def rows(
        self, read: Callable[[int, int], Tensor], place: Callable[[int, int], Tensor]
    ) -> Iterator[_Row]:
        """Yield the rows of tiles."""
        frame, scale = self.model.frame, self.model.scale
        for cut in self.down:
            wanted = fold(torch.arange(cut.start - frame, cut.end + frame), self.height).tolist()
            top = min(wanted)
            band = read(top, max(wanted) + 1)
            numbers = torch.tensor(wanted, device=band.device) - top
            columns = mirror_indices(self.width, frame, band.device)
            band = band.index_select(-2, numbers).index_select(-1, columns)
            yield _Row(band, cut, place(cut.first * scale, cut.last * scale))

    def in_batches(
        self, read: Callable[[int, int], Tensor], place: Callable[[int, int], Tensor]
    ) -> Iterator[Tensor]:
        """Give the network equal tiles of a row, up to ``at_once`` together.

        While a row is copied from the device, and used, the next one is computed.
        """
        copies, waiting = DeviceCopies(), None
        for row in self.rows(read, place):
            made = self.computed(row)
            done = copies.start(made, row.out)
            if waiting is not None:
                yield waiting()
            waiting = done
        if waiting is not None:
            yield waiting()

    def computed(self, row: _Row) -> Tensor:
        """Compute a row of tiles, and return its pixels on the device of the model."""
        device = device_of(self.model, row.band)
        band = row.band.to(device, non_blocking=True)
        made = row.out
        if device != made.device:
            made = torch.empty_like(made, device=device, memory_format=torch.channels_last)
        here = _Row(band, row.down, made)
        for _, equal in groupby(self.across, lambda cut: (cut.end - cut.start, cut.own)):
            cuts = list(equal)
            for number in range(0, len(cuts), self.at_once):
                some = cuts[number : number + self.at_once]
                pieces = torch.cat([self.piece(here, cut) for cut in some])
                done = self.model(pieces, halo=self.model.frame)
                for cut, part in zip(some, done.split(len(band)), strict=True):
                    self.put(here, cut, part)
        return made

    def in_threads(
        self, read: Callable[[int, int], Tensor], place: Callable[[int, int], Tensor]
    ) -> Iterator[Tensor]:
        """Let each of ``at_once`` threads make tiles of its own; a row ahead of what is yielded.

        Threads that share a tile wait for each other after every layer, which takes far longer
        than the layer where the processor has other things to do. This thread is one of them.
        """
        pool, coming = _pool(self.at_once - 1), self.rows(read, place)
        started: list[tuple[_Row, list[Future[None]]]] = []
        try:
            while True:
                with _alone():
                    row = next(coming, None)
                    if row is not None:
                        tasks = [pool.submit(self.make, row, cut) for cut in self.across]
                        started.append((row, tasks))
                        if len(started) == 1:
                            continue
                    if not started:
                        return
                    self.finish(*started[0])
                yield started.pop(0)[0].out
        finally:
            for _, tasks in started:
                for task in tasks:
                    task.cancel()

    @torch.inference_mode()
    def make(self, row: _Row, cut: Cut) -> None:
        """Make a tile."""
        self.put(row, cut, self.model(self.piece(row, cut), halo=self.model.frame))

    def finish(self, row: _Row, tasks: list[Future[None]]) -> None:
        """Make the tiles that nobody has begun, the last first; wait for the others."""
        for task, cut in reversed(list(zip(tasks, self.across, strict=True))):
            if task.cancel():
                self.make(row, cut)
        for task in tasks:
            if not task.cancelled():
                task.result()

    def piece(self, row: _Row, cut: Cut) -> Tensor:
        """Cut what a tile sees."""
        return row.band[..., cut.start : cut.end + 2 * self.model.frame]

    def put(self, row: _Row, cut: Cut, done: Tensor) -> None:
        """Put a tile's own pixels, of what was made of it and its context, in their place."""
        scale = self.model.scale
        rows, columns = (
            slice((c.first - c.start) * scale, (c.last - c.start) * scale) for c in (row.down, cut)
        )
        row.out[..., cut.first * scale : cut.last * scale] = done[..., rows, columns]


@contextmanager
def _alone() -> Iterator[None]:
    """Keep torch's helpers of this thread out: they would spin on where others work."""
    usual = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


@lru_cache
def _pool(count: int) -> ThreadPoolExecutor:
    """Return threads that are kept: new ones would take a tenth of a small picture's time."""
    return ThreadPoolExecutor(count, "srlab", torch.set_num_threads, (1,))


def device_of(model: Model, x: Tensor) -> torch.device:
    """Return the device of a model, or that of its input if it has no parameters."""
    return next((p.device for p in model.parameters()), x.device)


def _whole(model: Model, height: int, width: int, tile: int) -> bool:
    return tile == 0 or model.whole or max(height, width) <= tile


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
