"""What it gains that chroma follows the luma of a network, over chroma by bicubic alone.

usage: SRLAB_DATA=FOLDER python scripts/results/chroma.py MODEL ... [--crops FILE]

MODEL is one of luma that comes with srlab, a run folder or a checkpoint. Told is the change of PSNR
on R, G and B, in dB: of a drawing of thin coloured lines, and the mean of Set5, Set14, Kodak24 and
every tenth picture of BSDS500-test, shrunk by MATLAB's bicubic.

With --crops, instead, FILE shows a part of the drawing by the first model: chroma by bicubic,
chroma that follows, and the drawing, from left to right.
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from networks import in_a_row, network_of
from PIL import Image, ImageDraw
from torch import Tensor

from srlab.data.named import named
from srlab.imaging.colour import quantise
from srlab.imaging.files import png_of, read_pixels, to_pixels, to_tensor
from srlab.imaging.resample import crop, crop_to_multiple, shrink
from srlab.inference.colour import by_bicubic, following, upscale_colour
from srlab.metrics.psnr import psnr
from srlab.words import Colour

SETS = {"Set5": 1, "Set14": 1, "Kodak24": 1, "BSDS500-test": 10}  # and of how many each is taken
COLOURS = ("red", "blue", "green", "magenta", "orange", "cyan")
WIDTHS = (0.7, 1.0, 1.6)  # of the lines, in low-resolution pixels
SIZE, FINER = (160, 110), 8  # of the drawing at low resolution; by which it is drawn larger
SHOWN = (0, 15, 170, 150)  # left, top, width, height, of the large drawing


@torch.inference_mode()
def main() -> None:
    """Print a Markdown table, or draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", help="names, run folders or checkpoints")
    parser.add_argument("--crops", type=Path, help="the PNG that is drawn instead")
    options = parser.parse_args()
    if options.crops is not None:
        options.crops.write_bytes(png_of(to_pixels(shown(*loaded(options.models[0])))))
        return
    print(f"| | drawing | {' | '.join(SETS)} |")
    print("|---" * (2 + len(SETS)) + "|")
    for name in options.models:
        network, scale = loaded(name)
        cells = [f"{change(network, scale, drawing(scale)):+.2f}"]
        for testset, every in SETS.items():
            paths = named(testset, os.environ.get("SRLAB_DATA", "data")).paths[::every]
            pictures = (to_tensor(read_pixels(path)) for path in paths)
            changes = [change(network, scale, hr) for hr in pictures if hr.shape[1] == 3]
            cells.append(f"{np.mean(changes):+.2f}")
        print(f"| {name} | {' | '.join(cells)} |")


def loaded(name: str) -> tuple[Callable[[Tensor], Tensor], int]:
    """Return what a model makes of luma, and its scale."""
    network = network_of(name)
    return network.upscaler("auto", ensemble=False), network.scale


def drawing(scale: int) -> Tensor:
    """Return coloured lines on white and on black, ``(1, 3, H, W)``."""
    unit = scale * FINER
    width, height = (side * unit for side in SIZE)
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle([width // 2, 0, width, height], fill="black")
    for left in (4, SIZE[0] // 2 + 4):
        for row, colour in enumerate(COLOURS):
            for place, thick in enumerate(WIDTHS):
                top = 8 + 16 * row + 4 * place
                ends = [left * unit, top * unit, (left + 72) * unit, (top + 5) * unit]
                draw.line(ends, fill=colour, width=round(thick * unit))
    return to_tensor(np.array(image.reduce(FINER)))


def made(network: Callable[[Tensor], Tensor], scale: int, hr: Tensor) -> list[Tensor]:
    """Return what a shrunk picture becomes, with chroma by bicubic and with chroma that follows."""
    lr = quantise(shrink(hr, scale)).float()
    ways = (by_bicubic, following)
    pictures = (upscale_colour(lr, network, Colour.y, scale, chroma=way) for way in ways)
    return [quantise(rgb.double()) for rgb in pictures]


def change(network: Callable[[Tensor], Tensor], scale: int, hr: Tensor) -> float:
    """Return by how many dB the second of these is nearer to the picture."""
    hr = crop_to_multiple(hr, scale)
    bicubic, follows = (psnr(crop(rgb, scale), crop(hr, scale)) for rgb in made(network, scale, hr))
    return float(follows - bicubic)


def shown(network: Callable[[Tensor], Tensor], scale: int) -> Tensor:
    """Return a part of the drawing as each makes it, beside the drawing."""
    hr = drawing(scale)
    left, top, width, height = SHOWN
    rows, columns = slice(top, top + height), slice(left, left + width)
    parts = [x[..., rows, columns] for x in (*made(network, scale, hr), hr)]
    return in_a_row(parts, around=0.5)


if __name__ == "__main__":
    main()
