"""SRCNN's weights as others keep them."""

import math
from dataclasses import replace

from srlab.interchange.layouts.parts import (
    OF_OTHERS,
    Foreign,
    Weights,
    check_keys,
    convolution_names,
    kernel_shape,
    take_weights,
)

_KERNELS = ("9-1-5", "9-3-5", "9-5-5")  # of SRCNN


def srcnn(theirs: Weights, grey: float) -> Foreign | None:
    """Three convolutions ``conv1`` to ``conv3`` (yjn870/SRCNN-pytorch); of any scale."""
    if not {"conv1.weight", "conv2.weight", "conv3.weight"} <= theirs.keys():
        return None
    wide, channels, extract = kernel_shape(theirs, "conv1.weight")
    narrow, _, combine = kernel_shape(theirs, "conv2.weight")
    reconstruct = kernel_shape(theirs, "conv3.weight")[2]
    kernels = f"{extract}-{combine}-{reconstruct}"
    if kernels not in _KERNELS:
        raise ValueError(f"its kernels are {kernels}, and {' or '.join(_KERNELS)} are wanted")
    weights = take_weights(
        theirs,
        convolution_names("conv1", "body.0", wide, channels, extract)
        | convolution_names("conv2", "body.2", narrow, wide, combine)
        | convolution_names("conv3", "body.4", channels, narrow, reconstruct),
    )
    return Foreign(
        title=f"SRCNN {kernels}",
        model="srcnn",
        options=OF_OTHERS | {"kernels": kernels, "features": [wide, narrow]},
        upsampler="bicubic",
        upsampler_options={},
        scale=None,
        channels=channels,
        border="",
        weights=weights,
    )


def srcnn_matlab(theirs: Weights, grey: float) -> Foreign | None:
    """``weights_conv1`` to ``biases_conv3`` of SRCNN's authors, columns first; of any scale.

    ``(k k, 64)``, ``(64, k k, 32)`` and ``(32, k k)``: each kernel is a column of MATLAB's, and is
    applied by ``imfilter``, which correlates as ``nn.Conv2d`` does.
    """
    names = [f"{kind}_conv{n}" for n in (1, 2, 3) for kind in ("weights", "biases")]
    if "weights_conv1" not in theirs:
        return None
    check_keys(theirs, names)
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
    if found is None:
        return None
    # Edges that are repeated are the same of a picture less a grey: it goes into the biases.
    weights = found.weights
    weights["body.0.bias"] += grey * weights["body.0.weight"].sum((1, 2, 3))
    weights["body.4.bias"] -= grey
    border = "they repeat the edge in every layer, and here the picture is mirrored once"
    return replace(found, options=found.options | {"border": "mirror"}, border=border)
