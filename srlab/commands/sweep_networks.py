"""What the networks of a sweep cost, what they make of pictures, and what their kernels are."""

import base64
import copy
import io
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from srlab.commands.measurement import wait_for
from srlab.commands.network import Network, costs_of, load_checkpoint
from srlab.commands.showcase import Showcase
from srlab.commands.sweep_results import Choice, Run
from srlab.config.schema import Colour
from srlab.cost import tensor_memory
from srlab.imaging.colour import luma
from srlab.inference.quick import quick
from srlab.metrics.checkerboard import flat_ripple, ripple_map
from srlab.models import Model
from srlab.reporting.plots import draw_artefacts
from srlab.reporting.responses import deviation, flat_response
from srlab.timing import interleaved
from srlab.upsamplers.linear import NotLinear, subpixel_form, transposed_form
from srlab.upsamplers.simplify import simplify, upsamplers_of

_ENOUGH = 8 / 255  # a difference that is as good as a larger one
_BORDER = 64  # low-resolution pixels that count as border in flat pictures, at most


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Args:
        parameters: How many numbers it learnt.
        multiply_adds: Per pixel of its output, or None where they cannot be counted.
        seconds: For the picture that all are measured on: the median.
        memory: The most bytes of tensors alive at once for it.
        training: Seconds of training, the mean over seeds, or None.
    """

    parameters: int
    multiply_adds: float | None
    seconds: float
    memory: int
    training: float | None


@dataclass(frozen=True)
class Crop:
    """A part of a test image: top left corner and side in high-resolution pixels."""

    image: int
    left: int
    top: int
    width: int
    height: int


def load_networks(
    runs: Sequence[Run], device: torch.device, trust: Sequence[str]
) -> dict[str, Network]:
    """Load the final network of each run, by the run's name."""
    networks = {}
    for run in runs:
        module, config = load_checkpoint(run.folder, trust)
        colour, scale = Colour(config["colour"]), int(config["scale"])
        path = run.folder / "last.pt"
        networks[run.name] = Network(module.to(device), scale, colour, run.name, None, path)
    return networks


def measure_costs(
    choices: Sequence[Choice],
    networks: dict[str, Network],
    device: torch.device,
    size: tuple[int, int],
    repeats: int,
) -> dict[str, Cost]:
    """Measure what one network of each choice costs, in turn, as ``srlab upscale`` would run it."""
    firsts = {choice.label: networks[choice.runs[0].name] for choice in choices}
    runs: dict[str, Callable[[], object]] = {}
    memory = {}
    for label, network in firsts.items():
        module: Model = quick(simplify(network.module))
        lr = torch.rand(1, network.module.channels, *size, device=device)
        runs[label] = partial(_upscale, module, lr, device)
        memory[label] = tensor_memory(runs[label])
    seconds = interleaved(runs, repeats)
    costs = {}
    for choice in choices:
        module = firsts[choice.label].module
        known = [run.seconds for run in choice.runs if run.seconds is not None]
        costs[choice.label] = Cost(
            sum(p.numel() for p in module.parameters()),
            None if module.whole else costs_of(module).get(""),
            statistics.median(seconds[choice.label]),
            memory[choice.label],
            statistics.fmean(known) if known else None,
        )
    return costs


@torch.inference_mode()
def _upscale(module: Model, lr: Tensor, device: torch.device) -> None:
    module(lr)
    wait_for(device)


def flat_ripples(choices: Sequence[Choice], networks: dict[str, Network]) -> dict[str, list[float]]:
    """Return the ripple of flat pictures, for each seed of each choice, in grey levels."""
    return {
        choice.label: [_flat_ripple(networks[run.name].module) for run in choice.runs]
        for choice in choices
    }


def _flat_ripple(module: Model) -> float:
    device = next(iter(module.parameters())).device
    border = min(module.halo, _BORDER)

    def upscale(lr: Tensor) -> Tensor:
        return module(lr.to(device)).cpu()

    return flat_ripple(upscale, module.scale, module.channels, border, module.grid)


def upscaled(showcase: Showcase, network: Network) -> Tensor:
    """Return a test image as a network makes it, ``(C, sH, sW)`` in ``[0, 1]``."""
    device = next(iter(network.module.parameters())).device
    moved = partial(_moved, network.upscaler("auto", False), device)
    return showcase.upscaled(moved)[0].clamp(0, 1).cpu()


def _moved(upscale: Callable[[Tensor], Tensor], device: torch.device, lr: Tensor) -> Tensor:
    return upscale(lr.to(device)).cpu()


def where_they_differ(pictures: Sequence[Tensor], side: int, scale: int) -> tuple[int, int]:
    """Return the top left corner of the square in which pictures ``(C, H, W)`` differ most.

    How far their luma lies from its median over the pictures, up to a few grey levels: one picture
    that is off everywhere does not choose alone.
    """
    stack = torch.stack([_luma(picture) for picture in pictures])
    away = (stack - stack.median(dim=0).values).abs().clamp(max=_ENOUGH)
    varying = away.mean(dim=0)[None, None]
    window = (min(side, varying.shape[-2]), min(side, varying.shape[-1]))
    sums = F.avg_pool2d(varying, window, stride=scale)
    place = int(sums.flatten().argmax())
    return scale * (place // sums.shape[-1]), scale * (place % sums.shape[-1])


def _luma(picture: Tensor) -> Tensor:
    return (luma(picture[None]) if picture.shape[0] == 3 else picture[None, :1])[0, 0]


def as_png(picture: Tensor) -> str:
    """Return a picture ``(C, H, W)`` in ``[0, 1]`` as a PNG in a data URI."""
    pixels = (picture * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
    image = Image.fromarray(np.ascontiguousarray(pixels.squeeze(-1).numpy()))
    file = io.BytesIO()
    image.save(file, format="PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def draw_networks(
    choices: Sequence[Choice], networks: dict[str, Network], pictures: dict[str, Tensor]
) -> dict[str, str]:
    """Draw kernel, spectrum and checkerboard of the first network of each choice, as SVG.

    Args:
        choices: The choices.
        networks: By run.
        pictures: One test image as each of these networks makes it, by run.
    """
    maps = {c.label: ripple_map(_luma(pictures[c.runs[0].name])[None, None],
                                networks[c.runs[0].name].scale)[0] for c in choices}  # fmt: skip
    limit = max(0.5, float(np.median([m.quantile(0.995) for m in maps.values()])))
    drawn = {}
    for choice in choices:
        module = copy.deepcopy(networks[choice.runs[0].name].module).cpu()
        flats = deviation(flat_response(module, module.scale, module.channels, module.halo))
        worst = flats[int(flats.abs().amax(dim=(1, 2)).argmax())]
        drawn[choice.label] = draw_artefacts(
            module.scale, worst, maps[choice.label], limit, **_kernel(module)
        )
    return drawn


def _kernel(module: Model) -> dict[str, Any]:
    """Return the last upsampler as a transposed convolution, if it is one."""
    heads = dict(upsamplers_of(module))
    head = heads.get("upsampler") or (list(heads.values())[-1] if heads else None)
    if head is None or head.scale != module.scale:
        return {}
    try:
        form = transposed_form(subpixel_form(head))
    except NotLinear:
        return {}
    return {"kernel": form.kernel, "padding": form.padding}
