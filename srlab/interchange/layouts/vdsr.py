"""VDSR's weights as others keep them."""

from srlab.interchange.layouts.parts import (
    Foreign,
    Wanted,
    Weights,
    count_keys,
    kernel_shape,
    take_weights,
)


def vdsr(theirs: Weights, grey: float) -> Foreign | None:
    """``input``, ``residual_layer`` and ``output``, no biases (twtygqyy/pytorch-vdsr); any scale.

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
    weights = take_weights(theirs, wanted)
    for key, kernel in list(weights.items()):
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
