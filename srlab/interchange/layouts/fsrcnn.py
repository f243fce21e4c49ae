"""FSRCNN's weights as others keep them."""

from srlab.interchange.layouts.parts import (
    OF_OTHERS,
    Foreign,
    Weights,
    convolution_names,
    count_keys,
    kernel_shape,
    slope_names,
    take_weights,
)


def fsrcnn(theirs: Weights, grey: float) -> Foreign | None:
    """``first_part``, ``mid_part`` and a 9x9 ``last_part`` (yjn870/FSRCNN-pytorch); of any scale.

    Its transposed convolution cuts 4 rows and columns off the top and the left.
    """
    if not any(key.startswith("mid_part.") for key in theirs):
        return None
    d, channels, _ = kernel_shape(theirs, "first_part.0.weight")
    s = kernel_shape(theirs, "mid_part.0.weight")[0]
    depth = count_keys(theirs, r"mid_part\.\d+\.bias") - 2
    if depth < 0:
        raise ValueError("its mid_part has less than two convolutions")
    wanted = convolution_names("first_part.0", "body.0", d, channels, 5) | slope_names(
        "first_part.1", "body.1", d
    )
    layers = [(s, d, 1), *[(s, s, 3)] * depth, (d, s, 1)]
    for i, (outs, ins, size) in enumerate(layers):
        wanted |= convolution_names(f"mid_part.{2 * i}", f"body.{2 * i + 2}", outs, ins, size)
        wanted |= slope_names(f"mid_part.{2 * i + 1}", f"body.{2 * i + 3}", outs)
    wanted["last_part.weight"] = ("upsampler.deconv.weight", (d, channels, 9, 9))
    wanted["last_part.bias"] = ("upsampler.deconv.bias", (channels,))
    return Foreign(
        title=f"FSRCNN({d}, {s}, {depth})",
        model="fsrcnn",
        options=OF_OTHERS | {"features": d, "shrunk": s, "depth": depth},
        upsampler="deconv_9x9",
        upsampler_options={"padding": 4, "init": "default"},
        scale=None,
        channels=channels,
        border="",
        weights=take_weights(theirs, wanted),
    )
