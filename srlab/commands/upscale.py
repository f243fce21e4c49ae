"""``srlab upscale``: a picture, a folder of pictures or a video in, larger ones out."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import numpy as np

from srlab.assembly.network import load_network
from srlab.commands.video import upscale_video
from srlab.config.schema import UpscaleConfig
from srlab.config.words import Colour
from srlab.errors import Interrupted, UserError
from srlab.imaging.files import list_images
from srlab.imaging.picture import Picture, read_picture
from srlab.imaging.video import is_video
from srlab.imaging.writing import output_format, picture_writer
from srlab.machine.device import choose_device
from srlab.machine.memory import keep_freed_memory
from srlab.storage.atomic import atomic_file
from srlab.storage.folders import make_way
from srlab.weights import default_for, shipped


def run(config: UpscaleConfig) -> None:
    """Upscale what ``input`` names; a folder's pictures that exist in ``output`` are left alone.

    Raises:
        UserError: Input, output or network cannot be used.
    """
    keep_freed_memory()
    _leave_on_signals()
    if config.checkpoint is None and not config.model:
        name = _default_model(config.scale or 2)
        config.checkpoint = str(shipped()[name])
        print(f"by {name}, which comes with srlab; model=list names the others")
    network = load_network(config, choose_device(config.device))
    upscale = network.pixel_upscaler(config.tile, config.ensemble, config.precision)
    if not config.input:
        raise UserError("input names no file and no folder: add input=FILE")
    source = Path(config.input).expanduser()
    target = Path(config.output).expanduser() if config.output else _beside(source, network.scale)
    if is_video(source) and source.is_file():
        upscale_video(source, target, upscale, network.scale, network.colour == Colour.rgb)
        return
    if is_video(target) and source.exists() and not target.is_dir():
        raise UserError(f"output {target} is a video, but input {source} is none")
    jobs = _jobs(source, target, network.scale)
    waiting = [(source, target) for source, target in jobs if not target.exists()]
    if len(waiting) < len(jobs):
        print(f"{len(jobs) - len(waiting)} of {len(jobs)} pictures are there already, left alone")
    failures = upscale_files(waiting, upscale, network.scale)
    if failures and len(waiting) > 1:
        failures.insert(0, f"{len(failures)} of {len(waiting)} pictures could not be upscaled:")
    if failures:
        raise UserError("\n  ".join(failures))


def _default_model(scale: int) -> str:
    """Return the name of the model that upscales where none is named.

    Raises:
        UserError: None that comes with srlab has the scale.
    """
    name = default_for(scale)
    if name is None:
        raise UserError(
            f"no model for scale {scale} comes with srlab, which has {', '.join(shipped())}: give "
            f"checkpoint=FILE or model=bicubic"
        )
    return name


def _beside(source: Path, scale: int) -> Path:
    """Return the output where none is named: beside the input, as ``photo_x3.png``.

    Raises:
        UserError: There is no place beside the input.
    """
    if not source.is_dir():
        return source.parent
    folder = source.resolve()
    if not folder.name:
        raise UserError(f"there is nothing beside {source}: name an output")
    return folder.with_name(f"{folder.name}_x{scale}")


def _leave_on_signals() -> None:
    """Let a process that is asked to end take its unfinished file with it, as Ctrl-C does."""

    def leave(number: int, _: FrameType | None) -> None:
        raise Interrupted("stopped by a signal; nothing half is left", 128 + number)

    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, leave)


def upscale_files(
    jobs: list[tuple[Path, Path]],
    upscale: Callable[[np.ndarray], Iterator[np.ndarray]],
    scale: int,
) -> list[str]:
    """Upscale picture files; while one is computed, the next is read and the last one closed.

    Args:
        jobs: Each picture and the file that is made of it.
        upscale: Pixels ``(H, W, C)`` to rows ``(h, s W, C)``, from top to bottom.
        scale: The factor s.

    Returns:
        What went wrong: a sentence for each picture that failed.
    """
    failures: list[str] = []
    pictures = _read_ahead([source for source, _ in jobs])
    closing: list[Future[None]] = []
    with ThreadPoolExecutor(1) as closer:
        for number, ((_, target), reading) in enumerate(zip(jobs, pictures, strict=True), 1):
            start = time.perf_counter()
            try:
                picture = reading.result()
                height, width = (size * scale for size in picture.pixels.shape[:2])
                with ExitStack() as stack:
                    file = stack.enter_context(atomic_file(target))
                    writer = picture_writer(file, target.suffix, height, width, picture)
                    write = stack.enter_context(writer)
                    done = 0
                    for rows in upscale(picture.pixels):
                        write(rows)
                        done += len(rows)
                        _show(done / height, start)
                    close = stack.pop_all().close
            except UserError as error:
                failures.append(str(error))
                continue
            finally:
                for closed in closing:
                    closed.result()
            count = f"[{number}/{len(jobs)}] " if len(jobs) > 1 else ""
            said = f"{count}{target}  {width}x{height}"
            closing = [closer.submit(_close, close, said, start, failures)]
        for closed in closing:
            closed.result()
    return failures


def _read_ahead(paths: list[Path]) -> Iterator[Future[Picture]]:
    """Yield each file's picture, or why it cannot be read; the next one is read meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        tasks = (pool.submit(read_picture, path) for path in paths)
        reading = next(tasks, None)
        while reading is not None:
            wait([reading])
            following = next(tasks, None)
            yield reading
            reading = following


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
    if sys.stderr.isatty() and time.perf_counter() - start > 1:
        text = f"{100 * share:3.0f} %" if share < 1 else "     "
        print(f"\r{text}\r", end="", file=sys.stderr, flush=True)


def _jobs(source: Path, target: Path, scale: int) -> list[tuple[Path, Path]]:
    """Pair each input with its output, and make the output folder if there is none.

    Raises:
        UserError: The input is missing, the output exists, or two outputs would be the same file.
    """
    if not source.is_file() and not source.is_dir():
        raise UserError(f"input {source} is no file and no folder")
    if source.is_dir():
        if target.resolve() == source.resolve():
            raise UserError("input and output are the same folder: name another output")
        if target.exists() and not target.is_dir():
            raise UserError(f"input is a folder, so output must be one too, but {target} is a file")
        jobs = [(path, target / f"{path.stem}_x{scale}.png") for path in list_images(source)]
        names = [name for _, name in jobs]
        twice = sorted({str(n) for n in names if names.count(n) > 1})
        if twice:
            raise UserError(f"two pictures of {source} would both become {twice[0]}: rename one")
        folder = target
    else:
        if target.is_dir():
            target = target / f"{source.stem}_x{scale}.png"
        elif not target.suffix:
            raise UserError(f"output {target} has no suffix that says its type, as in {target}.png")
        output_format(target.suffix)
        if target.exists():
            raise UserError(f"{target} exists already: name another output, nothing is overwritten")
        jobs, folder = [(source, target)], target.parent
    make_way(folder)
    return jobs
