"""A compact network as SRVGGNetCompact, the form in which spandrel, and so chaiNNer, loads it.

That network (Real-ESRGAN: Wang et al., ICCVW 2021) is a stack of 3x3 convolutions with PReLUs, of
RGB, to which the nearest pixel is added. Three more features carry red, green and blue through the
stack as they are, and the last layer makes of them what ours computes beside its body: the luma,
the residual, the enlarged chroma, and less the nearest pixel.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.errors import UserError
from srlab.imaging.colour import CHANNELS, luma
from srlab.imaging.resample import REACH, enlarge, phase_taps
from srlab.models.base import Model
from srlab.models.compact import Compact
from srlab.upsamplers.linear import NotLinear, subpixel_form
from srlab.words import Colour

_SAME = torch.eye(3, dtype=torch.float64)


def srvgg_weights(model: Model, colour: Colour) -> dict[str, Tensor]:
    """Return the weights ``body.N.weight`` and ``body.N.bias``, float32, of the equal network.

    It pads every layer with zeros, so it is equal at ``model.halo`` pixels from the border, and up
    to it if the network sees RGB and has ``border="zeros"``. The chroma of a network of luma goes
    by bilinear interpolation, which a 3x3 kernel holds.

    Raises:
        UserError: The network is no stack of 3x3 convolutions, or its head is larger.
    """
    if not isinstance(model, Compact):
        raise UserError(
            f"format=spandrel is for model=compact: {type(model).__name__} is no plain stack of "
            f"3x3 convolutions"
        )
    if model.residual == "bicubic":
        raise UserError("format=spandrel needs model.residual=none or nearest, not bicubic")
    try:
        head = subpixel_form(model.upsampler)
    except NotLinear as error:
        raise UserError(f"format=spandrel: {error}") from None
    if head.size > 3:
        raise UserError(
            f"format=spandrel needs an upsampler that sees 3x3 low-resolution pixels, and "
            f"{type(model.upsampler).__name__} sees {head.size}x{head.size}"
        )
    sees, mixes, dark = _colours(colour)
    weights = _body(model, sees, dark - model.mean)

    # Of the three colours, what is made of the features and of what was carried through: a
    # sub-pixel convolution each. The network's mean and the black of luma go into the bias.
    channels, phases = CHANNELS[colour], model.scale**2
    own = torch.einsum("rc,cpfhw->rpfhw", mixes, head.padded(3).unflatten(0, (channels, phases)))
    grey = 0.0 if model.residual == "nearest" else model.mean - dark
    bias = mixes @ (head.bias.unflatten(0, (channels, phases)) + grey)
    through = _each(_SAME - mixes @ sees, _taps(model.scale, "bilinear"))
    through -= _each(_SAME, _taps(model.scale, "nearest"))
    if model.residual == "nearest":
        through += _each(mixes @ sees, _taps(model.scale, "nearest"))
    end = f"body.{len(model.body)}"
    weights[f"{end}.weight"] = torch.cat([own, through], dim=2).flatten(0, 1)
    weights[f"{end}.bias"] = bias.flatten()
    return {name: tensor.float().contiguous() for name, tensor in weights.items()}


def run_srvgg(weights: dict[str, Tensor], scale: int) -> Callable[[Tensor], Tensor]:
    """Return SRVGGNetCompact with these weights: RGB ``(N, 3, H, W)`` to ``(N, 3, s H, s W)``."""

    def run(rgb: Tensor) -> Tensor:
        x = rgb
        for number in range(sum(name.endswith("weight") for name in weights)):
            weight = weights[f"body.{number}.weight"].float()
            if weight.dim() == 1:
                x = F.prelu(x, weight)
            else:
                x = F.conv2d(x, weight, weights[f"body.{number}.bias"].float(), padding=1)
        return F.pixel_shuffle(x, scale) + F.interpolate(rgb, scale_factor=scale, mode="nearest")

    return run


def with_bilinear_chroma(network: Model) -> Callable[[Tensor], Tensor]:
    """Return a network of luma as one of RGB, not clamped, whose chroma goes by bilinear."""
    _, mixes, dark = _colours(Colour.y)

    def run(rgb: Tensor) -> Tensor:
        y = luma(rgb)
        grey = mixes.to(rgb).view(1, 3, 1, 1)
        chroma = enlarge(rgb - grey * (y - dark), network.scale, "bilinear")
        return chroma + grey * (network(y) - dark)

    return run


def _colours(colour: Colour) -> tuple[Tensor, Tensor, float]:
    """Return the matrices of what a network sees of RGB and of what RGB it makes, and its black."""
    if colour == "rgb":
        return _SAME, _SAME, 0.0
    unit = _SAME[:, :, None, None]
    sees = (luma(unit) - 16 / 255).reshape(1, 3)
    return sees, torch.full((3, 1), 255 / 219, dtype=torch.float64), 16 / 255


def _body(model: Compact, sees: Tensor, offset: float) -> dict[str, Tensor]:
    """Return the body's weights, where three more features carry RGB; it adds ``offset`` first."""
    weights: dict[str, Tensor] = {}
    for number, layer in enumerate(model.body):
        name = f"body.{number}"
        kernel = layer.get_parameter("weight").double()
        if isinstance(layer, nn.PReLU):
            weights[f"{name}.weight"] = F.pad(kernel, (0, 3), value=1.0)
            continue
        bias = layer.get_parameter("bias").double()
        if number == 0:
            bias = bias + offset * kernel.sum(dim=(1, 2, 3))
            kernel = torch.einsum("fchw,cr->frhw", kernel, sees)
            carried = _SAME
        else:
            kernel = F.pad(kernel, (0, 0, 0, 0, 0, 3))
            carried = F.pad(_SAME, (kernel.shape[1] - 3, 0))
        weights[f"{name}.weight"] = torch.cat([kernel, F.pad(carried[..., None, None], [1] * 4)])
        weights[f"{name}.bias"] = F.pad(bias, (0, 3))
    return weights


def _taps(scale: int, mode: Literal["nearest", "bilinear"]) -> Tensor:
    """Return the 3x3 kernels ``(s^2, 3, 3)`` by which an interpolation makes the s x s pixels."""
    taps = phase_taps(scale, mode)
    taps = F.pad(taps, [1 - REACH[mode]] * 2)
    return torch.einsum("ah,bw->abhw", taps, taps).flatten(0, 1)


def _each(matrix: Tensor, taps: Tensor) -> Tensor:
    """Return the kernels ``(3, s^2, 3, 3, 3)`` that mix the colours by a matrix and interpolate."""
    return torch.einsum("rc,phw->rpchw", matrix, taps)
