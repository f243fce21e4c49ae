"""``srlab convert``: give a checkpoint another upsampler that computes the same.

With ``from=FILE``, see ``commands.convert.foreign``; with ``scale=N``, ``commands.convert.scale``.
"""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from srlab.assembly.checkpoints import checkpoint_file, load_checkpoint, path_beside
from srlab.assembly.upsampler_family import name_of, nearest_option
from srlab.command_line.invocation import Invocation
from srlab.commands.convert import foreign
from srlab.commands.convert.scale import plain_upsampler, taken_to
from srlab.config.build import build, without_warning
from srlab.config.check import check, locate
from srlab.config.schema import ConvertConfig
from srlab.data import photos
from srlab.data.pairs import read_pairs
from srlab.errors import ConfigError, UserError
from srlab.evaluation.score import smallest_side
from srlab.imaging.files import to_tensor
from srlab.measuring.cost import parameter_count
from srlab.models.base import Model
from srlab.storage.checkpoint import check_new_checkpoint, load, save
from srlab.upsamplers.linear import NotLinear, SubPixel, subpixel_form, take_over
from srlab.upsamplers.simplify import upsamplers_of
from srlab.words import Colour

_CONVERTED = r" \(as [^()]*\)$"
_SIDE = 96  # low-resolution pixels of each photograph that the two networks are compared on
_EQUAL = 1e-5  # how far the networks may be apart, in float64, of the pixel range [0, 1]


def run(call: Invocation[ConvertConfig]) -> float | None:
    """Write the converted checkpoint and return the largest difference that was found, if sought.

    With ``scale`` it is compared with the network that it converts as that is at this scale.

    The option of the upsampler that was chosen names the output; what the command line says of it
    is kept.

    Raises:
        UserError: The checkpoint cannot be read, or the upsampler cannot represent its kernels.
    """
    config = call.config
    if config.source is not None:
        foreign.run(config)
        return None
    if config.checkpoint is None:
        raise UserError("checkpoint is missing: add checkpoint=...")
    if not config.upsampler and config.scale is None:
        raise UserError("upsampler is missing: add upsampler=pixel_shuffle, deconv, ...")
    source = checkpoint_file(config.checkpoint)
    before, made_with = load_checkpoint(source, config.trust)
    head, mark = config.upsampler, ""
    if config.scale is not None:
        before, made_with = taken_to(before, made_with, config.scale)
        head, mark = head or plain_upsampler(before, made_with), f"x{config.scale}"
    check({"upsampler": head}, None)
    scale = int(made_with["scale"])
    kind = call.choices.get("upsampler") or nearest_option(head, scale)[0]
    name = "-".join(part for part in (source.stem, mark, f"{kind}.pt") if part)
    output = Path(config.output).expanduser() if config.output else path_beside(source, name)
    check_new_checkpoint(output)

    worst = None
    if mark and head == made_with["model"]["upsampler"]:
        after, node = before, head
        for name, layer in upsamplers_of(before):
            print(f"{name}: {_layer(layer)}, as it is")
    else:
        keys = [override.lstrip("+").partition("=")[0] for override in call.overrides]
        asked = {key.removeprefix("upsampler.") for key in keys if key.startswith("upsampler.")}
        after, node = _converted(before, made_with, head, asked)
        for name, old, new in _paired(before, after):
            print(f"{name}: {_layer(old)} -> {_layer(new)}")
        print(f"as upsampler={name_of(node, scale)}")
        worst = _compare(before, after, scale, Colour(made_with["colour"]))
        if not worst <= _EQUAL:
            raise UserError(f"the networks differ by {worst:.2g}: nothing was written")

    checkpoint = load(source)
    name = _renamed(str(made_with.get("name") or "run"), f"{kind} {mark}".rstrip())
    changed = made_with | {
        "name": name,
        "model": made_with["model"] | {"upsampler": node},
        "upsampler": node,
    }
    kept = {key: checkpoint[key] for key in ("step", "info") if key in checkpoint}
    save(output, {"config": changed, "weights": after.state_dict()} | kept)
    print(f"written: {output}")
    return worst


