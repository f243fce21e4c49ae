"""Upscaling files of pictures: one is read ahead, one is closed behind."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from srlab.commands.upscale.asked import changed_shape
from srlab.commands.upscale.frames import check_holds, counted, tell_left_out, upscale_frames
from srlab.console.progress import show_progress
from srlab.errors import UserError
from srlab.imaging.frames import Frames, read_frames
from srlab.imaging.picture import Picture, fill_hidden
from srlab.imaging.sizes import SizeOf
from srlab.imaging.writing import picture_writer
from srlab.storage.atomic import atomic_file


def upscale_files(
    jobs: list[tuple[Path, Path]],
    upscale_of: Callable[[Path], Callable[[np.ndarray], Iterator[np.ndarray]]],
    size_of: SizeOf,
    first_frame: bool = False,
    quality: int | None = None,
) -> list[str]:
    """Upscale picture files; while one is computed, the next is read and the last one closed.

    Args:
        jobs: Each picture and the file that is made of it.
        upscale_of: What enlarges a file's pixels ``(H, W, C)``, to rows from top to bottom.
        size_of: How large each becomes.
        first_frame: Whether to take the first of several frames only.
        quality: 1 to 100, of JPEG and WebP; 95 if None.

    Returns:
        What went wrong: a sentence for each picture that failed.
    """
    failures: list[str] = []
    told: set[str] = set()
    pictures = _read_ahead([source for source, _ in jobs], first_frame)
    closing: list[Future[None]] = []
    with ThreadPoolExecutor(1) as closer:
        for number, ((source, target), reading) in enumerate(zip(jobs, pictures, strict=True), 1):
            start = time.perf_counter()
            try:
                picture = reading.result()
                check_holds(target, picture)
                tell_left_out(picture, target, told)
                height, width = size_of(*picture.size)
                if shape := changed_shape(picture.size, (height, width)):
                    print(f"{source}: {shape}")
                upscale = upscale_of(source)
                with ExitStack() as stack:
                    file = stack.enter_context(atomic_file(target))
                    if isinstance(picture, Frames):
                        upscale_frames(stack, file, target, picture, upscale, size_of, quality)
                    else:
                        kind = target.suffix
                        writer = picture_writer(file, kind, height, width, picture, quality)
                        write = stack.enter_context(writer)
                        done = 0
                        for rows in upscale(picture.pixels):
                            write(rows)
                            done += len(rows)
                            _show(done / height, start)
                    close = stack.pop_all().close
            except UserError as error:
                failures.append(_named(str(error), source, target))
                continue
            finally:
                for closed in closing:
                    closed.result()
            count = f"[{number}/{len(jobs)}] " if len(jobs) > 1 else ""
            said = f"{count}{target}  {width}x{height}{counted(picture)}"
            closing = [closer.submit(_close, close, said, start, failures)]
        for closed in closing:
            closed.result()
    return failures


def _read(path: Path, first_frame: bool) -> Picture | Frames:
    picture = read_frames(path, first_frame)
    if isinstance(picture, Frames):
        return picture
    return replace(picture, pixels=fill_hidden(picture.pixels))


def _read_ahead(paths: list[Path], first_frame: bool) -> Iterator[Future[Picture | Frames]]:
    """Yield each file's picture, or why it cannot be read; the next one is read meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        tasks = (pool.submit(_read, path, first_frame) for path in paths)
        reading = next(tasks, None)
        while reading is not None:
            wait([reading])
            following = next(tasks, None)
            yield reading
            reading = following


def _named(sentence: str, source: Path, target: Path) -> str:
    """Let a sentence name the picture that it is about, where it names no file."""
    named = str(source) in sentence or str(target) in sentence
    return sentence if named else f"{source}: {sentence}"


def _close(close: Callable[[], None], said: str, start: float, failures: list[str]) -> None:
    """Finish a file and say so."""
    try:
        close()
    except UserError as error:
        failures.append(str(error))
        return
    _show(1, start)
    print(f"{said}  {time.perf_counter() - start:.2f} s", flush=True)


def _show(share: float, start: float) -> None:
    """Show on a terminal how much of a picture that takes long is done; clear it at the end."""
    if time.perf_counter() - start > 1:
        show_progress(f"{100 * share:3.0f} %" if share < 1 else "")
