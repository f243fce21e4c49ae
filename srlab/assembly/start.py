"""Beginning a training with the weights of another network: taken, converted, or left.

What sees the picture takes luma for colours, or colours for luma, as BT.601 has them. An upsampler
takes the kernel of another, at its own scale; where it cannot hold it, the nearest that it can.
One whose weights are of no scale is taken to any.
"""

import copy
from collections.abc import Callable, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from srlab.assembly.checkpoints import checkpoint_file, load_checkpoint
from srlab.assembly.scales import is_of_any_scale
from srlab.errors import UserError
from srlab.imaging.colour import LUMA
from srlab.models.base import MID_GREY, Model
from srlab.storage.checkpoint import load
from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.linear import SubPixel, subpixel_form
from srlab.upsamplers.rep_conv import RepConv, collapse_blocks
from srlab.upsamplers.rescaling import rescaled
from srlab.upsamplers.simplify import upsamplers_of

_BLACK, _SPAN = 16 / 255, 219 / 255  # of a grey, Y = _SPAN grey + _BLACK
_EXACT = 1e-5  # of the kernel's norm
_SO = ": it is not converted"
Node = dict[str, Any]


@torch.no_grad()
def start_from(
    model: Model, path: str | Path, node: dict[str, Any], trust: Sequence[str] = ()
) -> list[str]:
    """Give a network the weights of a checkpoint, converted where they are of another kind.

    Args:
        model: The network, which keeps its own start where nothing fits.
        path: A checkpoint, a run folder, an exported model, or the name of one that comes along.
        node: The config that ``model`` was built from.
        trust: Packages besides srlab's that the file may name.

    Returns:
        What became of each part; nothing where all was taken as it is, at its scale.

    Raises:
        UserError: The file cannot be read, or its network has another body.
    """
    file = checkpoint_file(path)
    saved = load(file)
    theirs_node = saved["config"]["model"]
    try:
        if _class_of(theirs_node) != type(model).__name__ or _is_alike(model, saved):
            model.start_from(saved["weights"])
            scale = saved["config"]["scale"]
            told = [] if scale == model.scale else [f"all: taken as it is from x{scale}"]
            return told + _differing(model, theirs_node, node, "block", "features", so=_SO)
        other, _ = load_checkpoint(file, trust)
        one = copy.deepcopy(model)
        collapse_blocks(one)
        collapse_blocks(other)
        told = _convert(one, other)
    except ValueError as error:
        why = "; ".join([str(error), *_differing(model, theirs_node, node)])
        if "state_dict" in why:  # torch would name every weight
            why = f"it is {_class_of(theirs_node)}, and this is {type(model).__name__}"
        raise UserError(f"start={path} does not fit this model: {why}") from None
    convolutions = dict(one.named_modules())
    for name, module in model.named_modules():
        conv = convolutions.get(name)
        if isinstance(module, RepConv) and isinstance(conv, nn.Conv2d):
            module.become(conv.weight, conv.bias)
    model.load_state_dict(one.state_dict(), strict=False)  # the convolutions are taken already
    return told + _differing(model, theirs_node, node, "block", "features", so=_SO)


def _class_of(node: Any) -> str:
    """Return the name of the class that a config builds."""
    return str(node.get("_target_")).rpartition(".")[2] if isinstance(node, dict) else ""


def _is_alike(model: Model, saved: dict[str, Any]) -> bool:
    """Tell whether the weights of a checkpoint are a network's as they are, at its scale."""
    same_shapes = _shapes(model.state_dict()) == _shapes(saved["weights"])
    same_scale = is_of_any_scale(model) or model.scale == saved["config"]["scale"]
    named = {_class_of(saved["config"]["model"].get("upsampler"))}
    same_heads = {type(head).__name__ for _, head in upsamplers_of(model)} <= named
    return same_shapes and same_scale and same_heads


def _shapes(weights: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in weights.items()}


def _differing(model: Model, theirs: Node, own: Node, *but: str, so: str = "") -> list[str]:
    """Say which options of two networks differ, but for their heads and ``but``, and what then."""
    others = ("scale", "channels", "upsampler", "init", *but)
    # A file from before there was an option has what it then is by itself.
    there = {k: usual.default for k, usual in signature(type(model)).parameters.items()} | theirs
    return [
        f"model.{key} is {there[key]} there and {own[key]} here{so}"
        for key in sorted(there.keys() & own.keys())
        if key not in others and not key.startswith("_") and there[key] != own[key]
    ]


def _convert(model: Model, other: Model) -> list[str]:
    """Give a network what can be had of another, and say of each part how.

    Raises:
        ValueError: The body is of another shape.
    """
    heads = dict(upsamplers_of(model)), dict(upsamplers_of(other))
    colours = _Colours(model)
    body = _take_body(model, other, tuple(f"{name}." for name in heads[0]), colours)
    told = [f"body: {body}"]
    for name, own in heads[0].items():
        if next(own.parameters(), None) is not None:
            told.append(f"{name}: {_take_head(own, heads[1].get(name), colours)}")
    return told


