"""``srlab bench upscale``: what a picture costs, beside the bare limit and plain PyTorch."""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srlab.commands.bench_network import network_to_measure
from srlab.commands.device import choose_device
from srlab.commands.measurement import (
    Figure,
    Measurement,
    check_measuring,
    peak_on,
    report,
    settings_of,
    wait_for,
)
from srlab.commands.network import Network, tile_size
from srlab.commands.process import prepare_process
from srlab.commands.upscale import upscale_files
from srlab.config.schema import BenchUpscaleConfig
from srlab.data.photos import held_out
from srlab.errors import UserError
from srlab.imaging.colour import CHANNELS
from srlab.imaging.files import read_pixels
from srlab.imaging.picture import read_picture
from srlab.inference.quick import quick
from srlab.inference.tiles import device_of
from srlab.models import Model
from srlab.timing import interleaved
from srlab.upsamplers.simplify import simplify


def run(config: BenchUpscaleConfig) -> float:
    """Print what a picture costs, and return the ratio to the bare limit."""
    prepare_process()
    check_measuring(config.repeats, config.threads, config.output)
    if min(config.width, config.height) < 1:
        raise UserError(f"width and height must be at least 1, got {config.width}x{config.height}")
    if config.threads:
        torch.set_num_threads(config.threads)
    network = network_to_measure(config, choose_device(config.device))
    with tempfile.TemporaryDirectory() as folder:
        measurement = _measure(network, config, Path(folder))
    report(measurement, config.output)
    return measurement.ratio


def photograph(height: int, width: int) -> np.ndarray:
    """Return a picture ``(height, width, 3)``, uint8, of bundled photographs side by side."""
    tiles = [read_pixels(path) for path in held_out().paths]
    rows = min(len(tile) for tile in tiles)
    band = np.concatenate([tile[:rows] for tile in tiles], axis=1)
    times = (-(-height // band.shape[0]), -(-width // band.shape[1]), 1)
    return np.tile(band, times)[:height, :width]


def _measure(network: Network, config: BenchUpscaleConfig, folder: Path) -> Measurement:
    height, width, scale = config.height, config.width, network.scale
    device = device_of(network.module, torch.empty(0))
    pixels = photograph(height, width)
    seen = pixels if CHANNELS[network.colour.value] == 3 else pixels[..., :1]
    upscale = network.pixel_upscaler(config.tile, False, config.precision)
    lr = torch.rand(1, network.module.channels, height, width, device=device)
    source = folder / "picture.png"
    Image.fromarray(pixels).save(source)
    numbers = iter(range(10**9))

    def plain() -> None:
        with torch.inference_mode():
            network.module(lr)
        wait_for(device)

    def from_file_to_file() -> None:
        failures = upscale_files([(source, folder / f"{next(numbers)}.png")], _quietly, scale)
        assert not failures, failures

    def _quietly(picture: np.ndarray):
        return upscale(picture)

    bare, note = _bare_limit(network, config, height * width)
    luma = "the network" if network.colour.value == "rgb" else "the network, on luma"
    runs: dict[str, Callable[[], object]] = {
        "bare limit": bare,
        f"srlab, {luma}": lambda: list(upscale(seen)),
        "plain PyTorch, whole picture": plain,
        "srlab, RGB pixels to pixels": lambda: list(upscale(pixels)),
        "srlab, PNG to PNG": from_file_to_file,
    }
    seconds = interleaved(runs, config.repeats, warm_up=2)
    notes = {"bare limit": note}
    figures = [Figure(name, times, notes.get(name, "")) for name, times in seconds.items()]
    decode = interleaved({"decode": lambda: read_picture(source)}, config.repeats)["decode"]
    ours, _, all_pixels, files = figures[1:]
    split = {
        "decode": Figure("decode", decode).median,
        "network": ours.median,
        "colour": max(0.0, all_pixels.median - ours.median),
        "encode, as far as it does not overlap": max(
            0.0, files.median - all_pixels.median - Figure("decode", decode).median
        ),
    }
    count = sum(p.numel() for p in network.module.parameters())
    where = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{torch.get_num_threads()} threads"
    )
    title = (
        f"upscaling {width}x{height} to {width * scale}x{height * scale} by {network.label}, "
        f"{count:,} parameters, on {device.type} ({where}), torch {torch.__version__}"
    )
    return Measurement(title, "picture", figures, split, peak_on(device), settings_of(config))


def _bare_limit(
    network: Network, config: BenchUpscaleConfig, pixels: int
) -> tuple[Callable[[], object], str]:
    """Return what computes as many pixels as the picture has, on one tile again and again.

    The tile has its frame and no other context, and stays in the cache. On the CPU torch's threads
    share it, or each has one of its own: whichever is quicker.
    """
    model = quick(simplify(network.module))
    device = device_of(model, torch.empty(0))
    side = tile_size(model, config.tile) or max(config.width, config.height)
    framed = torch.rand(1, model.channels, *[side + 2 * model.frame] * 2, device=device)
    times = max(1, round(pixels / side**2))
    half = {"fp16": torch.float16, "bf16": torch.bfloat16, "auto": torch.float16}
    kind = half.get(config.precision.value)
    enabled = kind is not None and (device.type == "cuda" or config.precision.value != "auto")

    def some(count: int) -> None:
        with torch.inference_mode(), torch.autocast(device.type, kind, enabled=enabled):
            for _ in range(count):
                _run(model, framed)
        wait_for(device)

    def shared() -> None:
        some(times)

    threads = torch.get_num_threads()
    if device.type == "cuda" or threads == 1:
        return shared, f"{times} tiles of {side}x{side}"

    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    def apart() -> None:
        shares = [times // threads + (k < times % threads) for k in range(threads)]
        list(pool.map(some, shares))

    both = {"shared by the threads": shared, "one for each thread": apart}
    seconds = interleaved(both, 3)
    best = min(both, key=lambda name: min(seconds[name]))
    return both[best], f"{times} tiles of {side}x{side}, {best}"


def _run(model: Model, framed: Tensor) -> Tensor:
    return model(framed, halo=model.frame)
