"""``srlab upscale``: pictures and videos in, single ones or folders, larger ones out."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from srlab.command_line.invocation import Invocation
from srlab.commands.upscale.enlarging import enlarging_of
from srlab.commands.upscale.jobs import find_jobs
from srlab.commands.upscale.pictures import upscale_files
from srlab.commands.upscale.video import upscale_video, upscale_videos
from srlab.config.schema import UpscaleConfig
from srlab.errors import Interrupted, UserError
from srlab.imaging.video.files import is_video
from srlab.imaging.video.writing import kind_for
from srlab.imaging.writing import output_format
from srlab.machine.device import choose_device
from srlab.machine.memory import keep_freed_memory


@contextmanager
def _leaving_on_signals() -> Iterator[None]:
    """Let a process that is asked to end take its unfinished file with it, as Ctrl-C does."""

    def leave(number: int, _: FrameType | None) -> None:
        raise Interrupted("stopped by a signal; nothing half is left", 128 + number)

    asked = {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}
    caught = [number for number in asked if signal.getsignal(number) == signal.SIG_DFL]
    for number in caught:
        signal.signal(number, leave)
    try:
        yield
    finally:  # or one that comes when all is done would be told by a traceback
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


@_leaving_on_signals()
def run(call: Invocation[UpscaleConfig]) -> None:
    """Upscale what ``input`` names; what exists of a folder in ``output`` is left alone.

    Raises:
        UserError: Input, output or network cannot be used.
    """
    config = call.config
    keep_freed_memory()
    enlarging = enlarging_of(config, choose_device(config.device))
    upscale, size_of, mark = enlarging.upscale, enlarging.size_of, enlarging.mark
    sources = _sources(config.input)
    source = sources[0]
    if config.quality is not None and not 1 <= config.quality <= 100:
        raise UserError(f"quality goes from 1 to 100, got {config.quality}")
    if len(sources) == 1 and is_video(source) and source.is_file():
        if config.format is not None or config.quality is not None:
            raise UserError("format and quality are of pictures; a video's type is its output's")
        place = Path(config.output).expanduser() if config.output else source.parent
        if place.is_dir():
            place = place / f"{source.stem}_{mark}{kind_for(source)}"
        upscale_video(source, place, upscale, size_of, enlarging.rgb)
        return
    jobs = find_jobs(
        sources, config.output, mark, config.recursive, config.format, config.first_frame
    )
    if config.quality is not None:
        _check_quality([target for source, target in jobs if not is_video(source)])
    waiting = [(source, target) for source, target in jobs if not target.exists()]
    videos = [(source, target) for source, target in waiting if is_video(source)]
    pictures = [(source, target) for source, target in waiting if not is_video(source)]
    kind = "files" if any(is_video(source) for source, _ in jobs) else "pictures"
    if len(waiting) < len(jobs):
        print(
            f"{len(jobs) - len(waiting)} of {len(jobs)} {kind} are there already, whatever made "
            f"them, and left alone; another output makes them anew"
        )
    failures = upscale_files(pictures, enlarging.of, size_of, config.first_frame, config.quality)
    failures += upscale_videos(videos, upscale, size_of, enlarging.rgb)
    if failures and len(waiting) > 1:
        failures.insert(0, f"{len(failures)} of {len(waiting)} {kind} could not be upscaled:")
    if failures:
        raise UserError("\n  ".join(failures))


def _check_quality(targets: list[Path]) -> None:
    """Check that files have a quality that can be chosen.

    Raises:
        UserError: One has not.
    """
    for target in targets:
        if output_format(target.suffix) not in ("JPEG", "WEBP"):
            raise UserError(
                f"quality is of JPEG and WebP, and {target} is neither: add format=jpeg or "
                f"format=webp, or leave quality out"
            )


def _sources(given: Any) -> list[Path]:
    """Return what ``input`` names.

    Raises:
        UserError: Nothing.
    """
    names = given if isinstance(given, list) else [given]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise UserError("input names no file and no folder: add input=FILE")
    paths = [Path(name).expanduser() for name in names]
    for path in paths:
        if (path / "config.yaml").is_file() and (path / "last.pt").is_file():
            raise UserError(
                f"{path} is a run, and no pictures: its network is taken by checkpoint={path}"
            )
    return paths
