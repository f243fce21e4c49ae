"""Quality against cost: points with their intervals, and the front of what is decided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from srlab.reporting import sheet
from srlab.reporting.labels import Box, place_labels
from srlab.reporting.svg import POINTS, axis_span, svg_figure, text_width, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT, _TALLEST = 3.75, 3.1, 12.0  # inches; 360 pixels, which a phone shows as they are
_LEFT, _RIGHT, _BOTTOM, _TOP = 46, 8, 36, 10  # points around the axes
_SIZE, _LINE = 7.5, 9.5  # points of a label, and from line to line
_MOST = 26  # characters of a line of a label
_MARKER = 3.5  # points from the middle of a marker to its edge
_SHIFTED = 8.0  # points from which on a line leads from a label to its point


@dataclass(frozen=True)
class CostPoint:
    """What one choice costs and how good it is.

    ``low`` and ``high`` bound its quality against the best, at its own height; None without
    evidence, and for the best itself.
    """

    label: str
    cost: float
    quality: float
    low: float | None
    high: float | None


def decided_front(points: Sequence[CostPoint], told_apart: Callable[[str, str], bool]) -> list[int]:
    """Return the numbers of the points for which it is decided that their cost buys quality.

    The cheapest is the first; then, by cost, each that is better than all before it on the front
    and told apart from them. Of equal costs the highest quality is taken.
    """
    front: list[int] = []
    for k in sorted(range(len(points)), key=lambda k: (points[k].cost, -points[k].quality)):
        before = [points[j] for j in front]
        if all(
            points[k].quality > p.quality and told_apart(points[k].label, p.label) for p in before
        ):
            front.append(k)
    return front


def draw_cost(
    points: Sequence[CostPoint], cost: str, quality: str, front: Sequence[int], least: float
) -> str:
    """Draw quality against cost, the front joined if it has two points or more, and return SVG.

    Args:
        points: The points.
        cost: The axis of the cost, which is logarithmic.
        quality: The axis of the quality.
        front: The numbers of the points on the front, as ``decided_front`` returns them.
        least: How much of the quality the axis spans at least.
    """
    with svg_figure(_WIDTH, _HEIGHT, f"{quality} {cost}") as (figure, done):
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axhline(
            max(p.quality for p in points), color=sheet.RULE, linewidth=0.8, linestyle=":", zorder=0
        )
        on = [points[k] for k in front] if len(front) > 1 else []
        axes.step(
            [p.cost for p in on], [p.quality for p in on],
            where="post", color=sheet.ORANGE, linewidth=1.2, zorder=1,
        )  # fmt: skip
        for point in points:
            colour = sheet.ORANGE if point in on else sheet.BLUE
            if point.low is not None and point.high is not None:
                axes.plot(
                    [point.cost] * 2, [point.low, point.high],
                    color=colour, linewidth=1.2, alpha=0.6, zorder=1,
                )  # fmt: skip
            axes.plot([point.cost], [point.quality], "o", color=colour, markersize=6, zorder=2)
        axes.set(xlabel=cost, ylabel=quality)
        ends = [e for p in points for e in (p.quality, p.low, p.high) if e is not None]
        axes.set_ylim(*axis_span(ends, least))
        axes.ticklabel_format(axis="y", useOffset=False)
        _scale_cost(axes, [p.cost for p in points])
        _write_labels(figure, axes, points, on)
    return done[0]


def _scale_cost(axes: Axes, costs: Sequence[float]) -> None:
    """Give the axis of cost a factor of 2 at least, and ticks that are plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    least, most = min(costs), max(costs)
    if least <= 0:
        air = 0.08 * (most - least) or 1
        axes.set_xlim(least - air, most + air)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        return
    air = max((most / least) ** 0.1, (2 * least / most) ** 0.5, 1.05)
    low, high = least / air, most * air
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    wide = high / low
    fine = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    steps = fine if wide < 4 else (1, 2, 3, 5) if wide < 12 else (1, 2, 5) if wide < 100 else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _write_labels(
    figure: Figure, axes: Axes, points: Sequence[CostPoint], front: Sequence[CostPoint]
) -> None:
    """Name the points beside them, in a figure that is tall enough for all the names."""
    texts = [wrapped(p.label, _MOST) for p in points]
    sizes = [
        (text_width([text], _SIZE) + 1, _LINE * (text.count("\n") + 1)) for text in texts
    ]  # fmt: skip
    height, whole = _HEIGHT, False
    while not whole and height <= _TALLEST:
        room = _fit_axes(figure, axes, height)
        places = [tuple(axes.transData.transform((p.cost, p.quality))) for p in points]
        boxes, whole = place_labels(places, sizes, room, _lines(axes, points, front), _MARKER)
        height += 0.6
    for text, (x, y), box in zip(texts, places, boxes, strict=True):
        near = (min(max(x, box.left), box.right), min(max(y, box.bottom), box.top))
        if abs(near[0] - x) + abs(near[1] - y) > _SHIFTED:
            ends = axes.transData.inverted().transform([(x, y), near])
            axes.plot(*ends.T, color=sheet.QUIET, linewidth=0.5, zorder=0.5)
        left, middle = axes.transData.inverted().transform((box.left, (box.bottom + box.top) / 2))
        axes.text(
            left, middle, text, va="center", fontsize=_SIZE, color=sheet.INK, linespacing=1.1,
            parse_math=False, zorder=3,
        )  # fmt: skip


def _fit_axes(figure: Figure, axes: Axes, height: float) -> Box:
    """Make the figure so many inches high, and return the place of its axes in points."""
    width, tall = _WIDTH * POINTS, height * POINTS
    figure.set_size_inches(_WIDTH, height)
    room = Box(_LEFT, _BOTTOM, width - _RIGHT, tall - _TOP)
    axes.set_position((
        room.left / width, room.bottom / tall, (room.right - room.left) / width,
        (room.top - room.bottom) / tall,
    ))  # fmt: skip
    return room


def _lines(axes: Axes, points: Sequence[CostPoint], front: Sequence[CostPoint]) -> list[Box]:
    """Return where the intervals and the steps of the front are drawn."""
    ends = [
        ((p.cost, p.low), (p.cost, p.high))
        for p in points if p.low is not None and p.high is not None
    ]  # fmt: skip
    for one, other in pairwise(front):
        corner = (other.cost, one.quality)
        ends += [((one.cost, one.quality), corner), (corner, (other.cost, other.quality))]
    found = []
    for start, end in ends:
        (x, y), (u, v) = axes.transData.transform([start, end])
        found.append(Box(x - 1, y - 1, u + 1, v + 1))
    return found
