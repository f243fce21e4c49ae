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

from srlab.assembly.example_picture import Showcase
from srlab.assembly.network import Network, load_network
from srlab.commands.sweep_results import Choice, Run
from srlab.config.schema import NetworkConfig
from srlab.evaluation.network import costs_of, ripple_on_flats
from srlab.imaging.colour import luma
from srlab.inference.quick import quick
from srlab.machine.device import wait_for
from srlab.measuring.cost import tensor_memory
from srlab.measuring.timing import interleaved
from srlab.metrics.checkerboard import ripple_map
from srlab.models import Model
from srlab.reporting.plots import draw_artefacts
from srlab.reporting.responses import deviation, flat_response
from srlab.upsamplers.linear import NotLinear, subpixel_form, transposed_form
from srlab.upsamplers.simplify import last_upsampler, simplify

_ENOUGH = 8 / 255  # a difference that is as good as a larger one


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Args:
        parameters: How many numbers it learnt.
        multiply_adds: Per pixel of its output, or None where they cannot be counted.
        seconds: For the picture that all are measured on: the median.
        memory: The most bytes of tensors alive at once for it.
        training: Seconds of training, the median over seeds, or None.
    """

    parameters: int
    multiply_adds: float | None
    seconds: float
    memory: int
    training: float | None


def load_networks(
    runs: Sequence[Run], device: torch.device, trust: Sequence[str]
) -> dict[str, Network]:
    """Load the final network of each run, by the run's name."""
    asked = {r.name: NetworkConfig(checkpoint=str(r.folder), trust=list(trust)) for r in runs}
    return {name: load_network(config, device) for name, config in asked.items()}


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
            statistics.median(known) if known else None,
        )
    return costs


@torch.inference_mode()
def _upscale(module: Model, lr: Tensor, device: torch.device) -> None:
    module(lr)
    wait_for(device)


def flat_ripples(choices: Sequence[Choice], networks: dict[str, Network]) -> dict[str, list[float]]:
    """Return the ripple of flat pictures, for each seed of each choice, in grey levels."""
    return {
        choice.label: [_flat_ripple(networks[run.name]) for run in choice.runs]
        for choice in choices
    }


def _flat_ripple(network: Network) -> float:
    return ripple_on_flats(network.upscaler("auto", False), network.module)


def upscaled(showcase: Showcase, network: Network) -> Tensor:
    """Return a test image as a network makes it, ``(C, sH, sW)`` in ``[0, 1]``."""
    return showcase.upscaled(network.upscaler("auto", False))[0].cpu()


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
    head = last_upsampler(module)
    if head is None or head.scale != module.scale:
        return {}
    try:
        form = transposed_form(subpixel_form(head))
    except NotLinear:
        return {}
    return {"kernel": form.kernel, "padding": form.padding}
