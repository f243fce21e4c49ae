"""``srlab describe``: what a network and its upsampler are, cost and can do."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from srlab.assembly.checkpoints import check_network, checkpoint_file
from srlab.assembly.network import asked_checkpoint
from srlab.assembly.upsampler_family import (
    matched,
    name_of,
    relatives,
    ripple_by_default,
    small_channels,
    some_form,
)
from srlab.command_line.invocation import Invocation
from srlab.config.build import build
from srlab.config.check import check, check_upsampler_used
from srlab.config.ranges import SEED_RANGE, check_scale
from srlab.config.schema import DescribeConfig
from srlab.console.tables import aligned
from srlab.errors import UserError
from srlab.evaluation.network import costs_of
from srlab.measuring.cost import parameter_count
from srlab.metrics.checkerboard import flat_ripple, kernel_ripple
from srlab.models.base import Model
from srlab.reporting.drawing import draw_upsampler
from srlab.storage.atomic import write_atomically
from srlab.storage.folders import check_new_file
from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.linear import NotLinear, SubPixel, subpixel_form, transposed_form
from srlab.upsamplers.rep_conv import RepConv
from srlab.upsamplers.simplify import last_upsampler, upsamplers_of
from srlab.words import Colour


@dataclass(frozen=True)
class Subject:
    """What is described: a network, its last upsampler, that one's config, and their names."""

    title: str
    network: Model
    head: Upsampler
    node: dict[str, Any]
    kind: str


def run(call: Invocation[DescribeConfig]) -> None:
    """Print the description, and draw it where ``plot`` names a file.

    Raises:
        UserError: The network cannot be built, or the picture cannot be drawn.
    """
    config = call.config
    plot = None if config.plot is None else Path(config.plot).expanduser()
    if plot is not None and plot.suffix.lower() != ".png":
        raise UserError(f"plot wants a file name that ends in .png, got {plot}")
    if plot is not None:
        check_new_file(plot, "plot=FILE.png")
    subject = _subject(config)
    print(f"{subject.title}\n")
    costs = costs_of(subject.network)
    print("\n".join(_layers(subject.network, costs)))
    form = _form(subject.head)
    for line in (*_facts(subject, form), *_family(subject, form)):
        print(line)
    if plot is not None:
        write_atomically(plot, _drawn(subject, form, costs))
        print(f"drawn: {plot}")


def _subject(config: DescribeConfig) -> Subject:
    if config.checkpoint is not None:
        if config.model:
            raise UserError("give checkpoint=FILE or model=NAME, not both")
        network, made_with = asked_checkpoint(config, checkpoint_file(config.checkpoint))
        model, colour = made_with["model"], made_with["colour"]
        name = f"{made_with.get('name') or 'run'}: "
    elif config.model:
        scale, colour = check_scale(config.scale), config.colour or Colour.y
        check_upsampler_used(config.model, config.upsampler)
        check({"model": config.model})
        if not 0 <= config.seed < 2**63:
            raise UserError(SEED_RANGE)
        torch.manual_seed(config.seed)
        network, model = build(config.model, "model").eval(), config.model
        check_network(network, scale, Colour(colour))
        name = ""
    else:
        raise UserError("give model=NAME scale=3, or checkpoint=FILE")
    head = last_upsampler(network)
    if head is None or "upsampler" not in model:
        raise UserError("this network's upsampler is no srlab.upsamplers.Upsampler to describe")
    kind = name_of(model["upsampler"], head.scale)
    title = f"{name}{type(network).__name__} with {kind}, x{network.scale}, {colour.upper()}"
    return Subject(title, network, head, model["upsampler"], kind)


def _layers(network: Model, costs: dict[str, float]) -> Iterator[str]:
    """Yield the lines of the table of layers."""
    rows = [("layer", "", "parameters", "multiply-adds per SR pixel")]
    for name, layer in (*_parts(network), ("", network)):
        whole = getattr(layer, "whole", False)
        cost = f"{costs.get(name, 0):,.1f}" if costs else "cannot be counted"
        cost = "by the picture's size" if whole else cost
        kind = "" if layer is network else _kind(layer)
        rows.append((name or "total", kind, f"{parameter_count(layer):,}", cost))
    yield from aligned(rows)


