"""Plots of a report, as SVG that takes the colour of the page's text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from srlab.reporting import responses, sheet
from srlab.reporting.svg import POINTS, axis_span, svg_figure, text_width, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FLOOR = -60.0  # dB
_WIDTH, _ROW = 5.6, 0.3  # inches, of a drawing of intervals
_SIZE = sheet.STYLE["font.size"]
_COLOURS = (
    sheet.BLUE, sheet.ORANGE, "#009e73", "#b0569a", "#a88500", "#3fa7d6", "#7a5195", "#8c564b",
    "#5f8f29", "#7f7f7f",
)  # fmt: skip
_DASHES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", (0, (5, 2)), (0, (1, 1)), "-.")


@dataclass(frozen=True)
class Bar:
    """A value with the interval that it lies in; None where there is no evidence for one."""

    label: str
    value: float
    low: float | None
    high: float | None
    group: str


def draw_intervals(bars: Sequence[Bar], title: str, least: float) -> str:
    """Draw values with their intervals, one below the other, and return SVG.

    Args:
        bars: The values.
        title: What their axis shows.
        least: How much it spans at least: what is beneath notice is not to fill it.
    """
    labels = [wrapped(bar.label, 24) for bar in bars]
    row = _ROW + 0.16 * max(label.count("\n") for label in labels)
    height = 0.9 + row * len(bars)
    with svg_figure(_WIDTH, height, title) as (figure, done):
        left, right = (
            (text_width(texts, _SIZE) + 16) / POINTS for texts in (labels, [b.group for b in bars])
        )
        width = _WIDTH - left - right
        said = wrapped(title, max(12, int(11 * width)))
        below = 0.38 + 0.16 * (1 + said.count("\n"))
        height += below - 0.54
        figure.set_size_inches(_WIDTH, height)
        axes = figure.add_axes(
            (left / _WIDTH, below / height, width / _WIDTH, row * len(bars) / height)
        )
        axes.axvline(0, color=sheet.RULE, linewidth=0.8, zorder=0)
        for place, bar in enumerate(bars):
            if bar.low is not None and bar.high is not None:
                axes.plot([bar.low, bar.high], [place, place], color=sheet.BLUE, linewidth=2.2)
            axes.plot([bar.value], [place], "o", color=sheet.BLUE, markersize=5.5)
            axes.annotate(
                bar.group, (1, place), (6, 0), xycoords=("axes fraction", "data"),
                textcoords="offset points", va="center", color=sheet.INK,
            )  # fmt: skip
        axes.set_yticks(range(len(bars)), labels, color=sheet.INK, parse_math=False)
        axes.tick_params(axis="y", length=0)
        ends = [e for b in bars for e in (0.0, b.value, b.low, b.high) if e is not None]
        axes.set(ylim=(len(bars) - 0.5, -0.5), xlim=axis_span(ends, least))
        axes.set_xlabel(said, parse_math=False)
        axes.locator_params(axis="x", nbins=6)
        axes.spines["left"].set_visible(False)
    return done[0]


def draw_curves(
    curves: Mapping[str, Sequence[tuple[int, float, float, float]]], quality: str, log: bool = False
) -> str:
    """Draw step against mean, with the band from least to largest, for each label."""
    labels = {label: wrapped(label, 26) for label in curves}
    lines = sum(1 + label.count("\n") for label in labels.values())
    height = 3.6 + 0.18 * max(0, lines - 14)
    with svg_figure(8.4, height, quality) as (figure, done):
        axes = figure.add_axes((0.09, 0.14, 0.63, 0.8))
        for number, (label, points) in enumerate(curves.items()):
            colour = _COLOURS[number % len(_COLOURS)]
            dash = _DASHES[number // len(_COLOURS) % len(_DASHES)]
            steps, mean, low, high = zip(*points, strict=True)
            axes.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0)
            marker = "o" if len(steps) < 12 else ""
            axes.plot(
                steps, mean, color=colour, linewidth=1.4, label=labels[label],
                linestyle=dash, marker=marker, markersize=3,
            )  # fmt: skip
        if log:
            axes.set_yscale("log")
        axes.set(xlabel="step", ylabel=quality)
        legend = axes.legend(
            loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
    return done[0]


def draw_artefacts(
    scale: int,
    flats: Tensor,
    map_of_ripple: Tensor,
    limit: float,
    kernel: Tensor | None = None,
    padding: int = 0,
) -> str:
    """Draw what is to be known of a checkerboard, in a row, and return SVG.

    Args:
        scale: The factor s.
        flats: What is left of a flat picture less its mean, ``(4 s, 4 s)`` grey levels.
        map_of_ripple: Local ripple of an upscaled picture, ``(h, w)`` grey levels.
        limit: Grey levels of the deepest colour of that map: alike for all that are compared.
        kernel: The upsampler as a transposed convolution ``(i, o, K, K)``, if it is one.
        padding: What that convolution cuts off.
    """
    with svg_figure(10.4, 2.75, f"artefacts {float(flats.sum())} {float(map_of_ripple.sum())}") as (
        figure,
        done,
    ):
        places = [0.01, 0.245, 0.53, 0.745]
        if kernel is not None:
            kernel = kernel.detach().double().cpu()
            axes = figure.add_axes((places[0], 0.06, 0.2, 0.78))
            pairs = responses.strongest(kernel)
            if pairs:
                i, o = pairs[0]
                shown = kernel[i, o]
                sheet.draw_pixels(axes, shown, float(shown.abs().max()), scale, padding)
                sheet.box_pixel(axes, padding, scale)
                _draw_cut(figure.add_axes((places[1] + 0.045, 0.16, 0.22, 0.66)), kernel, scale)
            _head(axes, f"strongest of {len(pairs)} kernels, {kernel.shape[-1]}x{kernel.shape[-1]}")
        else:
            figure.text(places[0], 0.45, "no fixed kernel: what it weighs depends on the picture",
                        fontsize=8, color=sheet.QUIET)  # fmt: skip
        axes = figure.add_axes((places[2], 0.06, 0.2, 0.78))
        worst = float(flats.abs().max())
        sheet.draw_pixels(axes, flats, max(worst, 0.5), scale, 0)
        _head(axes, f"a flat area: off by up to {sheet.short(worst)} levels")
        axes = figure.add_axes((places[3], 0.06, 0.2, 0.78))
        image = axes.imshow(
            map_of_ripple.numpy(), cmap="magma", vmin=0, vmax=limit, interpolation="nearest"
        )
        axes.set(xticks=[], yticks=[])
        _head(axes, "checkerboard in a picture, levels")
        bar = figure.colorbar(image, cax=figure.add_axes((0.955, 0.06, 0.008, 0.78)))
        bar.outline.set_visible(False)
    return done[0]


def _head(axes: Axes, said: str) -> None:
    axes.set_title(said.replace("-", sheet.MINUS), fontsize=8, color=sheet.QUIET, loc="left", pad=4)


def _draw_cut(axes: Axes, kernel: Tensor, scale: int) -> None:
    """Draw the gain from frequency 0 to 1/2, and how much of a flat area becomes checkerboard."""
    gain, _ = responses.decibels(responses.frequency_response(kernel, scale))
    cut = gain[0, : len(gain) // 2 + 1].clamp(_FLOOR)
    axes.set(ylim=(_FLOOR, 10 * math.ceil(float(cut.max()) / 10) + 5))
    sheet.draw_gain(axes, cut, scale, _FLOOR)
    axes.set_xlabel("cycles per pixel; dots: checkerboard", fontsize=7.5, labelpad=1)
    _head(axes, "frequency response, dB")
