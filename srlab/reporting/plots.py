"""Plots of a report, as SVG that takes the colour of the page's text."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from srlab.errors import UserError
from srlab.reporting import responses, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FLOOR = -60.0  # dB
_ROW = 0.3  # inches
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


def draw_intervals(bars: Sequence[Bar], title: str) -> str:
    """Draw values with their intervals, one below the other, and return SVG."""
    height = 0.9 + _ROW * len(bars)
    with _figure(7.4, height, title) as (figure, done):
        axes = figure.add_axes((0.3, 0.55 / height, 0.62, (height - 0.75) / height))
        axes.axvline(0, color=sheet.RULE, linewidth=0.8, zorder=0)
        for row, bar in enumerate(bars):
            if bar.low is not None and bar.high is not None:
                axes.plot([bar.low, bar.high], [row, row], color=sheet.BLUE, linewidth=2.2)
            axes.plot([bar.value], [row], "o", color=sheet.BLUE, markersize=5.5)
            axes.annotate(
                bar.group, (1, row), (6, 0), xycoords=("axes fraction", "data"),
                textcoords="offset points", va="center", color=sheet.INK,
            )  # fmt: skip
        axes.set_yticks(range(len(bars)), [bar.label for bar in bars], color=sheet.INK)
        axes.tick_params(axis="y", length=0)
        axes.set(ylim=(len(bars) - 0.5, -0.5))
        axes.set_xlabel(title)
        axes.spines["left"].set_visible(False)
    return done[0]


def draw_cost(
    points: Sequence[tuple[str, float, float]], cost: str, quality: str, front: Sequence[int]
) -> str:
    """Draw quality against cost, the Pareto front joined, and return SVG.

    Args:
        points: Label, cost and quality.
        cost: The axis of the cost, which is logarithmic.
        quality: The axis of the quality.
        front: Numbers of the points that nothing beats in both.
    """
    with _figure(4.6, 3.4, f"{quality} {cost}") as (figure, done):
        axes = figure.add_axes((0.15, 0.16, 0.8, 0.78))
        on = sorted(front, key=lambda k: points[k][1])
        axes.step(
            [points[k][1] for k in on], [points[k][2] for k in on],
            where="post", color=sheet.ORANGE, linewidth=1.2, zorder=1,
        )  # fmt: skip
        for number, (_, x, y) in enumerate(points):
            colour = sheet.ORANGE if number in front else sheet.BLUE
            axes.plot([x], [y], "o", color=colour, markersize=6, zorder=2)
        if min(x for _, x, _ in points) > 0:
            axes.set_xscale("log")
        _label_points(axes, points)
        axes.set(xlabel=cost, ylabel=quality)
        axes.margins(x=0.18, y=0.12)
        _plain_log_ticks(axes)
    return done[0]


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the numbers of the points ``(cost, quality)`` that none other beats.

    One beats another that costs no less and is no better, and differs from it.
    """
    return [
        k
        for k, (cost, quality) in enumerate(points)
        if not any(
            c <= cost and q >= quality and (c, q) != (cost, quality) for c, q in points
        )
    ]  # fmt: skip


def draw_curves(
    curves: Mapping[str, Sequence[tuple[int, float, float, float]]], quality: str, log: bool = False
) -> str:
    """Draw step against mean, with the band from least to largest, for each label."""
    height = 3.6 + 0.18 * max(0, len(curves) - 14)
    with _figure(8.4, height, quality) as (figure, done):
        axes = figure.add_axes((0.09, 0.14, 0.63, 0.8))
        for number, (label, points) in enumerate(curves.items()):
            colour = _COLOURS[number % len(_COLOURS)]
            dash = _DASHES[number // len(_COLOURS) % len(_DASHES)]
            steps, mean, low, high = zip(*points, strict=True)
            axes.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0)
            marker = "o" if len(steps) < 12 else ""
            axes.plot(
                steps, mean, color=colour, linewidth=1.4, label=label,
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
    with _figure(10.4, 2.75, f"artefacts {float(flats.sum())} {float(map_of_ripple.sum())}") as (
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


def _label_points(axes: Axes, points: Sequence[tuple[str, float, float]]) -> None:
    """Name points beside them, those that lie close one above the other."""
    qualities = [y for _, _, y in points]
    span = (max(qualities) - min(qualities)) or 1
    placed: list[tuple[float, float]] = []
    for label, x, y in sorted(points, key=lambda p: -p[2]):
        where = (y - min(qualities)) / span
        while any(abs(where - w) < 0.05 and 0.5 < x / max(o, 1e-30) < 2 for o, w in placed):
            where -= 0.05
        placed.append((x, where))
        shift = (where - (y - min(qualities)) / span) * 190
        axes.annotate(
            label, (x, y), (7, shift - 3), textcoords="offset points", fontsize=7.5,
            color=sheet.INK, parse_math=False,
        )  # fmt: skip


def _plain_log_ticks(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if axes.get_xscale() == "log":
        low, high = axes.get_xlim()
        steps = (1, 2, 5) if high / low < 300 else (1,)
        axes.xaxis.set_major_locator(LogLocator(subs=steps))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


@contextmanager
def _figure(width: float, height: float, salt: str) -> Iterator[tuple[Figure, list[str]]]:
    """Make a figure, and put it as SVG in the list when it is drawn.

    ``salt`` keeps its ids from those of others on the page.
    """
    try:
        from matplotlib import style
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure as NewFigure
    except ImportError:
        raise UserError("a report needs: pip install 'srlab[report]'") from None
    own = {"svg.fonttype": "none", "svg.hashsalt": salt, "font.family": "sans-serif"}
    with style.context(["default", sheet.STYLE, own]):
        figure = NewFigure(figsize=(width, height))
        figure.patch.set_alpha(0)
        done: list[str] = []
        yield figure, done
        for axes in figure.axes:
            axes.patch.set_alpha(0)
        text = io.StringIO()
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]  # without the prolog, which names a document on the network
    svg = svg.replace(sheet.INK, "currentColor")
    names = {sheet.BLUE: "--accent", sheet.QUIET: "--quiet", sheet.SHADE: "--panel"}  # the page's
    for colour, name in names.items():
        svg = svg.replace(colour, f"var({name}, {colour})")
    done.append(svg)
