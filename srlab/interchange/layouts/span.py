"""SPAN's weights as its authors and spandrel keep them."""

import torch
from torch import Tensor

from srlab.interchange.layouts.edsr import DIV2K
from srlab.interchange.layouts.parts import (
    Foreign,
    Wanted,
    Weights,
    convolution_names,
    count_keys,
    kernel_shape,
    phases_scale,
    take_weights,
)

_RANGE = 255.0  # by which ours multiplies what it sees, as theirs that has a mean, and divides


def span(theirs: Weights, grey: float) -> Foreign | None:
    """``conv_1``, ``block_1`` to ``block_N``, ``conv_2``, ``conv_cat`` and ``upsampler.0``.

    What is subtracted is none of its weights: the mean colour of DIV2K, and nothing where it has
    ``no_norm``. Its output is from 0 to 1. A convolution is the sum of a 1x1, 3x3, 1x1 and of a
    1x1; ``eval_conv``, which may be of a step before, is made anew of them by its code, and here.
    """
    if not {"conv_1.sk.weight", "conv_cat.weight"} <= theirs.keys():
        return None
    features, channels, _ = kernel_shape(theirs, "conv_1.sk.weight")
    count = count_keys(theirs, r"block_\d+\.c1_r\.sk\.weight")
    plain = "no_norm" in theirs
    if channels != 3 and not plain:
        raise ValueError(f"it subtracts the mean of 3 channels of {channels}")
    names = {"conv_1": "head", "conv_2": "join"}
    for k in range(count):
        for part, ours in (("c1_r", "first"), ("c2_r", "second"), ("c3_r", "third")):
            names[f"block_{k + 1}.{part}"] = f"blocks.{k}.{ours}"
    outs = kernel_shape(theirs, "upsampler.0.weight")[0]
    scale = phases_scale(outs, channels)
    wanted: Wanted = {"no_norm": ("no_norm", tuple(theirs["no_norm"].shape))} if plain else {}
    for name in names:
        wanted |= _branches(name, features, channels if name == "conv_1" else features)
    wanted |= convolution_names("conv_cat", "mix", features, 4 * features, 1)
    wanted |= convolution_names("upsampler.0", "upsampler.conv", outs, features, 3)
    taken, weights = take_weights(theirs, wanted), dict[str, Tensor]()
    for name, ours in names.items():
        weights[f"{ours}.weight"], weights[f"{ours}.bias"] = _summed(taken, name)
    weights |= {key: taken[key] for key in taken if key.startswith(("mix.", "upsampler."))}
    weights["head.weight"] /= _RANGE if plain else 1
    weights["upsampler.conv.weight"] *= _RANGE
    mean = [0.0] * channels if plain else list(DIV2K)
    weights["upsampler.conv.bias"] -= torch.tensor(mean).double().repeat_interleave(scale**2)
    return Foreign(
        title=f"SPAN of {count} blocks of {features} features",
        model="span",
        options={"blocks": count, "features": features, "mean": mean},
        upsampler="pixel_shuffle",
        upsampler_options={"kernel_size": 3, "init": "default"},
        scale=scale,
        channels=channels,
        border="",
        weights=weights,
    )


def _branches(name: str, outs: int, ins: int) -> Wanted:
    """Return what a convolution consists of: its own names, each with its shape."""
    layers = {"sk": (outs, ins, 1), "eval_conv": (outs, ins, 3)}
    layers |= {"conv.0": (2 * ins, ins, 1), "conv.1": (2 * outs, 2 * ins, 3)}
    layers["conv.2"] = outs, 2 * outs, 1
    wanted: Wanted = {}
    for layer, shape in layers.items():
        wanted |= convolution_names(f"{name}.{layer}", f"{name}.{layer}", *shape)
    return wanted


def _summed(taken: Weights, name: str) -> tuple[Tensor, Tensor]:
    """Return kernel and bias of the one convolution, padded with zeros, that the branches are."""
    (before, b0), (kernel, b1), (after, b2), (beside, b3) = (
        (taken[f"{name}.{layer}.weight"], taken[f"{name}.{layer}.bias"])
        for layer in ("conv.0", "conv.1", "conv.2", "sk")
    )
    before, after = before[..., 0, 0], after[..., 0, 0]
    whole = torch.einsum("on,nmuv,mi->oiuv", after, kernel, before)
    whole[..., 1, 1] += beside[..., 0, 0]
    return whole, after @ (torch.einsum("nmuv,m->n", kernel, b0) + b1) + b2 + b3
