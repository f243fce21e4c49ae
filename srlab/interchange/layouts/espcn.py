"""ESPCN's weights as others keep them."""

import math

from srlab.interchange.layouts.parts import (
    OF_OTHERS,
    Foreign,
    Weights,
    convolution_names,
    kernel_shape,
    take_weights,
)


def espcn(theirs: Weights, grey: float) -> Foreign | None:
    """``first_part.0``, ``first_part.2`` and ``last_part.0`` with tanh (yjn870/ESPCN-pytorch)."""
    if not {"first_part.2.weight", "last_part.0.weight"} <= theirs.keys():
        return None
    wide, channels, _ = kernel_shape(theirs, "first_part.0.weight")
    narrow = kernel_shape(theirs, "first_part.2.weight")[0]
    phases = kernel_shape(theirs, "last_part.0.weight")[0]
    scale = math.isqrt(phases // channels)
    if scale < 2 or scale**2 * channels != phases:
        raise ValueError(f"its {phases} output channels are no square of a scale")
    weights = take_weights(
        theirs,
        convolution_names("first_part.0", "body.0", wide, channels, 5)
        | convolution_names("first_part.2", "body.2", narrow, wide, 3)
        | convolution_names("last_part.0", "upsampler.conv", phases, narrow, 3),
    )
    return Foreign(
        title="ESPCN",
        model="espcn",
        options=OF_OTHERS | {"activation": "tanh", "features": [wide, narrow]},
        upsampler="pixel_shuffle",
        upsampler_options={"kernel_size": 3, "init": "default"},
        scale=scale,
        channels=channels,
        border="",
        weights=weights,
    )