def _parts(network: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield the upsamplers and, elsewhere, the innermost layers that have parameters."""
    for name, child in network.named_children():
        if isinstance(child, Upsampler | RepConv) or not list(child.children()):
            if isinstance(child, Upsampler) or parameter_count(child):
                yield prefix + name, child
        else:
            yield from _parts(child, f"{prefix}{name}.")


def _kind(layer: nn.Module) -> str:
    name = type(layer).__name__
    if isinstance(layer, Upsampler):
        return f"{name} {layer.in_channels} -> {layer.out_channels}, x{layer.scale}"
    if isinstance(layer, RepConv):
        return f"{name} {layer.plain.in_channels} -> {layer.plain.out_channels}, 3x3"
    if isinstance(layer, nn.Conv2d):
        size = "x".join(map(str, layer.kernel_size))
        return f"{name} {layer.in_channels} -> {layer.out_channels}, {size}"
    return name


def _form(head: Upsampler) -> SubPixel | str:
    """Return the upsampler's sub-pixel form, or the sentence why it has none."""
    try:
        return subpixel_form(head)
    except NotLinear as error:
        return str(error)


def _facts(subject: Subject, form: SubPixel | str) -> Iterator[str]:
    network, head = subject.network, subject.head
    side, s = 2 * network.halo + 1, network.scale
    seen = (
        "the whole picture" if network.whole else f"at most {side} x {side} low-resolution pixels"
    )
    yield f"\nan output pixel depends on {seen}"
    if isinstance(form, str):
        yield form
    else:
        shape = _structure(subject)
        deconv = transposed_form(shape)
        yield (
            f"its upsampler is a sub-pixel convolution of kernel {shape.size}x{shape.size}, or a "
            f"transposed convolution of kernel {deconv.size}x{deconv.size} with padding "
            f"{deconv.padding}"
        )
    ripple = flat_ripple(network, s, network.channels, network.halo, network.grid)
    yield f"checkerboard on flat pictures: {ripple:.2f} grey levels"
    if not isinstance(form, str):
        default = ripple_by_default(subject.node, head.in_channels, head.out_channels, head.scale)
        fresh = f" ({default:.2f} in one that starts as upsampler.init=default)" if default else ""
        yield f"checkerboard of its kernel: {kernel_ripple(form.kernel, head.scale):.2f}{fresh}"


def _structure(subject: Subject) -> SubPixel:
    """Return the sub-pixel form of the upsampler when none of its weights is zero."""
    head = subject.head
    few = small_channels(head.in_channels, head.out_channels)
    return some_form(subject.node, *few, head.scale) or subpixel_form(head)


def _family(subject: Subject, form: SubPixel | str) -> Iterator[str]:
    """Yield how the upsampler relates to the others."""
    if isinstance(form, str):
        return
    head = subject.head
    channels = (head.in_channels, head.out_channels, head.scale)
    size = _structure(subject).size
    yield f"\nsettings that read the same {size}x{size} low-resolution pixels:"
    alike = matched(size, *channels)
    yield from aligned(
        [(f"  {choice}", f"{parameter_count(m):,} parameters") for choice, m in alike]
    )
    can, by = relatives(subject.node, *channels)
    both = [name for name in can if name in by]
    for text, names in (
        ("is the same, biases aside, as", both),
        ("can represent", [name for name in can if name not in both]),
        ("can be represented by", [name for name in by if name not in both]),
    ):
        if names:
            yield f"{subject.kind} {text}: {', '.join(names)}"


def _drawn(subject: Subject, form: SubPixel | str, costs: dict[str, float]) -> bytes:
    network, head = subject.network, subject.head
    deconv = None if isinstance(form, str) else transposed_form(form)
    whole, of_head = parameter_count(network), parameter_count(head)
    numbers = f"{whole:,} parameters, {of_head:,} of them in the upsampler"
    if costs and not network.whole:
        own = next(costs.get(name, 0) for name, module in upsamplers_of(network) if module is head)
        numbers += f"; {costs['']:,.0f} multiply-adds per SR pixel, {own:,.0f} in the upsampler"
    return draw_upsampler(
        subject.title,
        numbers,
        network.scale,
        network,
        channels=network.channels,
        halo=network.halo,
        kernel=None if deconv is None else deconv.kernel,
        padding=0 if deconv is None else deconv.padding,
    )
