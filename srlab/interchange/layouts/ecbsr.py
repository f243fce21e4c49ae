"""ECBSR's weights as its authors keep them, trained as branches or collapsed."""

from dataclasses import replace

import torch
from torch import Tensor

from srlab.interchange.layouts.compact import srvgg
from srlab.interchange.layouts.parts import (
    Foreign,
    Wanted,
    Weights,
    count_keys,
    kernel_shape,
    take_weights,
)

_PEAK = 255.0  # their pixels are from 0 to it
_EDGES = ("conv1x1_sbx", "conv1x1_sby", "conv1x1_lpl")


def ecbsr(theirs: Weights, grey: float) -> Foreign | None:
    """``backbone.0`` to ``backbone.N`` (xindongzhang/ECBSR), of luma; shows its scale.

    Each is the sum of a 3x3 convolution, a 1x1 then 3x3 one, and Sobel and Laplace filters of 1x1
    ones, with PReLUs between: SRVGGNetCompact in other words. Where the 1x1 convolutions are padded
    with their biases, as there, the sum is one convolution that is padded with zeros.
    """
    if "backbone.0.conv3x3.weight" not in theirs:
        return None
    count = count_keys(theirs, r"backbone\.\d+\.conv3x3\.weight")
    if count < 2:
        raise ValueError("it has less than two layers")
    branches = any(".conv1x1_" in key for key in theirs)
    shapes = [kernel_shape(theirs, f"backbone.{n}.conv3x3.weight") for n in range(count)]
    if shapes[0][1] != 1:
        raise ValueError(f"it adds {shapes[0][1]} channels to the phases of one")
    if "backbone.0.act.weight" not in theirs:
        raise ValueError("its activations are no PReLUs, and which they are does not show")
    wanted: Wanted = {}
    for number, (outs, ins, _) in enumerate(shapes):
        wanted |= _names(f"backbone.{number}", outs, ins, branches, number + 1 < count)
    weights, port = take_weights(theirs, wanted), dict[str, Tensor]()
    for number in range(count):
        kernel, bias = _summed(weights, f"backbone.{number}", branches)
        # Between layers that are positively homogeneous the peak is taken off the biases alone.
        port[f"body.{2 * number}.weight"], port[f"body.{2 * number}.bias"] = kernel, bias / _PEAK
        if number + 1 < count:
            port[f"body.{2 * number + 1}.weight"] = weights[f"backbone.{number}.act.weight"]
    found = srvgg(port, grey)
    title = f"ECBSR of {count - 2} blocks of {shapes[0][0]} features"
    return found and replace(found, title=title)


def _names(layer: str, outs: int, ins: int, branches: bool, slopes: bool) -> Wanted:
    """Return what a layer consists of."""
    shapes: dict[str, tuple[int, ...]] = {
        "conv3x3.weight": (outs, ins, 3, 3),
        "conv3x3.bias": (outs,),
    }
    if branches:
        shapes |= {"conv1x1_3x3.k0": (2 * outs, ins, 1, 1), "conv1x1_3x3.b0": (2 * outs,)}
        shapes |= {"conv1x1_3x3.k1": (outs, 2 * outs, 3, 3), "conv1x1_3x3.b1": (outs,)}
        for edge in _EDGES:
            shapes |= {f"{edge}.k0": (outs, ins, 1, 1), f"{edge}.b0": (outs,)}
            shapes |= {f"{edge}.scale": (outs, 1, 1, 1), f"{edge}.bias": (outs,)}
            shapes[f"{edge}.mask"] = (outs, 1, 3, 3)
    if slopes:
        shapes["act.weight"] = (outs,)
    return {f"{layer}.{name}": (f"{layer}.{name}", shape) for name, shape in shapes.items()}


def _summed(weights: Weights, layer: str, branches: bool) -> tuple[Tensor, Tensor]:
    """Return kernel and bias of a layer's one convolution."""
    kernel, bias = weights[f"{layer}.conv3x3.weight"], weights[f"{layer}.conv3x3.bias"]
    if not branches:
        return kernel, bias
    k0, b0, k1, b1 = (weights[f"{layer}.conv1x1_3x3.{name}"] for name in ("k0", "b0", "k1", "b1"))
    kernel = kernel + torch.einsum("omuv,mi->oiuv", k1, k0[..., 0, 0])
    bias = bias + torch.einsum("omuv,m->o", k1, b0) + b1
    for edge in _EDGES:
        k0, b0 = (weights[f"{layer}.{edge}.{name}"] for name in ("k0", "b0"))
        mask = (weights[f"{layer}.{edge}.scale"] * weights[f"{layer}.{edge}.mask"])[:, 0]
        kernel = kernel + torch.einsum("ouv,oi->oiuv", mask, k0[..., 0, 0])
        bias = bias + mask.sum((1, 2)) * b0 + weights[f"{layer}.{edge}.bias"]
    return kernel, bias
