"""The networks of a sweep: what they make of pictures, and what their kernels are."""

import base64
import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.assembly.example_picture import ExamplePicture
from srlab.assembly.network import Network, load_network
from srlab.commands.report.results import Choice, Judged
from srlab.config.schema import NetworkConfig
from srlab.imaging.colour import luma
from srlab.imaging.files import png_of, to_pixels
from srlab.metrics.checkerboard import ripple_map
from srlab.models.base import Model
from srlab.reporting.plots import draw_artefacts
from srlab.reporting.responses import deviation, flat_response
from srlab.upsamplers.linear import NotLinear, subpixel_form, transposed_form
from srlab.upsamplers.simplify import last_upsampler

_ENOUGH = 8 / 255  # a difference that is as good as a larger one


def load_networks(
    runs: Sequence[Judged], device: torch.device, trust: Sequence[str]
) -> dict[str, Network]:
    """Load the final network of each run, by the run's name."""
    asked = {r.name: NetworkConfig(checkpoint=str(r.folder), trust=list(trust)) for r in runs}
    return {name: load_network(config, device) for name, config in asked.items()}


def upscaled(example: ExamplePicture, network: Network) -> Tensor:
    """Return a test image as a network makes it, ``(C, sH, sW)`` in ``[0, 1]``."""
    return example.upscaled(network.upscaler("auto", False))[0].cpu()


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
    return "data:image/png;base64," + base64.b64encode(png_of(to_pixels(picture[None]))).decode()


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
