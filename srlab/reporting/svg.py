"""Figures as SVG that take the colours of the page, and the room that words need in them."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from srlab.reporting import sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 72  # an inch; figures have as many pixels, so that places in pixels are in points


def wrapped(label: str, most: int) -> str:
    """Return a label whole, in lines of at most ``most`` characters."""
    return "\n".join(textwrap.wrap(label, most, break_on_hyphens=False)) or label


def text_width(texts: Iterable[str], size: float) -> float:
    """Return the points that the widest line of texts takes, in the font that figures are set in.

    A browser has another font; DejaVu Sans is wider than what browsers usually take.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=size)
    lines = [line for text in texts for line in text.split("\n")]
    widths = [text_to_path.get_text_width_height_descent(line, font, False)[0] for line in lines]
    return max(widths, default=0.0)


@contextmanager
def svg_figure(width: float, height: float, salt: str) -> Iterator[tuple[Figure, list[str]]]:
    """Make a figure, and put it as SVG in the list when it is drawn.

    Args:
        width: Inches.
        height: Inches.
        salt: Keeps its ids from those of others on the page.
    """
    from matplotlib import style
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure as NewFigure

    own = {"svg.fonttype": "none", "svg.hashsalt": salt, "font.family": "sans-serif"}
    with style.context(["default", sheet.STYLE, own]):
        figure = NewFigure(figsize=(width, height), dpi=POINTS)
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


def axis_span(values: Sequence[float], least: float) -> tuple[float, float]:
    """Return the ends of an axis: all values with some air, ``least`` apart at least."""
    low, high = min(values), max(values)
    middle, span = (low + high) / 2, max(1.2 * (high - low), least)
    return middle - span / 2, middle + span / 2
