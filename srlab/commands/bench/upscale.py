"""``srlab bench upscale``: what a picture costs, beside the bare limit and plain PyTorch."""

import contextlib
import io
import itertools
import statistics
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from srlab.assembly.network import Network, layers_for, network_to_measure, tile_size
from srlab.command_line.invocation import Invocation
from srlab.commands.upscale.pictures import upscale_files
from srlab.config.plain import plain_settings
from srlab.config.schema import BenchUpscaleConfig
from srlab.data.photos import held_out
from srlab.imaging.colour import CHANNELS
from srlab.imaging.files import read_pixels
from srlab.imaging.picture import read_picture
from srlab.imaging.sizes import by_factor
from srlab.inference.fast_copy import fast_copy
from srlab.inference.sizing import automatic_number
from srlab.inference.tiles import device_of
from srlab.machine.device import choose_device, wait_for
from srlab.machine.facts import describe_device
from srlab.machine.memory import peak_on
from srlab.machine.precision import autocast_to, cast_layers
from srlab.machine.shortage import enough_memory
from srlab.measuring.cost import parameter_count
from srlab.measuring.measurement import Figure, Measurement, begin_measuring, check_size, report
from srlab.measuring.timing import interleaved
from srlab.upsamplers.simplify import simplify

Run = Callable[[], object]
PixelUpscaler = Callable[[np.ndarray], Iterator[np.ndarray]]


def run(call: Invocation[BenchUpscaleConfig]) -> float:
    """Print what a picture costs, and return the ratio to the bare limit."""
    config = call.config
    begin_measuring(config.repeats, config.threads, config.output)
    check_size(config.width, config.height)
    network = network_to_measure(config, choose_device(config.device))
    with tempfile.TemporaryDirectory() as folder, enough_memory("tile"):
        measurement = _measure(network, config, Path(folder))
    report(measurement, config.output, device_of(network.module, torch.empty(0)))
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
    source = folder / "picture.png"
    Image.fromarray(pixels).save(source)
    rgb = CHANNELS[network.colour] == 3
    ours = "srlab, the network" if rgb else "srlab, the network, on luma"
    bare = _bare_limits(network, config)
    runs = bare | _whole_pictures(network, config, pixels if rgb else pixels[..., :1], ours)
    upscale = network.pixel_upscaler(config.tile, False, config.precision)
    runs["srlab, RGB pixels to pixels"] = lambda: list(upscale(pixels))
    runs["srlab, PNG to PNG"] = _from_file_to_file(source, upscale, scale)
    runs["decode"] = lambda: read_picture(source)
    seconds = interleaved(runs, config.repeats, warm_up=2)

    median = {name: statistics.median(times) for name, times in seconds.items()}
    best = min(bare, key=lambda name: median[name])
    figures = [Figure("bare limit", seconds[best], best)]
    figures += [Figure(name, seconds[name]) for name in runs if name not in (*bare, "decode")]
    colours, files = (median[figure.name] for figure in figures[-2:])
    split = {
        "decode": median["decode"],
        "network": median[ours],
        "colour": max(0.0, colours - median[ours]),
        "encode, as far as it does not overlap": max(0.0, files - colours - median["decode"]),
    }
    count = parameter_count(network.module)
    title = (
        f"upscaling {width}x{height} to {width * scale}x{height * scale} by {network.label}, "
        f"{count:,} parameters, on {describe_device(device)}, torch {torch.__version__}"
    )
    return Measurement(title, "picture", figures, split, peak_on(device), plain_settings(config))


def _bare_limits(network: Network, config: BenchUpscaleConfig) -> dict[str, Run]:
    """Return what computes as many pixels as the picture has, on one tile again and again.

    The tile has its frame and no other context, and stays in the cache. On the CPU torch's threads
    share it, or each has one of its own: whichever is quicker counts.
    """
    model = fast_copy(simplify(network.module))
    device = device_of(model, torch.empty(0))
    largest = tile_size(model, config.tile) or max(config.width, config.height)
    most = automatic_number(model, largest) if device.type == "cuda" else 1
    together, rows, columns, times = _as_tiles(config.height, config.width, largest, most)
    size = (rows + 2 * model.frame, columns + 2 * model.frame)
    framed = torch.rand(together, model.channels, *size, device=device)
    tiles = f"{times * together} tiles of {columns}x{rows}"
    kind = layers_for(config.precision, device, np.dtype(np.uint8))
    cast_layers(model, kind, model.exact_layers)

    def some(count: int) -> None:
        with torch.inference_mode(), autocast_to(kind, device):
            for _ in range(count):
                model(framed, halo=model.frame)
        wait_for(device)

    threads = torch.get_num_threads()
    if device.type == "cuda" or threads == 1:
        return {tiles: lambda: some(times)}
    pool = ThreadPoolExecutor(threads - 1, initializer=torch.set_num_threads, initargs=(1,))

    def apart() -> None:
        own, *others = (times // threads + (k < times % threads) for k in range(threads))
        torch.set_num_threads(1)  # or this one's helpers would get in the way of the others
        tasks = [pool.submit(some, share) for share in others]
        some(own)
        for task in tasks:
            task.result()
        torch.set_num_threads(threads)

    return {
        f"{tiles}, shared by the threads": lambda: some(times),
        f"{tiles}, one for each thread": apart,
    }


def _as_tiles(height: int, width: int, largest: int, most: int) -> tuple[int, int, int, int]:
    """Return how many tiles a batch has, their rows and columns, and how many batches a picture is.

    As many pixels as the picture has, and no more tiles in a batch than lie in a row of them.
    """
    down, across = -(-height // largest), -(-width // largest)
    rows, columns, together = -(-height // down), -(-width // across), min(across, most)
    return together, rows, columns, max(1, round(height * width / (rows * columns * together)))


def _whole_pictures(
    network: Network, config: BenchUpscaleConfig, pixels: np.ndarray, ours: str
) -> dict[str, Run]:
    """Return what upscales what the network sees of a picture: ours, and PyTorch by itself.

    The latter in the same number type, by autocast, from floats to floats on the device.
    """
    upscale = network.pixel_upscaler(config.tile, False, config.precision)
    device = device_of(network.module, torch.empty(0))
    lr = torch.rand(1, network.module.channels, config.height, config.width, device=device)
    kind = layers_for(config.precision, device, np.dtype(np.uint8))

    def plain() -> None:
        with torch.inference_mode(), autocast_to(kind, device):
            network.module(lr)
        wait_for(device)

    return {ours: lambda: list(upscale(pixels)), "plain PyTorch, whole picture": plain}


def _from_file_to_file(source: Path, upscale: PixelUpscaler, scale: int) -> Run:
    """Return what upscales a file to another one that is not there yet."""
    targets = (source.with_name(f"{number}.png") for number in itertools.count())

    def run() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            job = source, next(targets)
            failures = upscale_files([job], lambda _: upscale, by_factor(scale))
        assert not failures, failures

    return run
