"""Upscaling a video: one thread reads and decodes ahead, one encodes and writes."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from srlab.console.progress import clock, show_progress
from srlab.errors import OutputExists
from srlab.imaging.video.chroma import enlarge_chroma
from srlab.imaging.video.clip import Clip
from srlab.imaging.video.frames import blank, plane
from srlab.imaging.video.writing import can_write, check_output, clip_writer
from srlab.storage.atomic import atomic_file
from srlab.storage.folders import ensure_folder

_AHEAD = 4  # frames, or packets of sound, that wait on either side of the network

Upscale = Callable[[np.ndarray], Iterator[np.ndarray]]
Item = TypeVar("Item")


def upscale_video(source: Path, target: Path, upscale: Upscale, scale: int, rgb: bool) -> None:
    """Upscale a video file, and say how fast on the console.

    A network that sees luma is given the luma of the frames as it is in the file, which is the
    studio swing that it was trained on; chroma goes by bicubic at its own resolution. One that sees
    RGB is given RGB.

    Args:
        source: The video file.
        target: The file that is made of it, or a folder for it.
        upscale: Pixels ``(H, W, C)`` to rows ``(h, s W, C)``, from top to bottom.
        scale: The factor s.
        rgb: Whether it sees RGB, not luma.

    Raises:
        UserError: A file cannot be used; there is no output then.
    """
    target = _target(source, target, scale)
    start = time.perf_counter()
    with Clip(source, rgb) as clip:
        height, width = scale * clip.first.height, scale * clip.first.width
        check_output(target.suffix, height, width)
        if clip.remark:
            print(f"{source}: {clip.remark}", flush=True)
        done = 0
        prepare = partial(_with_canvas, scale=scale)
        with (
            atomic_file(target) as file,
            clip_writer(file, target.suffix, height, width, clip) as write,
            _behind(write) as put,
            _ahead(map(prepare, clip.items())) as items,
        ):
            for item, canvas in items:
                if canvas is not None:
                    _fill(canvas, upscale(_seen(item)))
                    done += 1
                    _show(done, clip.frames, start)
                put(item if canvas is None else canvas)
    seconds = time.perf_counter() - start
    _show(done, done, start)
    print(
        f"{target}  {width}x{height}  {done} frames  {seconds:.1f} s  "
        f"{done / seconds:.1f} frames/s",
        flush=True,
    )


def _with_canvas(item: Any, scale: int) -> tuple[Any, Any]:
    """Return a frame with the one that becomes of it, or a packet and None.

    The new frame has its chroma, if it has planes, but no luma or RGB yet.
    """
    if not hasattr(item, "planes"):
        return item, None
    canvas = blank(scale * item.height, scale * item.width, item)
    if len(canvas.planes) == 3:
        chroma = np.stack([plane(item, 1), plane(item, 2)]).astype(np.float32)
        large = enlarge_chroma(torch.from_numpy(chroma).unsqueeze(1), scale)
        levels = large.add_(0.5).clamp_(0, 255).to(torch.uint8).numpy()[:, 0]
        for number in (1, 2):
            whole = plane(canvas, number)  # smaller where the last sample stands for one pixel
            whole[...] = levels[number - 1, : whole.shape[0], : whole.shape[1]]
    return item, canvas


def _seen(frame: Any) -> np.ndarray:
    """Return what the network sees of a frame: ``(H, W, 1 or 3)``."""
    pixels = plane(frame)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _fill(canvas: Any, rows: Iterator[np.ndarray]) -> None:
    """Write the network's rows into a frame."""
    pixels, done = _seen(canvas), 0
    for some in rows:
        pixels[done : done + len(some)] = some
        done += len(some)


@contextmanager
def _ahead(items: Iterator[Item]) -> Iterator[Iterator[Item]]:
    """Take items in a thread of its own, a few before they are wanted."""
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(1, "srlab", torch.set_num_threads, (1,))
    coming = deque(pool.submit(next, items, None) for _ in range(_AHEAD))

    def each() -> Iterator[Item]:
        while (item := coming.popleft().result()) is not None:
            coming.append(pool.submit(next, items, None))
            yield item

    try:
        yield each()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # what threads to come start with


@contextmanager
def _behind(work: Callable[[Item], None]) -> Iterator[Callable[[Item], None]]:
    """Do work in a thread of its own, on at most a few items that wait; its error comes here."""
    pool = ThreadPoolExecutor(1, "srlab")
    waiting: deque[Future[None]] = deque()

    def put(item: Item) -> None:
        waiting.append(pool.submit(work, item))
        if len(waiting) > _AHEAD:
            waiting.popleft().result()

    try:
        yield put
        for task in waiting:
            task.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _target(source: Path, target: Path, scale: int) -> Path:
    """Return the file to write, in a folder that exists.

    Raises:
        UserError: It exists, or its suffix is no video's.
    """
    if target.is_dir():
        kind = source.suffix if can_write(source.suffix) else ".mkv"
        target = target / f"{source.stem}_x{scale}{kind}"
    check_output(target.suffix, 2, 2)
    if target.exists():
        raise OutputExists(f"{target} exists already: name another output, nothing is overwritten")
    ensure_folder(target.parent)
    return target


def _show(done: int, total: int, start: float) -> None:
    """Show on a terminal how far a video is; clear it at the end."""
    seconds = time.perf_counter() - start
    text = f"{done} of {total} frames" if total >= done else f"{done} frames"
    text += f"  {done / seconds:.1f} frames/s"
    if total > done:
        text += f"  {clock((total - done) * seconds / done)} left"
    show_progress("" if total == done else text)