@torch.inference_mode()
def _compare(before: Model, after: Model, scale: int, colour: Colour) -> float:
    """Print and return the largest difference of two networks, on several pictures.

    Relative to the largest value of their output, if that is more than 1.
    """
    exact = [copy.deepcopy(model).double() for model in (before, after)]
    differences = []
    for what, lr in _pictures(scale, colour):
        double = _difference(exact[0](lr.double()), exact[1](lr.double()))
        single = _difference(before(lr), after(lr))
        print(f"largest difference on {what}: {single:.1e} in float32, {double:.1e} in float64")
        differences.append(double)
    return float(torch.tensor(differences).max())  # NaN if one is


def _difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / a.abs().max().clamp(min=1))


def _renamed(name: str, kind: str) -> str:
    """Return the run's name with what it was converted to, in place of an earlier conversion."""
    return f"{re.sub(_CONVERTED, '', name)} (as {kind})"


def _layer(module: Any) -> str:
    weights = parameter_count(module)
    channels = f"{module.in_channels} -> {module.out_channels}"
    return f"{type(module).__name__} {channels} x{module.scale}, {weights:,} parameters"


def _paired(before: Model, after: Model) -> Iterator[tuple[str, Any, Any]]:
    for name, module in upsamplers_of(before):
        yield name, module, after.get_submodule(name)


def _converted(
    before: Model, made_with: dict[str, Any], upsampler: dict[str, Any], asked: set[str]
) -> tuple[Model, dict[str, Any]]:
    """Return the network with the other upsampler, and the config of that upsampler."""
    try:
        forms = {name: subpixel_form(module) for name, module in upsamplers_of(before)}
    except NotLinear as error:
        raise UserError(f"this network's upsampler has no equal: {error}") from None
    if not forms:
        raise UserError("this network has no upsampler of srlab.upsamplers to convert")
    fault = ""
    for node in (upsampler, *_fitting(upsampler, list(forms.values()), asked)):
        try:
            return _with(before, made_with, node, forms), node
        except (ValueError, ConfigError) as error:
            fault = str(error)
    raise UserError(fault)


def _fitting(
    upsampler: dict[str, Any], forms: list[SubPixel], asked: set[str]
) -> Iterator[dict[str, Any]]:
    """Yield configs that may fit all forms: with the switches they need, and with the sizes too."""
    options_for = getattr(locate(str(upsampler["_target_"])), "options_for", None)
    wanted = [options_for(form) for form in forms] if options_for else [{}]
    merged = {k: max(options[k] for options in wanted) for k in wanted[0] if k not in asked}
    switches = {k: v for k, v in merged.items() if isinstance(v, bool)}
    if switches:
        yield upsampler | switches
    if merged:
        yield upsampler | ({"init": "default"} if "init" in upsampler else {}) | merged


def _with(
    before: Model,
    made_with: dict[str, Any],
    upsampler: dict[str, Any],
    forms: dict[str, SubPixel],
) -> Model:
    """Build the network with the other upsampler and give it the weights.

    Raises:
        ValueError: The upsampler cannot represent the forms.
    """
    node = made_with["model"] | {"upsampler": upsampler}
    with without_warning():
        after = build(node, "model").eval()
    weights = after.state_dict()
    heads = tuple(f"{name}." for name in forms)
    body = {k: v for k, v in before.state_dict().items() if not k.startswith(heads)}
    after.load_state_dict(weights | body)
    for name, form in forms.items():
        take_over(after.get_submodule(name), form)
    return after


def _pictures(scale: int, colour: Colour) -> Iterator[tuple[str, Tensor]]:
    """Yield what the two networks are compared on: noise, and the held-out photographs."""
    channels = 3 if colour is Colour.rgb else 1
    noise = torch.rand(1, channels, 37, 50, generator=torch.Generator().manual_seed(0))
    yield "50x37 pixels of noise", noise
    for pair in read_pairs(photos.held_out(), scale, colour, smallest_side(scale)):
        lr = to_tensor(pair.lr).float()
        top, left = (max(0, n - _SIDE) // 2 for n in lr.shape[-2:])
        yield (
            f"a part of the photograph {pair.name}",
            lr[..., top : top + _SIDE, left : left + _SIDE],
        )
