"""``srlab upscale``: a picture, a folder of pictures or a video in, larger ones out."""

import signal
from pathlib import Path
from types import FrameType

from srlab.assembly.network import load_network
from srlab.command_line.invocation import Invocation
from srlab.commands.upscale.pictures import upscale_files
from srlab.commands.upscale.video import upscale_video
from srlab.config.schema import UpscaleConfig
from srlab.errors import Interrupted, OutputExists, UserError
from srlab.imaging.files import list_images
from srlab.imaging.video import is_video
from srlab.imaging.writing import output_format
from srlab.machine.device import choose_device
from srlab.machine.memory import keep_freed_memory
from srlab.storage.folders import ensure_folder
from srlab.weights import default_for, shipped
from srlab.words import Colour


def run(call: Invocation[UpscaleConfig]) -> None:
    """Upscale what ``input`` names; a folder's pictures that exist in ``output`` are left alone.

    Raises:
        UserError: Input, output or network cannot be used.
    """
    config = call.config
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
            raise OutputExists(
                f"{target} exists already: name another output, nothing is overwritten"
            )
        jobs, folder = [(source, target)], target.parent
    ensure_folder(folder)
    return jobs
