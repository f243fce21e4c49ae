"""``srlab upscale``: a picture or a folder of pictures in, larger ones out."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from srlab.atomic import write_atomically
from srlab.commands.device import choose_device
from srlab.commands.network import Network, load_network
from srlab.config.schema import UpscaleConfig
from srlab.errors import UserError
from srlab.imaging.files import list_images
from srlab.imaging.picture import Picture, encode_picture, output_format, read_picture
from srlab.imaging.resample import enlarge
from srlab.inference.colour import upscale_colour
from srlab.upsamplers.simplify import simplify


def run(config: UpscaleConfig) -> None:
    """Upscale what ``input`` names; a folder's pictures that exist in ``output`` are left alone.

    Raises:
        UserError: Input, output or network cannot be used.
    """
    network = load_network(config, choose_device(config.device))
    jobs = _jobs(Path(config.input).expanduser(), Path(config.output).expanduser(), network.scale)
    network = replace(network, module=simplify(network.module))
    upscale = network.upscaler(config.tile, config.ensemble)
    waiting = [(source, target) for source, target in jobs if not target.exists()]
    if len(waiting) < len(jobs):
        print(f"{len(jobs) - len(waiting)} of {len(jobs)} pictures are there already, left alone")
    failures = []
    for number, (source, target) in enumerate(waiting, 1):
        start = time.perf_counter()
        try:
            picture = upscale_picture(read_picture(source), upscale, network)
            write_atomically(target, encode_picture(picture, target.suffix))
        except UserError as error:
            failures.append(str(error))
            continue
        height, width = picture.image.shape[-2:]
        count = f"[{number}/{len(waiting)}] " if len(jobs) > 1 else ""
        print(f"{count}{target}  {width}x{height}  {time.perf_counter() - start:.2f} s", flush=True)
    if failures:
        raise UserError("\n".join(failures))


@torch.inference_mode()
def upscale_picture(
    picture: Picture, upscale: Callable[[Tensor], Tensor], network: Network
) -> Picture:
    """Upscale the colours by the network and the alpha channel by bicubic."""
    image = upscale_colour(picture.image, upscale, network.colour.value, network.scale)
    alpha = picture.alpha
    if alpha is not None:
        alpha = enlarge(alpha, network.scale).clamp(0, 1)
    return replace(picture, image=image.cpu(), alpha=alpha)


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
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror}") from None
    return jobs
