"""SRVGGNetCompact's weights, as Real-ESRGAN and spandrel keep them."""

from srlab.interchange.layouts.parts import (
    OF_OTHERS,
    Foreign,
    Weights,
    convolution_names,
    count_keys,
    kernel_shape,
    phases_scale,
    slope_names,
    take_weights,
)


def srvgg(theirs: Weights, grey: float) -> Foreign | None:
    """``body.0`` to ``body.N`` in one list: 3x3 convolutions with PReLUs between; shows its scale.

    The last one makes the s^2 phases of each channel, to which the nearest pixel is added.
    """
    count = count_keys(theirs, r"body\.\d+\.weight")
    last = f"body.{count - 1}"
    slopes = [theirs.get(f"body.{number}.weight") for number in range(1, count, 2)]
    if count < 3 or any(slope is None or slope.dim() != 1 for slope in slopes):
        return None
    features, channels, _ = kernel_shape(theirs, "body.0.weight")
    outs = kernel_shape(theirs, f"{last}.weight")[0]
    scale = phases_scale(outs, channels)
    wanted = convolution_names("body.0", "body.0", features, channels, 3)
    for number in range(1, count - 1, 2):
        wanted |= slope_names(f"body.{number}", f"body.{number}", features)
        if number + 1 < count - 1:
            name = f"body.{number + 1}"
            wanted |= convolution_names(name, name, features, features, 3)
    wanted |= convolution_names(last, "upsampler.conv", outs, features, 3)
    depth = count // 2 - 1
    return Foreign(
        title=f"SRVGGNetCompact of {depth} layers of {features} features",
        model="compact",
        options=OF_OTHERS | {"features": features, "depth": depth, "residual": "nearest"},
        upsampler="pixel_shuffle",
        upsampler_options={"kernel_size": 3},
        scale=scale,
        channels=channels,
        border="",
        weights=take_weights(theirs, wanted),
    )
