"""Time training steps, starts and memory with 1, 10 and 100 times the images.

usage: python scripts/measure/training_growth.py [--images 10] [--steps 300] [--repeats 5]
       [--json FILE]

Images are 480x320 windows of the photographs that scikit-image bundles, turned and shifted; each
size of the set is measured in a process of its own: ESPCN x3, batches of 16 patches of 17x17.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from srlab.data.feed import feed
from srlab.data.images import folder
from srlab.data.pack import open_pack
from srlab.data.patches import PatchBatches
from srlab.data.photos import training
from srlab.imaging.files import read_pixels
from srlab.losses.objective import Objective
from srlab.machine.memory import keep_freed_memory
from srlab.models.espcn import ESPCN
from srlab.training.average import average_of
from srlab.training.loop import Callbacks, LoopSettings, fit
from srlab.training.parameters import parameter_groups
from srlab.training.schedule import constant
from srlab.training.state import TrainingState
from srlab.upsamplers.pixel_shuffle import PixelShuffle

SCALE, BATCH, PATCH = 3, 16, 17


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(Path(options.one), options.steps, options.repeats)))
        return
    columns = ("images", "pack, MB", "first start, s", "second, ms", "step, ms", "memory, MB")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    rows = []
    for factor in (1, 10, 100):
        with tempfile.TemporaryDirectory() as place:
            make_images(Path(place, "images"), factor * options.images)
            answer = subprocess.run(
                [sys.executable, __file__, "--one", place, "--steps", str(options.steps),
                 "--repeats", str(options.repeats)],
                env=os.environ | {"SRLAB_CACHE": place}, stdout=subprocess.PIPE, check=True,
            )  # fmt: skip
        row = json.loads(answer.stdout)
        rows.append(row)
        print(
            f"| {row['images']} | {row['pack'] / 1e6:.1f} | {row['first']:.2f} "
            f"| {1e3 * row['second']:.1f} | {1e3 * row['step']:.2f} | {row['memory'] / 1e6:.0f} |",
            flush=True,
        )
    if options.json:
        Path(options.json).write_text(json.dumps({"torch": torch.__version__, "rows": rows}))


def make_images(place: Path, count: int) -> None:
    """Write windows of the bundled photographs as PNG files."""
    place.mkdir()
    rng = np.random.default_rng(0)
    photographs = [read_pixels(path) for path in training().paths]
    large = [p for p in photographs if min(p.shape[:2]) >= 480]
    for number in range(count):
        pixels = np.rot90(large[number % len(large)], rng.integers(4))
        top = rng.integers(pixels.shape[0] - 319)
        left = rng.integers(pixels.shape[1] - 479)
        window = pixels[top : top + 320, left : left + 480].squeeze()
        Image.fromarray(np.ascontiguousarray(window)).save(
            place / f"{number:05}.png", compress_level=1
        )


def measure(place: Path, steps: int, repeats: int) -> dict[str, float]:
    """Return what training on the images in a folder takes."""
    keep_freed_memory()
    images = folder(str(place / "images"))
    starts = []
    for _ in range(2):
        start = time.perf_counter()
        pack = open_pack(images, SCALE, "y", PATCH)
        starts.append(time.perf_counter() - start)
    torch.manual_seed(0)
    cpu = torch.device("cpu")
    model = ESPCN(PixelShuffle, SCALE, init="identity").to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(parameter_groups(model, {}), lr=1e-3, fused=True)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    state = TrainingState(model, optimizer, average_of(model, 0.999), scaler)
    batches = PatchBatches(pack, BATCH, PATCH, model.frame, seed=0)
    times = [time.perf_counter()]
    callbacks = Callbacks(
        log=lambda *_: times.append(time.perf_counter()), evaluate=float, save_last=list,
        save_best=list, stop=lambda _: False, note=print,
    )  # fmt: skip
    total = steps * (repeats + 1)
    settings = LoopSettings(total, steps, total + 1, total + 1)
    objective = Objective(torch.nn.MSELoss())
    stream = feed(batches, 0, total, cpu)
    fit(state, objective, stream, constant, settings, callbacks, cpu, model.frame)
    took = [(b - a) / steps for a, b in itertools.pairwise(times[1:])]
    return {
        "images": len(images.paths), "pack": pack.pixels.nbytes, "first": starts[0],
        "second": starts[1], "step": statistics.median(took), "memory": own_memory(),
    }  # fmt: skip


def own_memory() -> float:
    """Return the bytes that the process has for itself; pages of mapped files are not its own."""
    lines = Path("/proc/self/status").read_text().splitlines()
    fields = {line.partition(":")[0]: line.split() for line in lines}
    return 1024 * float(fields["RssAnon"][1])


if __name__ == "__main__":
    main()
