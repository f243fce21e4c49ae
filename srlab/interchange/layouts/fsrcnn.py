"""FSRCNN's weights as others keep them."""

from srlab.interchange.layouts.parts import (
    _MIRRORED,
    Foreign,
    Weights,
    _conv,
    _count,
    _kernel,
    _shifted,
    _slope,
    _take,
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
