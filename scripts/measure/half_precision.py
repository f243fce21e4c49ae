"""What half precision costs: SRLAB_DATA=FOLDER python scripts/measure/half_precision.py.

PSNR in dB of the models that come with srlab, on Set5 and Set14, with layers computed in float32,
float16 and bfloat16 by autocast, as srlab upscale computes them. On a CPU it emulates what a GPU
does but for the order of sums.
"""

import argparse
import copy
import os
from functools import partial

import torch
from torch import Tensor

import srlab
from srlab.assembly.testsets import read_testsets
from srlab.data.named import named
from srlab.evaluation.score import mean_score, score_images
from srlab.inference.fast_copy import fast_copy
from srlab.inference.tiles import upscale_tiled
from srlab.machine.precision import autocast_to, cast_layers, layer_type
from srlab.models.base import Model
from srlab.weights import shipped
from srlab.words import Colour

KINDS = ("fp32", "fp16", "bf16")


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    device, root = torch.device(parser.parse_args().device), os.environ.get("SRLAB_DATA", "data")
    print(f"torch {torch.__version__}, {device}\n")
    print("| model | set | fp32 | fp16 | bf16 |\n|---|---|---|---|---|")
    for name in shipped():
        network = fast_copy(srlab.load(name).to(device))
        for testset in ("Set5", "Set14"):
            pairs = read_testsets([named(testset, root)], network.scale, Colour.y)
            images = [(pair.name, pair.lr, pair.hr) for pair in pairs[testset]]
            found = []
            for kind in map(layer_type, KINDS):
                model = copy.deepcopy(network)
                cast_layers(model, kind, model.exact_layers)
                scores = score_images(partial(upscale, model, kind), images, network.scale)
                found.append(mean_score(scores).psnr)
            exact, *others = found
            row = [f"{exact:.3f}", *(f"{psnr - exact:+.3f}" for psnr in others)]
            print(f"| {name} | {testset} | {' | '.join(row)} |", flush=True)


def upscale(model: Model, kind: torch.dtype, lr: Tensor) -> Tensor:
    """Return SR, float32, of LR ``(N, C, H, W)``, with layers that compute in ``kind``."""
    device = next(model.parameters()).device
    with autocast_to(kind, device):
        return upscale_tiled(model, lr.to(device), 0).float()


if __name__ == "__main__":
    main()
