"""How upsamplers relate: which can represent which, and which settings read the same pixels."""

import inspect
import sys
from collections.abc import Iterator
from functools import cache
from statistics import median
from typing import Any

import torch
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from torch import nn
from yaml import YAMLError

from srlab.config.build import build, without_warning
from srlab.config.check import locate
from srlab.config.compose import option_node
from srlab.config.plugins import option_files
from srlab.errors import UserError
from srlab.metrics.checkerboard import kernel_ripple
from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.linear import NotLinear, SubPixel, shared_bias, subpixel_form, take_over


def make_upsampler(
    node: dict[str, Any], in_channels: int, out_channels: int, scale: int
) -> Upsampler:
    """Build an upsampler from its config, without warnings.

    Raises:
        ValueError: It cannot be had with these channels, scale or options.
    """
    with without_warning():
        return build(node, "upsampler")(in_channels, out_channels, scale)


def upsampler_options(scale: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and config of every option of the group upsampler; broken ones are left out."""
    for name in option_files()["upsampler"]:
        node = _node_of(name, scale)
        if node is not None:
            yield name, node


@cache
def _node_of(name: str, scale: int) -> dict[str, Any] | None:
    try:
        return option_node("upsampler", name, "upsampler", scale)
    except (UserError, HydraException, OmegaConfBaseException, YAMLError) as error:
        print(f"srlab: upsampler={name} is left out: {str(error).splitlines()[0]}", file=sys.stderr)
        return None


def some_form(node: dict[str, Any], inputs: int, outputs: int, scale: int) -> SubPixel | None:
    """Return the sub-pixel form of an upsampler with random weights, or None if it has none.

    The phases of a channel share one bias, which is what all members of the family can have.
    """
    try:
        module = make_upsampler(node, inputs, outputs, scale)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            for parameter in module.parameters():
                if parameter.requires_grad:
                    nn.init.normal_(parameter)
        form = subpixel_form(module)
    except ValueError:
        return None
    bias = shared_bias(form).repeat_interleave(scale**2)
    return SubPixel(form.kernel, bias, scale)


def ripple_by_default(node: dict[str, Any], inputs: int, outputs: int, scale: int) -> float | None:
    """Return the checkerboard of an upsampler's kernel as torch's initialisation leaves it.

    The median over 11 seeds; None where there is no such start or no kernel.
    """
    if "init" not in node:
        return None
    ripples = []
    for seed in range(11):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = make_upsampler(node | {"init": "default"}, inputs, outputs, scale)
        try:
            ripples.append(kernel_ripple(subpixel_form(module).kernel, scale))
        except NotLinear:
            return None
    return median(ripples)


def can_represent(
    holder: dict[str, Any], form: SubPixel, inputs: int, outputs: int, scale: int
) -> bool:
    """Tell whether an upsampler's weights can be chosen so that it computes a form."""
    try:
        take_over(make_upsampler(holder, inputs, outputs, scale), form)
    except ValueError:
        return False
    return True


def small_channels(inputs: int, outputs: int) -> tuple[int, int]:
    """Return few channels that are equal if these are, and unequal otherwise."""
    return (2, 2) if inputs == outputs else (3, 2)


def function_class(node: dict[str, Any]) -> dict[str, Any]:
    """Return what of an upsampler's config decides which functions it has, defaults filled in.

    How the weights begin does not.
    """
    parameters = inspect.signature(locate(str(node["_target_"]))).parameters
    defaults = {k: p.default for k, p in parameters.items() if p.default is not p.empty}
    given = {k: function_class(v) if isinstance(v, dict) else v for k, v in node.items()}
    return {k: v for k, v in (defaults | given).items() if k not in ("init", "_partial_")}


def name_of(node: dict[str, Any], scale: int) -> str:
    """Return the option that an upsampler's config is, and where it differs from that."""
    name, changed = nearest_option(node, scale)
    given = [
        f"upsampler.{key}={str(value).lower() if isinstance(value, bool) else value}"
        for key, value in changed.items()
        if value is not None
    ]
    return " ".join([name, *given])


def nearest_option(node: dict[str, Any], scale: int) -> tuple[str, dict[str, Any]]:
    """Return the option from which an upsampler's config differs least, and where it differs.

    The differences by their dotted keys; the name of the class where no option is of it.
    """
    own = _flat(function_class(node))
    near = [
        (name, {k: v for k, v in own.items() if base.get(k, False) != v and (k in base or v)})
        for name, other in upsampler_options(scale)
        if other["_target_"] == node["_target_"]
        for base in [_flat(function_class(other))]
    ]
    kind = str(node["_target_"]).rpartition(".")[2]
    return min(near, key=lambda pair: len(pair[1]), default=(kind, {}))


def _flat(node: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested config with dotted keys; what is nested is named by its class."""
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            flat[prefix + key] = str(value.get("_target_")).rpartition(".")[2]
            flat |= _flat(value, f"{prefix}{key}.")
        elif key != "_target_":
            flat[prefix + key] = value
    return flat


def relatives(
    node: dict[str, Any], inputs: int, outputs: int, scale: int
) -> tuple[list[str], list[str]]:
    """Return which options an upsampler can represent, and by which it is represented.

    Found by trying: random weights of the one are given to the other. Biases that differ between
    the phases of a channel are left aside.
    """
    few = small_channels(inputs, outputs)
    own, functions = some_form(node, *few, scale), function_class(node)
    can, by = [], []
    for name, other in upsampler_options(scale):
        if function_class(other) == functions:
            continue
        form = some_form(other, *few, scale)
        if form is not None and can_represent(node, form, *few, scale):
            can.append(name)
        if own is not None and can_represent(other, own, *few, scale):
            by.append(name)
    return can, by


def matched(size: int, inputs: int, outputs: int, scale: int) -> list[tuple[str, Upsampler]]:
    """Return the options that read ``size`` x ``size`` low-resolution pixels, set up to do so.

    Each as the overrides that choose it, and what they make.
    """
    found = []
    dense = SubPixel(torch.ones(scale**2, 1, size, size), torch.zeros(scale**2), scale)
    seen = set()
    for name, node in upsampler_options(scale):
        if node["_target_"] in seen:
            continue
        seen.add(node["_target_"])
        options_for = getattr(locate(str(node["_target_"])), "options_for", None)
        wanted = options_for(dense) if options_for else {}
        if "kernel_size" not in wanted:
            continue
        start = {"init": "default"} if "init" in node else {}  # any kernel size has that one
        try:
            module = make_upsampler(node | start | wanted, inputs, outputs, scale)
        except ValueError:
            continue
        choice = f"upsampler={name} upsampler.kernel_size={wanted['kernel_size']}"
        found.append((choice, module))
    return found
