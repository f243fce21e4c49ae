"""How many frames a second a video is upscaled at.

usage: python scripts/measure/video_speed.py [--device D] [--precision P] [--json F]

Bundled photographs scroll by in 640x360 and 480x270, as H.264 with a sine for sound; ESPCN and
FSRCNN, with random weights, make 1920x1080 of them at x3 and x4. Measured are the whole way from
file to file, the network alone, and decoding and encoding alone, which overlap in the whole; and
the peak memory of processes of their own that upscale 50 and 200 frames.
"""

import argparse
import contextlib
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
import torch

from srlab.assembly.network import Network
from srlab.commands.bench.upscale import photograph
from srlab.commands.upscale.video import upscale_video
from srlab.imaging.sizes import by_factor
from srlab.imaging.video.clip import Clip
from srlab.imaging.video.frames import plane
from srlab.imaging.video.writing import clip_writer
from srlab.machine.memory import keep_freed_memory, peak_memory
from srlab.measuring.timing import interleaved
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.storage.atomic import atomic_file
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.words import Colour, UpscalePrecision

SIZES = {3: (360, 640), 4: (270, 480)}
RATE, SOUND, BLOCK = 24, 48_000, 1024
NETWORKS = {
    "ESPCN": lambda scale: ESPCN(PixelShuffle, scale),
    "FSRCNN": lambda scale: FSRCNN(Deconv, scale),
}
MEMORY_FRAMES = (50, 200)


def make_clip(path: Path, height: int, width: int, frames: int) -> None:
    """Write a clip of photographs that scroll by, with a sine as its sound."""
    wide = photograph(height, width + 2 * frames)
    with av.open(str(path), "w") as file:
        picture = file.add_stream("libx264", rate=RATE, options={"crf": "18"})
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        sound = file.add_stream("aac", rate=SOUND)
        for number in range(frames):
            shown = np.ascontiguousarray(wide[:, 2 * number : 2 * number + width])
            frame = av.VideoFrame.from_ndarray(shown, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            file.mux(picture.encode(frame))
        for first in range(0, frames * SOUND // RATE, BLOCK):
            wave = np.sin(np.arange(first, first + BLOCK) * (2 * np.pi * 440 / SOUND))
            block = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = SOUND, first, Fraction(1, SOUND)
            file.mux(sound.encode(block))
        file.mux(picture.encode(None))
        file.mux(sound.encode(None))


def upscaler(name: str, scale: int, device: str, precision: str) -> Callable[..., Any]:
    """Return the function from luma pixels to rows of a network with random weights."""
    torch.manual_seed(0)
    module = NETWORKS[name](scale).to(device).eval()
    network = Network(module, scale, Colour.y, name, None, None)
    return network.pixel_upscaler("auto", False, UpscalePrecision(precision))


def whole_way(source: Path, target: Path, upscale: Callable[..., Any], scale: int) -> None:
    """Upscale a clip from file to file, in silence."""
    target.unlink(missing_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):
        upscale_video(source, target, upscale, by_factor(scale), rgb=False)


def decode(source: Path) -> None:
    """Read a clip and decode it."""
    with Clip(source) as clip:
        for _ in clip.items():
            pass


def encode(source: Path, target: Path, frames: list[Any]) -> None:
    """Encode frames and write them, with the sound of a clip."""
    with (
        Clip(source) as clip,
        atomic_file(target) as file,
        clip_writer(file, target.suffix, frames[0].height, frames[0].width, clip) as write,
    ):
        for frame in frames:
            write(frame)


def measure(
    name: str, scale: int, folder: Path, arguments: argparse.Namespace
) -> dict[str, list[float]]:
    """Return the frames per second of each part, in repetitions that were made in turn."""
    count = arguments.frames
    source, target = folder / f"x{scale}.mp4", folder / f"{name}_x{scale}.mp4"
    upscale = upscaler(name, scale, arguments.device, arguments.precision)
    with Clip(source) as clip:
        luma = plane(clip.first).copy()[..., None]
    whole_way(source, target, upscale, scale)
    with Clip(target) as clip:
        large = [item for item in clip.items() if isinstance(item, av.VideoFrame)]
    assert len(large) == count
    assert (large[0].width, large[0].height) == (1920, 1080)

    def network() -> None:
        for _ in range(count):
            for _ in upscale(luma):
                pass

    parts = {
        "file to file": lambda: whole_way(source, target, upscale, scale),
        "network": network,
        "decode": lambda: decode(source),
        "encode": lambda: encode(source, folder / "encoded.mp4", large),
    }
    seconds = interleaved(parts, arguments.repeats)
    return {part: [count / t for t in times] for part, times in seconds.items()}


def memory_of(frames: int, folder: Path, arguments: argparse.Namespace) -> float:
    """Return the peak memory, in MiB, of a process that upscales so many frames at x3."""
    source = folder / f"{frames}.mp4"
    make_clip(source, *SIZES[3], frames)
    command = [sys.executable, __file__, "--child", str(source), "--device", arguments.device]
    result = subprocess.run(
        [*command, "--precision", arguments.precision], check=True, capture_output=True, text=True
    )
    return float(result.stdout)


def main() -> None:
    """Print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", choices=[p.value for p in UpscalePrecision])
    parser.add_argument("--frames", type=int, default=48, help="of each clip")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    keep_freed_memory()
    if arguments.child:
        upscale = upscaler("ESPCN", 3, arguments.device, arguments.precision)
        whole_way(arguments.child, arguments.child.with_suffix(".mkv"), upscale, 3)
        print((peak_memory() or 0) / 2**20)
        return
    print(
        f"torch {torch.__version__}, PyAV {av.__version__}, {torch.get_num_threads()} threads, "
        f"{arguments.device}, {arguments.precision}, {arguments.frames} frames to 1920x1080\n"
    )
    found: dict[str, Any] = {"frames_per_second": {}, "peak_memory_mib": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # First: to Linux a process is at least as large as the one that started it was then.
        for frames in MEMORY_FRAMES:
            found["peak_memory_mib"][frames] = memory_of(frames, folder, arguments)
        said = ", ".join(f"{mib:.0f} MiB for {n}" for n, mib in found["peak_memory_mib"].items())
        print(f"peak memory of ESPCN x3 by frames: {said}\n")
        print(
            "| frames a second | file to file | network | decode | encode |\n|---|---|---|---|---|"
        )
        for scale, size in SIZES.items():
            make_clip(folder / f"x{scale}.mp4", *size, arguments.frames)
            for network in NETWORKS:
                rates = measure(network, scale, folder, arguments)
                found["frames_per_second"][f"{network} x{scale}"] = rates
                figures = " | ".join(f"{median(values):.1f}" for values in rates.values())
                print(f"| {network} x{scale} | {figures} |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
