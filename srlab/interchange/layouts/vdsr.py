"""VDSR's weights as others keep them."""

import re

from torch import Tensor

from srlab.interchange.layouts.parts import (
    Foreign,
    Wanted,
    Weights,
    count_keys,
    kernel_shape,
    take_weights,
)


def vdsr(theirs: Weights, grey: float) -> Foreign | None:
    """``input``, ``residual_layer`` and ``output`` (twtygqyy/pytorch-vdsr, no biases); any scale.

    Nothing is subtracted from the picture, and the zeros around it are black.
    """
    if not any(key.startswith("residual_layer.") for key in theirs):
        return None
    features, channels, _ = kernel_shape(theirs, "input.weight")
    inner = count_keys(theirs, r"residual_layer\.\d+\.conv\.weight")
    names = ["input", *(f"residual_layer.{i}.conv" for i in range(inner)), "output"]
    widths = [channels, *[features] * (inner + 1), channels]
    wanted: Wanted = {
        f"{name}.weight": (f"body.{2 * i}.weight", (widths[i + 1], widths[i], 3, 3))
        for i, name in enumerate(names)
    }
    biased = "input.bias" in theirs
    if biased:
        for key, (ours, shape) in list(wanted.items()):
            wanted[key.replace("weight", "bias")] = (ours.replace("weight", "bias"), shape[:1])
    weights = take_weights(theirs, wanted)
    for key, kernel in () if biased else list(weights.items()):
        weights[key.replace("weight", "bias")] = kernel.new_zeros(len(kernel))
    return Foreign(
        title=f"VDSR of {len(names)} layers",
        model="vdsr",
        options={"depth": len(names), "features": features, "init": "default", "mean": 0.0},
        upsampler="bicubic",
        upsampler_options={},
        scale=None,
        channels=channels,
        border="",
        weights=weights,
    )


def vdsr_matlab(theirs: Weights, grey: float) -> Foreign | None:
    """Kernels ``(k, k, i, o)`` and biases of MatConvNet, in cells one after the other; any scale.

    As VDSR's authors keep them, ``model.weight`` and ``model.bias``, or in ``net.layers`` with
    ``weights`` or ``filters`` and ``biases``. ``vl_nnconv`` correlates, as ``nn.Conv2d`` does.
    """
    layers = _layers(theirs)
    if len(layers) < 2:
        return None
    count, port = len(layers), dict[str, Tensor]()
    names = ["input", *(f"residual_layer.{i}.conv" for i in range(count - 2)), "output"]
    channels = 1
    for name, (kernel, bias) in zip(names, layers, strict=True):
        outs = bias.numel()  # MATLAB drops dimensions of one at the end
        full = kernel.reshape(*kernel.shape, *[1] * (4 - kernel.dim()))
        if full.dim() != 4 or full.shape[2:] != (channels, outs):
            raise ValueError(
                f"a kernel of {list(kernel.shape)} is none from {channels} to {outs} channels"
            )
        port[f"{name}.weight"] = full.permute(3, 2, 0, 1).contiguous()
        port[f"{name}.bias"] = bias.flatten()
        channels = outs
    return vdsr(port, grey)


def _layers(theirs: Weights) -> list[tuple[Tensor, Tensor]]:
    """Return kernel and bias of each layer, in the order of the file's cells."""
    patterns = (
        (r"(?:.*\.)?weight\.(\d+)", "weight", "bias"),
        (r".*layers\.(\d+)\.weights\.0", "weights.0", "weights.1"),
        (r".*layers\.(\d+)\.filters", "filters", "biases"),
    )
    for pattern, kernel, bias in patterns:
        found = {int(m[1]): m[0] for key in theirs if (m := re.fullmatch(pattern, key))}
        pairs = [(found[k], found[k].replace(kernel, bias)) for k in sorted(found)]
        if pairs and all(other in theirs for _, other in pairs):
            return [(theirs[one], theirs[other]) for one, other in pairs]
    return []
