"""What models make of JPEG.

usage: SRLAB_DATA=FOLDER python scripts/results/photographs.py MODEL ... [--crops FILE]

MODEL is one that comes with srlab, a run folder or a checkpoint. Every tenth picture of
BSDS500-test is shrunk by MATLAB's bicubic and compressed by JPEG, 4:2:0. Told are the gain over
bicubic in dB of PSNR on Y, the mean over the pictures, and the artefacts: the rms of the difference
between what is made of the compressed and of the clean picture, beside bicubic's.

With --crops, instead, FILE shows parts of photographs that scikit-image bundles, shrunk and
compressed by JPEG of quality 60: by bicubic, by each model, and what they were, from left to right.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from networks import asked, in_a_row, network_of
from skimage import data
from torch import Tensor

from srlab.data.named import named
from srlab.degradations.compression import through
from srlab.imaging.colour import luma, quantise
from srlab.imaging.files import png_of, read_pixels, to_pixels, to_tensor
from srlab.imaging.resample import crop, crop_to_multiple, enlarge, shrink
from srlab.inference.colour import upscale_colour
from srlab.metrics.psnr import psnr

QUALITIES = (None, 95, 90, 75, 60, 40)  # None: not compressed
EVERY = 10  # of the pictures
CROPS = (("chelsea", 60, 100), ("astronaut", 10, 150))  # top and left, of the whole picture
SIDE, CROPS_QUALITY = 120, 60  # pixels of a part; of JPEG


@torch.inference_mode()
def main() -> None:
    """Print a Markdown table, or draw."""
    options = asked(__doc__)
    if options.crops is not None:
        options.crops.write_bytes(png_of(to_pixels(drawn([loaded(m) for m in options.models]))))
        return
    paths = named("BSDS500-test", os.environ.get("SRLAB_DATA", "data")).paths[::EVERY]
    heads = [f"q{quality}" if quality else "clean" for quality in QUALITIES]
    artefacts = [f"artefacts, {head}" for head in heads[1:]]
    print(f"| {len(paths)} pictures | {' | '.join([*heads, *artefacts])} |")
    print("|---" * (1 + len(heads) + len(artefacts)) + "|")
    for name in options.models:
        upscale, scale = loaded(name)
        gains, amounts = zip(*(judged(upscale, path, scale) for path in paths), strict=True)
        means = torch.tensor(gains).mean(dim=0).tolist()
        ours, bicubic = torch.tensor(amounts).mean(dim=0).sqrt().unbind()
        shares = [f"{share:.2f}" for share in (ours / bicubic).tolist()]
        print(f"| {name} | {' | '.join([*(f'{gain:+.2f}' for gain in means), *shares])} |")


def loaded(name: str) -> tuple[Callable[[Tensor], Tensor], int]:
    """Return what a model makes of RGB, and its scale."""
    network = network_of(name)
    once = network.upscaler("auto", ensemble=False)
    by = partial(upscale_colour, upscale=once, colour=network.colour, scale=network.scale)
    return by, network.scale


def drawn(models: list[tuple[Callable[[Tensor], Tensor], int]]) -> Tensor:
    """Return the picture of the parts: a row for each, a column for each that makes it."""
    scale = models[0][1]
    ways = [partial(enlarge, scale=scale), *(upscale for upscale, _ in models)]
    rows = []
    for name, top, left in CROPS:
        hr = crop_to_multiple(to_tensor(getattr(data, name)()), scale)
        small = quantise(shrink(hr, scale))
        lr = through(small, "JPEG", quality=CROPS_QUALITY, subsampling=2).float()
        made = [*(way(lr).double() for way in ways), hr]
        parts = [x[..., top : top + SIDE, left : left + SIDE] for x in made]
        rows.append(in_a_row([quantise(part) for part in parts], around=1.0))
    return torch.cat(rows, dim=2)


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
        [_y(by(lr)) for lr in given]
        for by in (lambda lr: upscale(lr.float()), partial(enlarge, scale=scale))
    ]
    truth = crop(_y(hr), scale)
    for ours, bicubic in zip(*made, strict=True):
        ours, bicubic = (psnr(crop(y, scale), truth) for y in (ours, bicubic))
        gains.append(float(ours - bicubic))
    for clean, *compressed in made:
        squared.append([float((y - clean).square().mean()) for y in compressed])
    return gains, squared


def _y(rgb: Tensor) -> Tensor:
    return quantise(luma(quantise(rgb.double())))


if __name__ == "__main__":
    main()
