"""What training at a scale that is not whole gains over the network of the next whole scale.

usage: SRLAB_DATA=FOLDER python scripts/results/between.py [--scale 2.5] [OVERRIDE ...]

Two ESPCN of the next whole scale learn from T91, in the setting of experiment=findings: one from LR
of the whole scale, as srlab trains, the other from LR of the scale itself, its output made smaller
within the loss. Both are judged at the scale as srlab evaluate judges it.
"""

import argparse
from collections.abc import Iterator
from fractions import Fraction
from math import ceil

import numpy as np
import torch
import torch.nn.functional as F
from hydra import initialize_config_dir
from torch import Tensor, nn

from srlab.assembly.learner import build_state
from srlab.assembly.testsets import build_testsets, judge, read_testsets
from srlab.config.build import build
from srlab.config.compose import composed_training
from srlab.config.paths import config_dir
from srlab.config.register import register
from srlab.config.schema import TrainConfig
from srlab.evaluation.score import mean_score
from srlab.imaging.colour import quantise, to_channels
from srlab.imaging.files import read_pixels, to_tensor
from srlab.imaging.resample import crop_to_multiple, mirror_pad, shrink
from srlab.inference.in_turn import at_factor
from srlab.inference.tiles import upscale_tiled
from srlab.training.loop import Callbacks, LoopSettings, fit

Pairs = list[tuple[Tensor, Tensor]]
CPU = torch.device("cpu")


class Reduced(nn.Module):
    """A loss of what a network makes once that is as small as HR, by bicubic without aliasing."""

    def __init__(self, loss: nn.Module):
        super().__init__()
        self.loss = loss

    def forward(self, sr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        """Return the terms of the loss."""
        small = F.interpolate(sr, hr.shape[-2:], mode="bicubic", antialias=True)
        terms: dict[str, Tensor] = self.loss(small, hr)
        return terms


def main() -> None:
    """Train both, and print what they score."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", type=float, default=2.5)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    factor = Fraction(str(options.scale))
    register()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = composed_training(
            ["experiment=findings", f"scale={ceil(factor)}", *options.overrides]
        )
    if config.trainer.patch_size % factor.denominator:
        parser.error(f"trainer.patch_size must be a multiple of {factor.denominator}")
    torch.set_num_threads(config.trainer.threads or torch.get_num_threads())
    for by in (Fraction(config.scale), factor):
        print(f"LR of x{float(by):g}: {trained(config, by, factor)}", flush=True)


def trained(config: TrainConfig, by: Fraction, factor: Fraction) -> str:
    """Train from LR that is smaller by a factor; return the scores at another."""
    state, objective = build_state(config, CPU)
    frame = state.model.frame
    batches = drawn(training_pairs(config, by, frame), config, by, frame)
    steps = config.trainer.steps
    callbacks = Callbacks(
        log=lambda *_: None, evaluate=float, save_last=lambda: None,
        save_best=lambda: None, stop=lambda _: False, note=print,
    )  # fmt: skip
    settings = LoopSettings(steps, steps, steps, steps)
    schedule = build(config.schedule, "schedule")
    fit(state, Reduced(objective), batches, schedule, settings, callbacks, CPU, frame)
    network = state.network.eval()
    upscale = at_factor(lambda lr: upscale_tiled(network, lr.float(), tile=0), factor)
    scale = float(factor)
    pairs = read_testsets(build_testsets(config.testset), scale, config.colour)
    with torch.inference_mode():
        results = judge(upscale, pairs, scale, config.colour, "", None)
    return "  ".join(f"{r.testset} {mean_score(r.scores).psnr:.2f} dB" for r in results)


def training_pairs(config: TrainConfig, by: Fraction, frame: int) -> Pairs:
    """Return LR ``(1, 1, H + 2 frame, W + 2 frame)`` and HR of every picture, both rounded."""
    images = build(config.data, "data")
    found = []
    for path in images.paths:
        hr = to_channels(to_tensor(read_pixels(path)), config.colour)
        hr = crop_to_multiple(hr, by.numerator)
        lr = quantise(shrink(hr, by))
        found.append((mirror_pad(lr, frame).float(), hr.float()))
    return found


def drawn(
    pairs: Pairs, config: TrainConfig, by: Fraction, frame: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches: every place where LR and HR begin together is equally likely."""
    p, q = by.numerator, by.denominator
    side = config.trainer.patch_size  # of LR, a multiple of q
    large, framed = side // q * p, side + 2 * frame
    spots = np.array([[n // p - side // q + 1 for n in hr.shape[-2:]] for _, hr in pairs]).clip(0)
    likely = spots.prod(axis=1) / spots.prod(axis=1).sum()
    for step in range(config.trainer.steps):
        rng = np.random.default_rng((config.seed, step))
        batch = []
        for number in rng.choice(len(pairs), config.trainer.batch_size, p=likely):
            lr, hr = pairs[number]
            top, left = rng.integers(0, spots[number])
            low = lr[..., q * top : q * top + framed, q * left : q * left + framed]
            high = hr[..., p * top : p * top + large, p * left : p * left + large]
            turns, flip = divmod(int(rng.integers(8)), 2)
            low, high = (torch.rot90(x, turns, (2, 3)) for x in (low, high))
            batch.append([x.flip(3) for x in (low, high)] if flip else [low, high])
        lows, highs = zip(*batch, strict=True)
        yield torch.cat(lows), torch.cat(highs)


if __name__ == "__main__":
    main()
