"""Time our scores against scikit-image's: python scripts/measure/time_evaluation.py [--json FILE].

Set5 and Set14 from the folder that SRLAB_DATA names, or else the bundled photographs, at x3. The
plain way takes one picture after another: ``peak_signal_noise_ratio``, and of
``structural_similarity`` the part of the map where the window lies inside the picture, as MATLAB
has it. Once for finished pictures, once with an ESPCN that makes them, and once with the copy of
it that ``srlab evaluate`` runs: that one sums in another order, so that a few pixels are rounded to
the next grey. With a network our time includes the ripple, which scikit-image has not. Medians of
interleaved repetitions.
"""

import argparse
import json
import os
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from srlab.data.named import named
from srlab.data.pairs import Pair, read_pairs
from srlab.data.photos import held_out
from srlab.errors import UserError
from srlab.evaluation.score import score_images, smallest_side
from srlab.imaging.files import to_pixels, to_tensor
from srlab.imaging.resample import crop
from srlab.inference.fast_copy import fast_copy
from srlab.inference.sizing import automatic_tile
from srlab.inference.tiles import upscale_tiled
from srlab.machine.threads import map_in_threads
from srlab.measuring.timing import interleaved
from srlab.metrics.psnr import psnr
from srlab.metrics.ssim import ssim
from srlab.models.espcn import ESPCN
from srlab.upsamplers.pixel_shuffle import PixelShuffle

SCALE = 3

Figures = list[tuple[float, float]]  # PSNR and SSIM of each picture


def read() -> tuple[str, list[Pair]]:
    """Return the test pairs, and what they are called."""
    try:
        root = os.environ.get("SRLAB_DATA", "data")
        sets = [named(name, root) for name in ("Set5", "Set14")]
    except UserError:
        sets = [held_out()]
    pairs = [p for s in sets for p in read_pairs(s, SCALE, "y", smallest_side(SCALE))]
    return " + ".join(s.name for s in sets), pairs


def plain_metrics(sr: np.ndarray, hr: np.ndarray) -> tuple[float, float]:
    """Judge uint8 pixels ``(H, W)`` by scikit-image."""
    _, similarity = structural_similarity(
        hr, sr, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255,
        full=True,
    )  # fmt: skip
    error = peak_signal_noise_ratio(hr, sr, data_range=255)
    return float(error), float(similarity[5:-5, 5:-5].mean())


@torch.inference_mode()
def our_metrics(pixels: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Judge uint8 pixels ``(H, W, 1)``."""
    sr, hr = map(to_tensor, pixels)
    return psnr(sr, hr).item(), ssim(sr, hr).item()


@torch.inference_mode()
def plain_scores(network: ESPCN, pairs: list[Pair]) -> Figures:
    """Upscale, round and judge one picture after another."""
    scores = []
    for pair in pairs:
        lr = torch.from_numpy(pair.lr.astype(np.float32) / 255)[None, None, ..., 0]
        sr = network(lr)[0, 0].numpy().astype(np.float64)
        levels = np.floor(sr * 255 + 0.5).clip(0, 255).astype(np.uint8)
        inside = (slice(SCALE, -SCALE),) * 2
        scores.append(plain_metrics(levels[inside], pair.hr[..., 0][inside]))
    return scores


def our_scores(network: ESPCN, pairs: list[Pair], tile: int) -> Figures:
    """Upscale, round and judge several pictures at a time."""
    images = [(pair.name, pair.lr, pair.hr) for pair in pairs]
    upscale = partial(upscale_tiled, network, tile=tile)
    return [(s.psnr, s.ssim) for s in score_images(upscale, images, SCALE)]


def compare(plain: Callable[[], Figures], ours: Callable[[], Figures], repeats: int) -> dict:
    """Return the medians of both in ms, their ratio, and the largest differences."""
    results: list[Figures] = [plain(), ours()]  # not timed: the first time is never the usual
    seconds = interleaved({"plain": plain, "ours": ours}, repeats, warm_up=0)
    slow, quick = (statistics.median(times) * 1e3 for times in seconds.values())
    off = np.abs(np.subtract(*results)).max(axis=0)
    return {
        "plain_ms": slow,
        "ours_ms": quick,
        "ratio": slow / quick,
        "psnr_difference": float(off[0]),
        "ssim_difference": float(off[1]),
    }


def main() -> None:
    """Print a Markdown table, and write it as JSON if asked."""
    parser = argparse.ArgumentParser(description="Time our scores against scikit-image's.")
    parser.add_argument("--repeats", type=int, default=5, help="timed repetitions (5)")
    parser.add_argument("--json", type=Path, help="a file to write the figures to")
    options = parser.parse_args()

    name, pairs = read()
    torch.manual_seed(0)
    network = ESPCN(PixelShuffle, SCALE, init="identity").eval()
    copy = fast_copy(network)
    shaved = []
    for pair in pairs:
        with torch.inference_mode():
            sr = network(to_tensor(pair.lr).float()).double()
        shaved.append(tuple(to_pixels(crop(x, SCALE)) for x in (sr, to_tensor(pair.hr))))

    rows = {
        "PSNR and SSIM": compare(
            lambda: [plain_metrics(sr[..., 0], hr[..., 0]) for sr, hr in shaved],
            lambda: list(map_in_threads(our_metrics, shaved)),
            options.repeats,
        ),
        "ESPCN, rounding, PSNR and SSIM": compare(
            lambda: plain_scores(network, pairs),
            lambda: our_scores(network, pairs, 0),
            options.repeats,
        ),
        "the same by its quick copy": compare(
            lambda: plain_scores(network, pairs),
            lambda: our_scores(copy, pairs, automatic_tile(copy)),
            options.repeats,
        ),
    }
    report: dict[str, Any] = {
        "images": name,
        "scale": SCALE,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "repeats": options.repeats,
        "rows": rows,
    }
    print(f"{name} x{SCALE}, torch {report['torch']}, {report['threads']} threads\n")
    header = ("", "scikit-image, ms", "srlab, ms", "ratio", "PSNR off by", "SSIM off by")
    print(f"| {' | '.join(header)} |\n{'|---' * len(header)}|")
    for what, row in rows.items():
        print(
            f"| {what} | {row['plain_ms']:.0f} | {row['ours_ms']:.0f} | {row['ratio']:.1f} "
            f"| {row['psnr_difference']:.0e} | {row['ssim_difference']:.0e} |"
        )
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
