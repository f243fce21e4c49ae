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

from srlab.commands.upscale.asked import changed_shape
from srlab.commands.upscale.canvas import Canvas
from srlab.console.progress import clock, show_progress
from srlab.errors import OutputExists, UserError
from srlab.imaging.sizes import SizeOf
from srlab.imaging.video.clip import Clip
from srlab.imaging.video.writing import (
    check_kind,
    clip_writer,
    holds_alpha,
    written_size,
)
from srlab.storage.atomic import atomic_file
from srlab.storage.folders import ensure_folder

_AHEAD = 4  # frames, or packets of sound, that wait on either side of the network

Upscale = Callable[[np.ndarray], Iterator[np.ndarray]]
Item = TypeVar("Item")


def upscale_videos(
    jobs: list[tuple[Path, Path]], upscale: Upscale, size_of: SizeOf, rgb: bool
) -> list[str]:
    """Upscale video files one after the other, as ``upscale_video`` does.

    Args:
        jobs: Each video and the file that is made of it.
        upscale: Pixels ``(H, W, C)`` to the rows of the larger frame, from top to bottom.
        size_of: How large frames become.
        rgb: Whether it sees RGB, not luma.

    Returns:
        What went wrong: a sentence for each video that failed.
    """
    failures = []
    for number, (source, target) in enumerate(jobs, 1):
        count = f"[{number}/{len(jobs)}] " if len(jobs) > 1 else ""
        try:
            upscale_video(source, target, upscale, size_of, rgb, count)
        except UserError as error:
            show_progress("")
            failures.append(str(error))
    return failures


def upscale_video(
    source: Path, target: Path, upscale: Upscale, size_of: SizeOf, rgb: bool, count: str = ""
) -> None:
    """Upscale a video file, and say how fast on the console.

    A network that sees luma is given the luma of the frames as it is in the file, which is the
    studio swing that it was trained on; chroma goes by bicubic at its own resolution. One that sees
    RGB is given RGB. Transparency goes by bicubic, too.

    Args:
        source: The video file.
        target: The file that is made of it.
        upscale: Pixels ``(H, W, C)`` to the rows of the larger frame, from top to bottom.
        size_of: How large frames become.
        rgb: Whether it sees RGB, not luma.
        count: What the line on the console begins with.

    Raises:
        UserError: A file cannot be used; there is no output then.
    """
    _check_target(target)
    start = time.perf_counter()
    with Clip(source, rgb, holds_alpha(target.suffix)) as clip:
        made = _size(clip, size_of)
        size = written_size(target.suffix, *made)
        for remark in _remarks(clip, target.suffix, made, size):
            _tell(source, remark)
        prepare = partial(_prepared, made=made, height=size[0], width=size[1])
        tell = partial(_tell, source)
        with (
            atomic_file(target) as file,
            clip_writer(file, target.suffix, *size, clip, tell) as write,
            _behind(write) as put,
            _ahead(map(prepare, clip.items())) as items,
        ):
            done = _pass_on(items, upscale, put, clip.frames, start)
    seconds = time.perf_counter() - start
    _show(done, done, start)
    if clip.damaged:
        tell(f"{clip.damaged} of its {done} frames are damaged, and look so in {target.name}, too")
    print(
        f"{count}{target}  {size[1]}x{size[0]}  {done} frames  {seconds:.1f} s  "
        f"{done / seconds:.1f} frames/s",
        flush=True,
    )


def _size(clip: Clip, size_of: SizeOf) -> tuple[int, int]:
    """Return the rows and columns that its frames become.

    Raises:
        UserError: They cannot.
    """
    height, width = clip.first.height, clip.first.width
    try:
        size = size_of(height, width)
        if size[0] < height or size[1] < width:
            raise UserError(f"it has {width}x{height} pixels, and videos are enlarged only")
        if clip.turn[0] % 180 and size_of(width, height) != size[::-1]:
            raise UserError(
                f"it is stored as {width}x{height} and players turn it: give a factor, as in "
                f"scale=2.5, not a size in pixels"
            )
    except UserError as error:
        raise UserError(f"{clip.path}: {error}") from None
    return size


def _pass_on(
    items: Iterator[Any], upscale: Upscale, put: Callable[[Any], None], total: int, start: float
) -> int:
    """Fill the canvases, and pass them on with the packets between them; return their number."""
    done = 0
    for item in items:
        if isinstance(item, Canvas):
            item.fill(upscale(item.seen()))
            done += 1
            _show(done, total, start)
        put(item.frame if isinstance(item, Canvas) else item)
    return done


def _remarks(
    clip: Clip, kind: str, size: tuple[int, int], written: tuple[int, int]
) -> Iterator[str]:
    """Yield what becomes of a clip that one may not expect."""
    if clip.remark:
        yield clip.remark
    if shape := changed_shape((clip.first.height, clip.first.width), size):
        yield shape
    if clip.transparent and holds_alpha(kind):
        yield "its transparency is enlarged by bicubic"
    elif clip.transparent:
        yield (
            f"its transparency is left out, as {kind} is written without any: "
            "name the output .webm to keep it"
        )
    if written != size:
        yield (
            f"{size[1]}x{size[0]} becomes {written[1]}x{written[0]}, by repeating the last row or "
            "column, as H.264 has even sizes: name the output .webm to keep it"
        )


def _tell(source: Path, what: str) -> None:
    print(f"{source}: {what}", flush=True)


def _prepared(item: Any, made: tuple[int, int], height: int, width: int) -> Any:
    """Return a frame's canvas, or a packet as it is."""
    return Canvas(item, made, height, width) if hasattr(item, "planes") else item


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


def _check_target(target: Path) -> None:
    """Check the file to write, and make its folder.

    Raises:
        UserError: It exists, or its suffix is no video's.
    """
    check_kind(target.suffix)
    if target.exists():
        raise OutputExists(f"{target} exists already: name another output, nothing is overwritten")
    ensure_folder(target.parent)


def _show(done: int, total: int, start: float) -> None:
    """Show on a terminal how far a video is; clear it at the end."""
    seconds = time.perf_counter() - start
    text = f"{done} of {total} frames" if total >= done else f"{done} frames"
    text += f"  {done / seconds:.1f} frames/s"
    if total > done:
        text += f"  {clock((total - done) * seconds / done)} left"
    show_progress("" if total == done else text)
