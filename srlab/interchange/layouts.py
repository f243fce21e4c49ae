"""Layouts of others: what their weights are called, and what they are in ours.

One function for each layout takes weights by their names and returns what network of ours they are,
or None if they are of another layout. It looks at keys and shapes only.

The function is theirs but for the border of the picture. Ours subtract a grey from the picture and
add it to the output; that goes into the first and the last bias. EDSR subtracts the mean colour of
its training set and computes on 0 to 255; its first and last layer absorb the shift, and as all
that lies between is positively homogeneous, 255 is only taken off the biases. What can not be
absorbed is what is around the picture: their layers pad with zeros, ours either mirror the picture
once or pad with zeros that stand for grey.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

Weights = dict[str, Tensor]
Wanted = dict[str, tuple[str, tuple[int, ...]]]  # by their key: our key and the shape

_MIRRORED = "they pad every layer with zeros, and here the picture is mirrored once"
_DIV2K = (0.4488, 0.4371, 0.4040)  # the mean colour that EDSR subtracts
_KERNELS = ("9-1-5", "9-3-5", "9-5-5")  # of SRCNN


@dataclass(frozen=True)
class Foreign:
    """A network of others in our terms.

    Args:
        title: What it is, for people.
        model: The option of the group model.
        options: Its values that are not those of the option.
        upsampler: The option of the group upsampler.
        upsampler_options: Its values, likewise.
        scale: The factor, or None if it does not show in the weights.
        channels: 1 for Y, 3 for RGB.
        border: How the border of the picture differs.
        weights: By our names, float64.
    """

    title: str
    model: str
    options: dict[str, Any]
    upsampler: str
    upsampler_options: dict[str, Any]
    scale: int | None
    channels: int
    border: str
    weights: Weights


def recognise(theirs: Weights, grey: float) -> tuple[str, Foreign]:
    """Return the name of the layout of weights, and the network that they are.

    Args:
        theirs: The weights by their names.
        grey: What our networks subtract from the picture and add to the output.

    Raises:
        ValueError: The layout is not known, or weights are missing, too many or misshapen; what is
            wrong is told as the end of a sentence that begins with the file.
    """
    for name, layout in LAYOUTS.items():
        try:
            found = layout(theirs, grey)
        except ValueError as error:
            raise ValueError(f"looks like {name}, but {error}") from None
        if found is not None:
            return name, found
    first = ", ".join(key[:40] for key in list(theirs)[:3])
    raise ValueError(f"has no layout that is known, it begins {first}; known: {', '.join(LAYOUTS)}")


def srcnn(theirs: Weights, grey: float) -> Foreign | None:
    """Three convolutions ``conv1`` to ``conv3`` (yjn870/SRCNN-pytorch); of any scale."""
    if not {"conv1.weight", "conv2.weight", "conv3.weight"} <= theirs.keys():
        return None
    wide, channels, extract = _kernel(theirs, "conv1.weight")
    narrow, _, combine = _kernel(theirs, "conv2.weight")
    reconstruct = _kernel(theirs, "conv3.weight")[2]
    kernels = f"{extract}-{combine}-{reconstruct}"
    if kernels not in _KERNELS:
        raise ValueError(f"its kernels are {kernels}, and {' or '.join(_KERNELS)} are wanted")
    weights = _take(
        theirs,
        _conv("conv1", "body.0", wide, channels, extract)
        | _conv("conv2", "body.2", narrow, wide, combine)
        | _conv("conv3", "body.4", channels, narrow, reconstruct),
    )
    options = {"kernels": kernels, "features": [wide, narrow], "init": "default"}
    return Foreign(
        title=f"SRCNN {kernels}",
        model="srcnn",
        options=options,
        upsampler="bicubic",
        upsampler_options={},
        scale=None,
        channels=channels,
        border=_MIRRORED,
        weights=_shifted(weights, "body.0", "body.4", grey),
    )


def srcnn_matlab(theirs: Weights, grey: float) -> Foreign | None:
    """``weights_conv1`` to ``biases_conv3`` of SRCNN's authors, columns first; of any scale.

    ``(k k, 64)``, ``(64, k k, 32)`` and ``(32, k k)``: each kernel is a column of MATLAB's, and is
    applied by ``imfilter``, which correlates as ``nn.Conv2d`` does.
    """
    names = [f"{kind}_conv{n}" for n in (1, 2, 3) for kind in ("weights", "biases")]
    if "weights_conv1" not in theirs:
        return None
    _check_keys(theirs, names)
    shapes = [theirs[f"weights_conv{n}"].shape for n in (1, 2, 3)]
    if [len(shape) for shape in shapes] != [2, 3, 2]:
        raise ValueError("its weights have not 2, 3 and 2 dimensions")
    kernels = (
        theirs["weights_conv1"].T.unsqueeze(1),
        theirs["weights_conv2"].permute(2, 0, 1),
        theirs["weights_conv3"].unsqueeze(0),
    )
    port = {}
    for number, columns in enumerate(kernels, 1):
        size = math.isqrt(columns.shape[-1])
        if size**2 != columns.shape[-1]:
            raise ValueError(f"the kernels of weights_conv{number} are not square")
        port[f"conv{number}.weight"] = columns.unflatten(-1, (size, size)).mT
        port[f"conv{number}.bias"] = theirs[f"biases_conv{number}"].flatten()
    found = srcnn(port, grey)
    border = "they repeat the edge in every layer, and here the picture is mirrored once"
    return found and replace(found, border=border)


def espcn(theirs: Weights, grey: float) -> Foreign | None:
    """``first_part.0``, ``first_part.2`` and ``last_part.0`` with tanh (yjn870/ESPCN-pytorch)."""
    if not {"first_part.2.weight", "last_part.0.weight"} <= theirs.keys():
        return None
    wide, channels, _ = _kernel(theirs, "first_part.0.weight")
    narrow = _kernel(theirs, "first_part.2.weight")[0]
    phases = _kernel(theirs, "last_part.0.weight")[0]
    scale = math.isqrt(phases // channels)
    if scale < 2 or scale**2 * channels != phases:
        raise ValueError(f"its {phases} output channels are no square of a scale")
    weights = _take(
        theirs,
        _conv("first_part.0", "body.0", wide, channels, 5)
        | _conv("first_part.2", "body.2", narrow, wide, 3)
        | _conv("last_part.0", "upsampler.conv", phases, narrow, 3),
    )
    return Foreign(
        title="ESPCN",
        model="espcn",
        options={"activation": "tanh", "features": [wide, narrow], "init": "default"},
        upsampler="pixel_shuffle",
        upsampler_options={"kernel_size": 3, "init": "default"},
        scale=scale,
        channels=channels,
        border=_MIRRORED,
        weights=_shifted(weights, "body.0", "upsampler.conv", grey),
    )


def fsrcnn(theirs: Weights, grey: float) -> Foreign | None:
    """``first_part``, ``mid_part`` and a 9x9 ``last_part`` (yjn870/FSRCNN-pytorch); of any scale.

    Its transposed convolution cuts 4 rows and columns off the top and the left.
    """
    if not any(key.startswith("mid_part.") for key in theirs):
        return None
    d, channels, _ = _kernel(theirs, "first_part.0.weight")
    s = _kernel(theirs, "mid_part.0.weight")[0]
    depth = _count(theirs, r"mid_part\.\d+\.bias") - 2
    if depth < 0:
        raise ValueError("its mid_part has less than two convolutions")
    wanted = _conv("first_part.0", "body.0", d, channels, 5) | _slope("first_part.1", "body.1", d)
    layers = [(s, d, 1), *[(s, s, 3)] * depth, (d, s, 1)]
    for i, (outs, ins, size) in enumerate(layers):
        wanted |= _conv(f"mid_part.{2 * i}", f"body.{2 * i + 2}", outs, ins, size)
        wanted |= _slope(f"mid_part.{2 * i + 1}", f"body.{2 * i + 3}", outs)
    wanted["last_part.weight"] = ("upsampler.deconv.weight", (d, channels, 9, 9))
    wanted["last_part.bias"] = ("upsampler.deconv.bias", (channels,))
    return Foreign(
        title=f"FSRCNN({d}, {s}, {depth})",
        model="fsrcnn",
        options={"features": d, "shrunk": s, "depth": depth, "init": "default"},
        upsampler="deconv_9x9",
        upsampler_options={"padding": 4, "init": "default"},
        scale=None,
        channels=channels,
        border=_MIRRORED,
        weights=_shifted(_take(theirs, wanted), "body.0", "upsampler.deconv", grey),
    )


def vdsr(theirs: Weights, grey: float) -> Foreign | None:
    """``input``, ``residual_layer`` and ``output``, no biases (twtygqyy/pytorch-vdsr); any scale.

    The output is added to the enlarged picture, from which it takes the grey.
    """
    if not any(key.startswith("residual_layer.") for key in theirs):
        return None
    features, channels, _ = _kernel(theirs, "input.weight")
    inner = _count(theirs, r"residual_layer\.\d+\.conv\.weight")
    names = ["input", *(f"residual_layer.{i}.conv" for i in range(inner)), "output"]
    widths = [channels, *[features] * (inner + 1), channels]
    wanted: Wanted = {
        f"{name}.weight": (f"body.{2 * i}.weight", (widths[i + 1], widths[i], 3, 3))
        for i, name in enumerate(names)
    }
    weights = _take(theirs, wanted)
    for key, kernel in list(weights.items()):
        weights[key.replace("weight", "bias")] = kernel.new_zeros(len(kernel))
    weights["body.0.bias"] += grey * weights["body.0.weight"].sum((1, 2, 3))
    return Foreign(
        title=f"VDSR of {len(names)} layers",
        model="vdsr",
        options={"depth": len(names), "features": features, "init": "default"},
        upsampler="bicubic",
        upsampler_options={},
        scale=None,
        channels=channels,
        border="they pad the picture with black, and here it is padded with grey",
        weights=weights,
    )


def edsr(theirs: Weights, grey: float) -> Foreign | None:
    """``sub_mean``, ``head``, ``body``, ``tail`` and ``add_mean`` (sanghyun-son/EDSR-PyTorch)."""
    if not {"head.0.weight", "tail.1.weight"} <= theirs.keys():
        return None
    blocks = _count(theirs, r"body\.\d+\.body\.0\.weight")
    names = {"head": "head.0", "join": f"body.{blocks}", "tail": "tail.1", "stage": "tail.0.{}"}
    names |= {"first": "body.{}.body.0", "second": "body.{}.body.2"}
    shifts = _conv("sub_mean", "sub_mean", 3, 3, 1) | _conv("add_mean", "add_mean", 3, 3, 1)
    return _edsr(theirs, blocks, names, shifts, grey)


def edsr_basicsr(theirs: Weights, grey: float) -> Foreign | None:
    """``conv_first``, ``body``, ``upsample``, ``conv_last`` (BasicSR), which computes on 0 to 255.

    The mean colour is none of its weights; it is DIV2K's.
    """
    if not {"conv_first.weight", "conv_after_body.weight", "upsample.0.weight"} <= theirs.keys():
        return None
    blocks = _count(theirs, r"body\.\d+\.conv1\.weight")
    names = {"head": "conv_first", "join": "conv_after_body", "tail": "conv_last"}
    names |= {"first": "body.{}.conv1", "second": "body.{}.conv2", "stage": "upsample.{}"}
    return _edsr(theirs, blocks, names, {}, grey)


def _edsr(
    theirs: Weights, blocks: int, names: dict[str, str], shifts: Wanted, grey: float
) -> Foreign:
    """Return EDSR's network, given what its layers are called."""
    features = _kernel(theirs, f"{names['head']}.weight")[0]
    stages = _count(theirs, names["stage"].format(r"\d+").replace(".", r"\.") + r"\.weight")
    first_stage = _kernel(theirs, f"{names['stage'].format(0)}.weight")[0]
    factor = 3 if stages == 1 and first_stage == 9 * features else 2
    wanted = _conv(names["head"], "head", features, 3, 3) | shifts
    for i in range(blocks):
        for half in ("first", "second"):
            wanted |= _conv(names[half].format(i), f"blocks.{i}.{half}", features, features, 3)
    wanted |= _conv(names["join"], "join", features, features, 3)
    for i in range(stages):
        name, outs = names["stage"].format(2 * i), features * factor**2
        wanted |= _conv(name, f"upsampler.stages.{i}.conv", outs, features, 3)
    weights = _take(theirs, wanted | _conv(names["tail"], "tail", 3, features, 3))

    mean = torch.tensor(_DIV2K, dtype=torch.float64)
    unit, peak = torch.eye(3, dtype=torch.float64)[..., None, None], 255.0
    before, less = weights.pop("sub_mean.weight", unit), weights.pop("sub_mean.bias", -peak * mean)
    after, more = weights.pop("add_mean.weight", unit), weights.pop("add_mean.bias", peak * mean)
    if not less.any():
        raise ValueError("subtracts no mean colour, so the range of its pixels does not show")
    if less.abs().max() < 1:  # their pixels are from 0 to 1
        peak = 1.0
    head, tail = weights["head.weight"], weights["tail.weight"]
    weights["head.bias"] = weights["head.bias"] + head.sum((2, 3)) @ less
    weights["head.weight"] = torch.einsum("ocyx,cd->odyx", head, before[..., 0, 0])
    weights["tail.bias"] = after[..., 0, 0] @ weights["tail.bias"] + more
    weights["tail.weight"] = torch.einsum("dc,cfyx->dfyx", after[..., 0, 0], tail)
    weights = {k: v / peak if k.endswith("bias") else v for k, v in weights.items()}
    # The authors damp the blocks of their large network, which does not show in its weights.
    block_scale = 0.1 if features == 256 else 1.0
    title = f"EDSR of {blocks} blocks of {features} features, block_scale {block_scale}"
    return Foreign(
        title="EDSR-baseline" if (blocks, features) == (16, 64) else title,
        model="edsr_baseline",
        options={"blocks": blocks, "features": features, "block_scale": block_scale},
        upsampler="staged",
        upsampler_options={},
        scale=factor**stages,
        channels=3,
        border="they pad the picture with its mean colour, and here it is padded with grey",
        weights=_shifted(weights, "head", "tail", grey),
    )