class _Colours:
    """How a network that sees colours follows from one of luma, and the other way round.

    Args:
        model: The network, whose layers see and make pixels less a mean.
    """

    def __init__(self, model: Model):
        self._mean = float(torch.as_tensor(getattr(model, "mean", MID_GREY)).mean())
        self._adds = getattr(model, "residual", "bicubic") != "none"  # to an enlarged picture

    def seeing(self, weight: Tensor, bias: Tensor, channels: int) -> tuple[Tensor, Tensor]:
        """Return weight ``(o, channels, k, k)`` and bias of a layer that sees the picture."""
        if channels == 3:
            shift = self._mean * _SPAN + _BLACK - self._mean
            return weight * LUMA[:, None, None], bias + shift * weight.sum(dim=(1, 2, 3))
        shift = (self._mean - _BLACK) / _SPAN - self._mean
        return weight.sum(dim=1, keepdim=True) / _SPAN, bias + shift * weight.sum(dim=(1, 2, 3))

    def making(self, weight: Tensor, bias: Tensor, channels: int) -> tuple[Tensor, Tensor]:
        """Return weight ``(channels p, i, k, k)`` and bias of one that makes it, of p phases."""
        mean, black = (0.0, 0.0) if self._adds else (self._mean, _BLACK)
        if channels == 3:
            grey = (bias + mean - black) / _SPAN - mean
            return weight.repeat(3, 1, 1, 1) / _SPAN, grey.repeat(3)
        kernels, biases = weight.unflatten(0, (3, -1)), bias.unflatten(0, (3, -1))
        made = torch.einsum("c,cpiuv->piuv", LUMA, kernels)
        return made, torch.einsum("c,cp->p", LUMA, biases + mean) + black - mean


def _take_body(model: Model, other: Model, heads: tuple[str, ...], colours: "_Colours") -> str:
    """Take all but the upsamplers, and say how.

    Raises:
        ValueError: It is of another shape.
    """
    own, theirs = (
        {k: v for k, v in m.state_dict().items() if not k.startswith(heads)} for m in (model, other)
    )
    if own.keys() != theirs.keys():
        raise ValueError(f"one of the two has {min(own.keys() ^ theirs.keys())}, the other has not")
    turned = False
    for name, value in own.items():
        given = theirs[name]
        if value.shape == given.shape:
            value.copy_(given)
    for name, value in own.items():
        given = theirs[name]
        if value.shape == given.shape or value.dim() == 1:  # biases follow from their weights
            continue
        bias = name.removesuffix("weight") + "bias"
        turn = _turning(colours, value, given)
        if turn is None or bias not in own:
            there, here = ("x".join(map(str, tensor.shape)) for tensor in (given, value))
            raise ValueError(
                f"{name} is {there} there and {here} here, and no body is made wider or narrower"
            )
        weight, new_bias = turn(given.double(), theirs[bias].double(), model.channels)
        value.copy_(weight)
        own[bias].copy_(new_bias)
        turned = True
    seen = ["luma" if network.channels == 1 else "colours" for network in (other, model)]
    return f"taken, turned from {seen[0]} to {seen[1]}" if turned else "taken"


def _turning(
    colours: _Colours, own: Tensor, given: Tensor
) -> Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]] | None:
    """Return what turns a layer between luma and colours; None where it is not that it lacks."""
    pair = {own.shape[1], given.shape[1]}, {own.shape[0], given.shape[0]}
    if own.dim() != 4 or own.shape[2:] != given.shape[2:]:
        return None
    if pair[0] == {1, 3} and len(pair[1]) == 1:
        return colours.seeing
    return colours.making if pair[1] == {1, 3} and len(pair[0]) == 1 else None


def _take_head(own: Upsampler, other: Upsampler | None, colours: _Colours) -> str:
    """Give an upsampler the kernel of another, and say how near it comes."""
    if other is None:
        return "begins anew"
    named = f"{type(other).__name__} x{other.scale}"
    if other.any_scale and other.scale != own.scale:
        other, named = other.at(own.scale), f"{named} as it is at x{own.scale}"
    weights = other.state_dict()
    same_shapes = _shapes(own.state_dict()) == _shapes(weights)
    if type(own) is type(other) and own.scale == other.scale and same_shapes:
        own.load_state_dict(weights)
        return "taken"
    before = copy.deepcopy(own.state_dict())
    try:
        form = _fitted(subpixel_form(other), own, colours)
        hold = getattr(own, "hold", None)
        if hold is None:
            raise ValueError(f"{type(own).__name__} takes no kernel of another")
        hold(form)
    except ValueError as error:
        own.load_state_dict(before)
        return f"begins anew: {error}"
    found = subpixel_form(own)
    most = max(found.size, form.size)
    off = float((found.padded(most) - form.padded(most)).norm() / form.kernel.norm().clamp(1e-12))
    resampled = f", its phases resampled from x{other.scale}" if own.scale != other.scale else ""
    near = "" if off < _EXACT else f"; the nearest that it can hold is off by {100 * off:.2g} %"
    return f"the kernel of {named}{resampled}{near}"


def _fitted(form: SubPixel, own: Upsampler, colours: _Colours) -> SubPixel:
    """Return a form with the scale and the channels of an upsampler.

    Raises:
        ValueError: Its channels are others, and not luma for colours.
    """
    form = rescaled(form, own.scale)
    has, wants = (form.in_channels, form.out_channels), (own.in_channels, own.out_channels)
    kernel, bias = form.kernel, form.bias
    if has == (1, 1) and wants == (3, 3):  # each colour by itself
        each = torch.eye(3, dtype=kernel.dtype).view(3, 1, 3, 1, 1)
        return SubPixel((each * kernel).flatten(0, 1), bias.repeat(3), form.scale)
    if has[0] == wants[0] and {has[1], wants[1]} == {1, 3}:
        kernel, bias = colours.making(kernel, bias, wants[1])
    elif has != wants:
        raise ValueError(f"it maps {has[0]} channels to {has[1]}, this {wants[0]} to {wants[1]}")
    return SubPixel(kernel, bias, form.scale)
