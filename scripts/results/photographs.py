"""What models make of JPEG.

usage: SRLAB_DATA=FOLDER python scripts/results/photographs.py MODEL ...

MODEL is one that comes with srlab, a run folder or a checkpoint. Every tenth picture of
BSDS500-test is shrunk by MATLAB's bicubic and compressed by JPEG, 4:2:0. Told are the gain over
bicubic in dB of PSNR on Y, the mean over the pictures, and the artefacts: the rms of the difference
between what is made of the compressed and of the clean picture, beside bicubic's.
"""

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from networks import of_colours, y_of
from torch import Tensor

from srlab.data.named import named
from srlab.degradations.compression import through
from srlab.imaging.colour import quantise
from srlab.imaging.files import read_pixels, to_tensor
from srlab.imaging.resample import crop, crop_to_multiple, enlarge, shrink
from srlab.metrics.psnr import psnr

QUALITIES = (None, 95, 90, 75, 60, 40)  # None: not compressed
EVERY = 10  # of the pictures


@torch.inference_mode()
def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", help="names, run folders or checkpoints")
    options = parser.parse_args()
    paths = named("BSDS500-test", os.environ.get("SRLAB_DATA", "data")).paths[::EVERY]
    heads = [f"q{quality}" if quality else "clean" for quality in QUALITIES]
    artefacts = [f"artefacts, {head}" for head in heads[1:]]
    print(f"| {len(paths)} pictures | {' | '.join([*heads, *artefacts])} |")
    print("|---" * (1 + len(heads) + len(artefacts)) + "|")
    for name in options.models:
        upscale, scale = of_colours(name)
        gains, amounts = zip(*(judged(upscale, path, scale) for path in paths), strict=True)
        means = torch.tensor(gains).mean(dim=0).tolist()
        ours, bicubic = torch.tensor(amounts).mean(dim=0).sqrt().unbind()
        shares = [f"{share:.2f}" for share in (ours / bicubic).tolist()]
        print(f"| {name} | {' | '.join([*(f'{gain:+.2f}' for gain in means), *shares])} |")


def judged(
    upscale: Callable[[Tensor], Tensor], path: Path, scale: int
) -> tuple[list[float], list[list[float]]]:
    """Return the gains at each quality; and of upscaler and bicubic the squared artefacts."""
    hr = crop_to_multiple(to_tensor(read_pixels(path)), scale)
    low = quantise(shrink(hr, scale))
    given = [
        low if q is None else through(low, "JPEG", quality=q, subsampling=2) for q in QUALITIES
    ]
    gains, squared = [], list[list[float]]()
    made = [
        [y_of(by(lr)) for lr in given]
        for by in (lambda lr: upscale(lr.float()), partial(enlarge, scale=scale))
    ]
    truth = crop(y_of(hr), scale)
    for ours, bicubic in zip(*made, strict=True):
        ours, bicubic = (psnr(crop(y, scale), truth) for y in (ours, bicubic))
        gains.append(float(ours - bicubic))
    for clean, *compressed in made:
        squared.append([float((y - clean).square().mean()) for y in compressed])
    return gains, squared


if __name__ == "__main__":
    main()
