"""Print every upsampler at x2, x3, x4 as a page of Markdown: python scripts/pages/upsamplers.py."""

from collections.abc import Iterator
from functools import partial
from statistics import median
from typing import Any

import torch

from srlab.assembly.upsampler_family import (
    make_upsampler,
    relatives,
    small_channels,
    some_form,
    upsampler_options,
)
from srlab.metrics.checkerboard import flat_ripple, kernel_ripple
from srlab.models.espcn import ESPCN
from srlab.upsamplers.linear import NotLinear, subpixel_form
from srlab.upsamplers.simplify import upsampler_cost

TITLE = """\
# Every upsampler at x2, x3 and x4

Each is the last layer of an ESPCN, 32 channels to 1, with the options that ship unless it says
otherwise. "Same functions as" and "also holds" are found by giving random kernels of one to the
other, in double precision, biases aside. The last two columns are the checkerboard of the kernel
(relative) and of the whole network on flat pictures (grey levels of 255) before training, medians
over 11 seeds; with `init=default` the network, too, starts as torch leaves it.
[upsamplers.md](upsamplers.md) explains.

`python scripts/pages/upsamplers.py > docs/upsampler_table.md` makes this page.
"""
INPUTS, OUTPUTS = 32, 1
SEEDS = range(11)
HEADER = (
    "upsampler", "parameters", "multiply-adds per SR pixel", "LR pixels seen",
    "same functions as", "also holds", "ripple at the start", "with `init=default`",
)  # fmt: skip


def variants(scale: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every option, and settings of some that make them another thing."""
    chosen = dict(upsampler_options(scale))
    yield from chosen.items()
    for name, change in (
        ("pixel_shuffle", {"init": "icnr"}),
        ("deconv", {"kernel_size": 2 * scale + 1, "init": "default"}),
        ("deconv", {"frozen": True}),
        ("resize_conv", {"mode": "bilinear"}),
        ("resize_conv", {"mode": "bicubic"}),
        ("bilinear", {"align_corners": True}),
    ):
        label = ", ".join(f"`{key}={str(value).lower()}`" for key, value in change.items())
        yield f"{name} {label}", chosen[name] | change


def ripples(node: dict[str, Any], scale: int) -> str:
    """Return the ripple of the kernel, and of a fresh ESPCN on flat pictures in grey levels."""
    kernels, flats = [], []
    for seed in SEEDS:
        torch.manual_seed(seed)
        init = "identity" if node.get("init") != "default" else "default"
        network = ESPCN(partial(make_upsampler, node), scale, init=init).eval()
        flats.append(flat_ripple(network, scale, 1, network.halo))
        try:
            kernels.append(kernel_ripple(subpixel_form(network.upsampler).kernel, scale))
        except NotLinear:
            kernels.append(float("nan"))
    kernel = "no kernel" if median(kernels) != median(kernels) else f"{median(kernels):.2f}"
    return f"{kernel} / {median(flats):.2f}"


def row(name: str, node: dict[str, Any], scale: int) -> list[str]:
    """Return the cells of one upsampler."""
    module = make_upsampler(node, INPUTS, OUTPUTS, scale)
    form = some_form(node, *small_channels(INPUTS, OUTPUTS), scale)
    can, by = relatives(node, INPUTS, OUTPUTS, scale)
    same = [other for other in can if other in by]
    nothing = "no convolution" if module.whole else "not linear"
    seen = 2 * module.halo + 1 if form is None else form.size
    cost = f"{upsampler_cost(module) / scale**2:,.0f}"
    whole = module.whole
    default = node | {"init": "default"} if "init" in node else None
    return [
        name,
        f"{sum(p.numel() for p in module.parameters()):,}",
        "by size" if whole else cost,
        "all" if whole else f"{seen} x {seen}",
        ", ".join(same) or ("" if form else nothing),
        ", ".join(other for other in can if other not in same),
        ripples(node, scale),
        ripples(default, scale) if default and default != node else "",
    ]


def main() -> None:
    """Print the page: a table for each scale."""
    print(TITLE)
    for scale in (2, 3, 4):
        print(f"## x{scale}\n\n| {' | '.join(HEADER)} |\n{'|---' * len(HEADER)}|")
        for name, node in variants(scale):
            print(f"| {' | '.join(row(name, node, scale))} |")
        print()


if __name__ == "__main__":
    main()
