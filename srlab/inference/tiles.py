"""Upscaling in tiles whose result is the whole picture's."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from srlab.imaging.resample import fold, mirror_indices
from srlab.models import Model


@torch.inference_mode()
def upscale_tiled(model: Model, lr: Tensor, tile: int, at_once: int = 1) -> Tensor:
    """Upscale ``(N, C, H, W)`` to ``(N, C, sH, sW)`` in tiles of ``tile`` LR pixels a side.

    See ``upscale_rows``. The result is on the CPU where there are tiles, else on the model's
    device.
    """
    height, width = lr.shape[-2:]
    if _whole(model, height, width, tile):
        return model(lr.to(device_of(model, lr)))
    sr, done = lr, 0
    for rows in upscale_rows(model, lambda a, b: lr[..., a:b, :], height, width, tile, at_once):
        if done == 0:
            sr = rows.new_empty(*rows.shape[:2], height * model.scale, width * model.scale)
        sr[..., done : done + rows.shape[-2], :] = rows
        done += rows.shape[-2]
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
        ``(N, c, s rows, s W)`` on the CPU, in the model's number type, the channels last in memory.
    """
    if _whole(model, height, width, tile):
        rows = read(0, height)
        yield _channels_last(model(rows.to(device_of(model, rows))).cpu())
        return
    frame = model.frame
    context = _up_to(model.halo - frame, model.grid)  # beyond the frame
    across = _cuts(width, tile, model.grid, context, at_once)

    def bands() -> Iterator[tuple[Tensor, _Cut]]:
        """Yield what each row of tiles sees of the picture."""
        for cut in _cuts(height, tile, model.grid, context):
            wanted = fold(torch.arange(cut.start - frame, cut.end + frame), height)
            top = int(wanted.min())
            band = read(top, int(wanted.max()) + 1).index_select(-2, wanted - top)
            yield band.index_select(-1, mirror_indices(width, frame)), cut

    threads = at_once > 1 and device_of(model, torch.empty(0)).type == "cpu"
    make = _in_threads if threads else _in_batches
    for tiles in make(model, bands(), across, at_once):
        yield torch.cat(tiles, dim=-1)


class _Cut(NamedTuple):
    """Along one side: a tile's first and last pixel, and those of its context."""

    first: int
    last: int
    start: int
    end: int


def _cuts(size: int, tile: int, grid: int, context: int, at_once: int = 1) -> list[_Cut]:
    """Cut a side into as few tiles as the largest allows, as equal as the grid allows.

    More than ``at_once`` become a multiple of it, so that none is left to be computed alone.
    """
    count = -(-size // _up_to(tile, grid))
    count = _up_to(count, at_once) if count > at_once else count
    step = _up_to(-(-size // count), grid)
    firsts = range(0, size, step)
    lasts = [min(first + step, size) for first in firsts]
    return [
        _Cut(first, last, max(first - context, 0), min(last + context, size))
        for first, last in zip(firsts, lasts, strict=True)
    ]


def _in_batches(
    model: Model, bands: Iterator[tuple[Tensor, _Cut]], across: list[_Cut], at_once: int
) -> Iterator[list[Tensor]]:
    """Yield the tiles of each band; of equal ones, up to ``at_once`` are given to the model."""
    for band, down in bands:
        row = []
        for _, equal in groupby(across, lambda cut: (cut.end - cut.start, cut.last - cut.first)):
            cuts = list(equal)
            for number in range(0, len(cuts), at_once):
                some = cuts[number : number + at_once]
                pieces = torch.cat([_piece(model, band, cut) for cut in some])
                done = model(pieces.to(device_of(model, band)), halo=model.frame).cpu()
                for cut, part in zip(some, done.split(len(band)), strict=True):
                    row.append(_own(model, part, down, cut))
        yield row


def _in_threads(
    model: Model, bands: Iterator[tuple[Tensor, _Cut]], across: list[_Cut], at_once: int
) -> Iterator[list[Tensor]]:
    """Yield the tiles of each band, each made by one of ``at_once`` threads; a band ahead.

    Threads that share a tile wait for each other after every layer, which takes far longer than
    the layer where the processor has other things to do.
    """

    @torch.inference_mode()
    def make(band: Tensor, down: _Cut, cut: _Cut) -> Tensor:
        return _own(model, model(_piece(model, band, cut), halo=model.frame), down, cut)

    def start(band: Tensor, down: _Cut) -> list[Future[Tensor]]:
        return [pool.submit(make, band, down, cut) for cut in across]

    pool, usual = _pool(at_once), torch.get_num_threads()
    coming: list[Future[Tensor]] = []
    # Each of the pool is to work alone. This thread too: its helpers spin on when they are done.
    torch.set_num_threads(1)
    try:
        for band, down in bands:
            present, coming = coming, start(band, down)
            if present:
                yield [task.result() for task in present]
        yield [task.result() for task in coming]
    finally:
        for task in coming:
            task.cancel()
        torch.set_num_threads(usual)


@lru_cache
def _pool(count: int) -> ThreadPoolExecutor:
    """Return threads that are kept: new ones would take a tenth of a small picture's time."""
    return ThreadPoolExecutor(count)


def _piece(model: Model, band: Tensor, cut: _Cut) -> Tensor:
    """Cut what a tile sees out of a band."""
    return band[..., cut.start : cut.end + 2 * model.frame]


def _own(model: Model, done: Tensor, down: _Cut, across: _Cut) -> Tensor:
    """Cut a tile's own pixels out of what the network made of it and its context."""
    own = [
        slice((cut.first - cut.start) * model.scale, (cut.last - cut.start) * model.scale)
        for cut in (down, across)
    ]
    return _channels_last(done[..., own[0], own[1]])


def device_of(model: Model, x: Tensor) -> torch.device:
    """Return the device of a model, or that of its input if it has no parameters."""
    return next((p.device for p in model.parameters()), x.device)


def _whole(model: Model, height: int, width: int, tile: int) -> bool:
    return tile == 0 or model.whole or max(height, width) <= tile


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _up_to(size: int, grid: int) -> int:
    """Return the next multiple of ``grid``."""
    return -(-size // grid) * grid
