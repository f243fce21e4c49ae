"""Time and memory of ``srlab upscale`` as pictures grow: python scripts/measure/upscale_growth.py.

ESPCN x3 upscales a PNG of 1280x720 pixels and ones of 4 and 16 times as many, made of a bundled
photograph, each in a process of its own: seconds from file to file, without and with the start of
the process, and the most memory that the process ever held. ``--large`` adds 24 megapixels at x4,
``--json FILE`` writes the figures down.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# The processes that are measured start from this one, whose memory would count as theirs: so what
# is large is imported where it is used.
SIZES = [(720, 1280, 3), (1440, 2560, 3), (2880, 5120, 3)]
LARGE = (4000, 6000, 4)


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--large", action="store_true", help="24 megapixels at x4, too")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--part", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        task, height, width, scale, folder = options.part
        {"make": make, "upscale": upscale}[task](int(height), int(width), int(scale), Path(folder))
        return
    print("| from | to | seconds | with start | seconds a megapixel made | peak, MiB |")
    print("|---|---|---|---|---|---|")
    rows = []
    for size in SIZES + [LARGE] * options.large:
        row = measured(*size, options.repeats)
        rows.append(row)
        print(
            f"| {row['from']} | {row['to']} | {row['seconds']:.2f} | {row['with_start']:.2f} "
            f"| {row['seconds'] / row['megapixels']:.4f} | {row['peak_mib']:.0f} |",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def measured(height: int, width: int, scale: int, repeats: int) -> dict[str, Any]:
    """Upscale a picture in new processes; return the median time and the largest memory."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for task in ("make", *["upscale"] * repeats):
            part = [task, str(height), str(width), str(scale), folder]
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, __file__, "--part", *part], capture_output=True, check=True
            )
            if task == "upscale":
                results.append(json.loads(done.stdout.splitlines()[-1]))
                results[-1]["with_start"] = time.perf_counter() - start
    results.sort(key=lambda result: result["seconds"])
    return results[len(results) // 2] | {
        "from": f"{width}x{height}",
        "to": f"{scale * width}x{scale * height}",
        "megapixels": height * width * scale**2 / 1e6,
        "peak_mib": max(result["peak_mib"] for result in results),
    }


def make(height: int, width: int, scale: int, folder: Path) -> None:
    """Write a picture: a bundled photograph beside its mirror images, as often as it takes."""
    import numpy as np
    from PIL import Image
    from skimage import data

    one = data.astronaut()
    pair = np.concatenate([one, one[:, ::-1]], axis=1)
    four = np.concatenate([pair, pair[::-1]])
    times = [-(-want // have) for want, have in zip((height, width), four.shape[:2], strict=True)]
    picture = np.tile(four, (*times, 1))[:height, :width]
    Image.fromarray(picture).save(folder / "small.png", compress_level=1)


def upscale(height: int, width: int, scale: int, folder: Path) -> None:
    """Upscale that picture and print what it took."""
    import torch

    from srlab.assembly.network import Network
    from srlab.commands.upscale.pictures import upscale_files
    from srlab.imaging.sizes import by_factor
    from srlab.machine.memory import keep_freed_memory
    from srlab.models.espcn import ESPCN
    from srlab.upsamplers.pixel_shuffle import PixelShuffle
    from srlab.words import Colour, UpscalePrecision

    keep_freed_memory()
    torch.manual_seed(0)
    model = ESPCN(PixelShuffle, scale, init="identity").eval()
    network = Network(model, scale, Colour.y, "ESPCN", None, None)
    target = folder / "large.png"
    start = time.perf_counter()
    function = network.pixel_upscaler("auto", False, UpscalePrecision.auto)
    failures = upscale_files([(folder / "small.png", target)], function, by_factor(scale))
    seconds = time.perf_counter() - start
    assert not failures, failures
    target.unlink()
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(json.dumps({"seconds": seconds, "peak_mib": peak}))


if __name__ == "__main__":
    main()
