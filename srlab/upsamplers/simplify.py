"""Networks whose upsamplers are turned into their quickest equal form."""

import copy
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

from srlab.measuring.cost import multiply_adds
from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.linear import subpixel_form, take_over
from srlab.upsamplers.meta import MetaShuffle
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.rep_conv import collapse_blocks
from srlab.upsamplers.rep_shuffle import RepShuffle
from srlab.upsamplers.resize_conv import ResizeConv

Network = TypeVar("Network", bound=nn.Module)


def upsamplers_of(network: nn.Module) -> Iterator[tuple[str, Upsampler]]:
    """Yield name and module of each upsampler of a network; not those within another."""
    for name, child in network.named_children():
        if isinstance(child, Upsampler):
            yield name, child
        else:
            yield from ((f"{name}.{inner}", found) for inner, found in upsamplers_of(child))


def last_upsampler(network: nn.Module) -> Upsampler | None:
    """Return the upsampler that makes a network's output, or None if it has none of ours."""
    heads = dict(upsamplers_of(network))
    return heads.get("upsampler") or next(reversed(heads.values()), None)


def simplify(network: Network) -> Network:
    """Return a copy for use whose linear upsamplers are sub-pixel convolutions where that pays.

    Convolutions that were trained as branches (``rep_conv``) are one each.

    An upsampler is replaced where the one convolution takes no more multiply-adds than it does: a
    transposed convolution or a resize-convolution always, stages where they are thin, plain
    interpolation never. The copy computes the same up to rounding and has other weights.

    Example:
        >>> model = srlab.ESPCN(srlab.Deconv, scale=3).eval()
        >>> quicker = srlab.simplify(model)
        >>> type(quicker.upsampler).__name__
        'PixelShuffle'
    """
    network = copy.deepcopy(network)
    for name, upsampler in list(upsamplers_of(network)):
        simple = _simple(upsampler)
        if simple is not None:
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, simple)
    collapse_blocks(network)
    return network


def upsampler_cost(upsampler: Upsampler) -> float:
    """Return the multiply-adds of an upsampler for each low-resolution pixel."""

    def run(module: nn.Module, rows: int, columns: int) -> Tensor:
        halo, s = upsampler.halo, upsampler.scale
        shape = (rows + 2 * halo, columns + 2 * halo)
        framed = torch.empty(1, upsampler.in_channels, *shape, device="meta")
        if not upsampler.guided:
            return module(framed)
        return module(framed, torch.empty(1, 1, s * shape[0], s * shape[1], device="meta"))

    return multiply_adds(upsampler, run)[""]


def _is_rearranged(upsampler: Upsampler) -> bool:
    """Tell whether an upsampler is run as one sub-pixel convolution already, from other weights.

    Then its cost is known; to count any takes torch a second to prepare.
    """
    if isinstance(upsampler, Deconv):
        return isinstance(upsampler.project, nn.Identity)
    return isinstance(upsampler, ResizeConv | RepShuffle | MetaShuffle)


def _simple(upsampler: Upsampler) -> PixelShuffle | None:
    """Return the sub-pixel convolution that is to stand in for an upsampler, if any."""
    i, o, s, size = (
        upsampler.in_channels, upsampler.out_channels, upsampler.scale, 2 * upsampler.halo + 1,
    )  # fmt: skip
    first = next(upsampler.parameters(), None)
    if first is None or isinstance(upsampler, PixelShuffle | Interpolate) or upsampler.guided:
        return None
    try:
        if not _is_rearranged(upsampler) and i * o * s**2 * size**2 > upsampler_cost(upsampler):
            return None
        form = subpixel_form(upsampler)
    except (ValueError, RuntimeError):  # not linear, or a foreign one that wants values
        return None
    with torch.random.fork_rng(devices=[]):
        simple = PixelShuffle(i, o, s, size).double()  # the size that fits the network's frame
    take_over(simple, form)
    return simple.to(first)