# By what a layout is called; a file is of the first that takes it.
LAYOUTS: dict[str, Callable[[Weights, float], Foreign | None]] = {
    "SRCNN of PyTorch ports": srcnn,
    "SRCNN of its authors (.mat)": srcnn_matlab,
    "FSRCNN of PyTorch ports": fsrcnn,
    "ESPCN of PyTorch ports": espcn,
    "VDSR of PyTorch ports": vdsr,
    "EDSR of its authors": edsr,
    "EDSR of BasicSR": edsr_basicsr,
}


def _conv(their: str, our: str, outs: int, ins: int, size: int) -> Wanted:
    """Return what a convolution consists of."""
    kernel, bias = (outs, ins, size, size), (outs,)
    return {f"{their}.weight": (f"{our}.weight", kernel), f"{their}.bias": (f"{our}.bias", bias)}


def _slope(their: str, our: str, channels: int) -> Wanted:
    """Return what a PReLU consists of."""
    return {f"{their}.weight": (f"{our}.weight", (channels,))}


def _count(theirs: Weights, pattern: str) -> int:
    return sum(re.fullmatch(pattern, key) is not None for key in theirs)


def _kernel(theirs: Weights, key: str) -> tuple[int, int, int]:
    """Return output channels, input channels and size of a convolution.

    Raises:
        ValueError: It is missing, or no kernel.
    """
    if key not in theirs:
        raise ValueError(f"{key} is missing")
    shape = tuple(theirs[key].shape)
    if len(shape) != 4 or min(shape) < 1:
        raise ValueError(f"{key} is no kernel of a convolution: its shape is {_shape(shape)}")
    return shape[0], shape[1], shape[2]


def _check_keys(theirs: Weights, names: list[str]) -> None:
    """Raise ValueError unless there are just these weights."""
    missing = [name for name in names if name not in theirs]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    extra = [key for key in theirs if key not in names]
    if extra:
        raise ValueError(f"it has {extra[0][:60]}, too, which this layout has not")


def _take(theirs: Weights, wanted: Wanted) -> Weights:
    """Return copies of the weights by our names.

    Raises:
        ValueError: One is missing, misshapen, or too many.
    """
    _check_keys(theirs, list(wanted))
    for key, (_, shape) in wanted.items():
        got = tuple(theirs[key].shape)
        if got != shape:
            raise ValueError(f"{key} has the shape {_shape(got)} where {_shape(shape)} is wanted")
    return {ours: theirs[key].clone() for key, (ours, _) in wanted.items()}


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "of a single number"


def _shifted(weights: Weights, first: str, last: str, grey: float) -> Weights:
    """Return the weights of a network that sees pixels less a grey and is added to that grey."""
    seen = weights[f"{first}.bias"] + grey * weights[f"{first}.weight"].sum((1, 2, 3))
    return weights | {f"{first}.bias": seen, f"{last}.bias": weights[f"{last}.bias"] - grey}
