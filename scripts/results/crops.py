"""Draw parts of twelve pictures as models make them, each pixel as it is.

usage: python scripts/results/crops.py FILE MODEL ... [--quality 60]

MODEL is one that comes with srlab, a run folder or a checkpoint. The pictures are twelve that
scikit-image bundles and that nothing of srlab was trained or chosen on. They are shrunk by MATLAB's
bicubic and, with --quality, compressed by JPEG, 4:2:0; FILE, a PNG, shows from left to right what
bicubic makes of them, what each model makes, and what they were. Printed is the PSNR on Y of the
whole pictures.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from networks import Upscale, in_a_row, of_one_scale, y_of
from skimage import data
from torch import Tensor

from srlab.degradations.compression import through
from srlab.imaging.colour import quantise
from srlab.imaging.files import png_of, to_pixels, to_tensor
from srlab.imaging.resample import crop, crop_to_multiple, enlarge, shrink
from srlab.metrics.psnr import psnr

# Pictures, and where their parts begin: row and column.
PICTURES = {
    "astronaut": (10, 150), "brick": (200, 200), "camera": (80, 180), "chelsea": (60, 100),
    "coffee": (240, 380), "coins": (20, 60), "grass": (60, 60), "hubble_deep_field": (300, 400),
    "immunohistochemistry": (100, 100), "motorcycle": (230, 330), "page": (60, 100),
    "rocket": (240, 280),
}  # fmt: skip
SIDE = 96  # pixels of a part


@torch.inference_mode()
def main() -> None:
    """Draw, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="the PNG")
    parser.add_argument("models", nargs="+", help="names, run folders or checkpoints")
    parser.add_argument("--quality", type=int, help="of JPEG; none if it is not given")
    options = parser.parse_args()
    upscalers, scale = of_one_scale(options.models)
    ways = [partial(enlarge, scale=scale), *upscalers]
    print(f"| x{scale} | {' | '.join(['bicubic', *options.models])} |")
    print("|---" * (2 + len(options.models)) + "|")
    rows = [drawn(name, ways, scale, options.quality) for name in PICTURES]
    options.file.write_bytes(png_of(to_pixels(torch.cat(rows, dim=2))))


def drawn(name: str, ways: Sequence[Upscale], scale: int, quality: int | None) -> Tensor:
    """Return the row of a picture, and print its PSNR by each way."""
    hr = crop_to_multiple(to_tensor(coloured(name)), scale)
    lr = quantise(shrink(hr, scale))
    if quality is not None:
        lr = through(lr, "JPEG", quality=quality, subsampling=2)
    made = [quantise(way(lr.float()).double()) for way in ways]
    truth = crop(y_of(hr), scale)
    scores = [float(psnr(crop(y_of(sr), scale), truth)) for sr in made]
    print(f"| {name} | {' | '.join(f'{score:.2f}' for score in scores)} |", flush=True)
    top, left = PICTURES[name]
    parts = [x[..., top : top + SIDE, left : left + SIDE] for x in (*made, hr)]
    return in_a_row(parts, around=1.0, zoom=1)


def coloured(name: str) -> np.ndarray:
    """Return a picture that scikit-image bundles, RGB ``(H, W, 3)``."""
    found = getattr(data, name)() if name != "motorcycle" else data.stereo_motorcycle()[0]
    pixels = np.asarray(found)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


if __name__ == "__main__":
    main()
