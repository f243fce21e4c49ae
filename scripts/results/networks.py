"""Networks as the scripts beside this one name and load them, and pictures beside each other."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from srlab.assembly.network import Network, load_network
from srlab.config.schema import NetworkConfig
from srlab.imaging.colour import luma, quantise
from srlab.imaging.resample import enlarge
from srlab.inference.colour import upscale_colour

Upscale = Callable[[Tensor], Tensor]
_MARGIN = 4  # pixels around what is shown


def network_of(name: str | Path) -> Network:
    """Return the network of a model that comes along, a run folder or a checkpoint."""
    return load_network(NetworkConfig(checkpoint=str(name)), torch.device("cpu"))


def of_colours(name: str | Path) -> tuple[Upscale, int]:
    """Return what a model makes of RGB, and its scale."""
    network = network_of(name)
    once = network.upscaler("auto", ensemble=False)
    by = partial(upscale_colour, upscale=once, colour=network.colour, scale=network.scale)
    return by, network.scale


def of_one_scale(names: Sequence[str | Path]) -> tuple[list[Upscale], int]:
    """Return what several models make of RGB, and their scale; end the program if they differ."""
    loaded = [of_colours(name) for name in names]
    scale = loaded[0][1]
    if any(other != scale for _, other in loaded):
        sys.exit("the models are of different scales")
    return [upscale for upscale, _ in loaded], scale


def y_of(rgb: Tensor) -> Tensor:
    """Return the luma that a picture is judged on, rounded as a file would hold it."""
    return quantise(luma(quantise(rgb.double())))


def in_a_row(parts: Sequence[Tensor], around: float, zoom: int = 2) -> Tensor:
    """Show pictures ``(1, 3, H, W)`` larger, from left to right, in a frame of a grey level."""
    large = [enlarge(part, zoom, "nearest") for part in parts]
    return torch.cat([F.pad(part, [_MARGIN] * 4, value=around) for part in large], dim=3)
