"""The sheet that drawings stand on: places in inches, and the few marks that they share.

matplotlib is imported by whoever makes the figure; here it is only met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

WIDTH, HEIGHT, DPI = 12.4, 8.8, 125  # inches; 1550 x 1100 pixels
TOP, BOTTOM = 4.52, 0.6  # where the two rows of panels stand
ROOM = 2.65  # their height
LEFT, MIDDLE, RIGHT = 0.45, 5.7, 9.9  # where their columns begin
_BLOCK = 3.9  # the width of a block of small panels

INK, QUIET, RULE = "#222222", "#6b6b6b", "#b8b8b8"
BLUE, ORANGE, SHADE = "#0b5fa5", "#d55e00", "#e9f0f6"
SIGNED, LOUDNESS = "RdBu_r", "YlGnBu"  # colour maps: about zero, and from quiet to loud
MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
}


def text(figure: Figure, left: float, bottom: float, said: str, **style: Any) -> None:
    """Write a line at a place in inches, its dollar signs and all."""
    figure.text(left / WIDTH, bottom / HEIGHT, said, parse_math=False, **style)


def heading(figure: Figure, left: float, bottom: float, headline: str, note: str) -> None:
    """Write what a panel shows, and how to read it, above one that stands at ``bottom``."""
    text(figure, left, bottom + ROOM + 0.42, headline, size=11, weight="bold")
    text(figure, left, bottom + ROOM + 0.2, note, size=8, color=QUIET)


def add_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes at a place in inches."""
    return figure.add_axes((left / WIDTH, bottom / HEIGHT, width / WIDTH, height / HEIGHT))


def add_block(figure: Figure, bottom: float, count: int) -> list[Axes]:
    """Add up to six small square panels in the left column, with room for a label above each."""
    columns = {1: 1, 2: 2, 3: 2, 4: 2}.get(count, 3)
    rows = -(-count // columns)
    label, gap = (0.2, 0.12) if count > 1 else (0.0, 0.0)
    side = min((_BLOCK - gap * (columns - 1)) / columns, (ROOM - 0.08 * (rows - 1)) / rows - label)
    across, down = side + gap, side + label + 0.08
    places = [divmod(n, columns) for n in range(count)]
    return [
        add_axes(figure, LEFT + column * across, bottom + (rows - 1 - row) * down, side, side)
        for row, column in places
    ]


def label_panel(axes: Axes, said: str) -> None:
    """Write a small label above a panel."""
    axes.set_title(said.replace("-", MINUS), fontsize=7.5, color=QUIET, loc="left", pad=3)


def add_colour_bar(
    figure: Figure,
    image: AxesImage,
    panels: list[Axes],
    label: str,
    ticks: list[float] | None = None,
) -> None:
    """Put a bar to the right of panels; its ticks are the limits and zero unless told."""
    boxes = [panel.get_position() for panel in panels]
    right, bottom = max(box.x1 for box in boxes), min(box.y0 for box in boxes)
    height = max(box.y1 for box in boxes) - bottom
    axes = figure.add_axes((right + 0.12 / WIDTH, bottom, 0.1 / WIDTH, height))
    low, high = image.get_clim()
    bar = figure.colorbar(image, cax=axes)
    bar.set_ticks(ticks or [low, 0, high])
    if ticks is None:
        bar.set_ticklabels([f"{MINUS}{short(high)}", "0", f"+{short(high)}"])
    for spine in axes.spines.values():
        spine.set_visible(False)
    bar.set_label(label, color=QUIET, labelpad=5)
    axes.tick_params(length=2, pad=2)


def draw_pixels(axes: Axes, values: Tensor, limit: float, scale: int, offset: int) -> AxesImage:
    """Draw signed values ``(H, W)``, with lines where low-resolution pixels begin.

    Args:
        axes: Where.
        values: A square of them.
        limit: The value of the deepest colours, of either sign.
        scale: High-resolution pixels from one line to the next.
        offset: A pixel at which a low-resolution one begins.
    """
    image = axes.imshow(
        values.numpy(), cmap=SIGNED, vmin=-limit, vmax=limit, interpolation="nearest"
    )
    side = values.shape[-1]
    for line in range(offset % scale, side + 1, scale):
        for draw in (axes.axhline, axes.axvline):
            draw(line - 0.5, color="#8a8a8a", linewidth=0.5, clip_on=False)
    axes.set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(True)
    return image


def draw_gain(axes: Axes, decibels: Tensor, scale: int, floor: float) -> list[tuple[float, float]]:
    """Draw a gain in dB from frequency 0 to 1/2, with the pass band shaded.

    A dot shows how much of a flat area becomes a checkerboard, at each multiple of ``1 / scale``.

    Args:
        axes: Where.
        decibels: The gain ``(n,)``.
        scale: The factor s.
        floor: Where a dot lies that is lower.

    Returns:
        Frequency and level of each dot.
    """
    axes.set(xlim=(0, 0.5))
    axes.axvspan(0, 0.5 / scale, color=SHADE, linewidth=0, zorder=0)
    axes.plot(torch.linspace(0, 0.5, len(decibels)), decibels, color=BLUE, linewidth=1.6)
    levels = [
        float(decibels[2 * k * (len(decibels) - 1) // scale]) for k in range(1, scale // 2 + 1)
    ]
    dots = [(k / scale, level) for k, level in enumerate(levels, 1)]
    for frequency, level in dots:
        axes.plot(
            [frequency], [max(level, floor)], "o", color=ORANGE, markersize=6, clip_on=False,
            zorder=3,
        )  # fmt: skip
    return dots


def box_pixel(axes: Axes, start: int, scale: int) -> None:
    """Box the low-resolution pixel that begins at row and column ``start`` of a drawing."""
    low, high = start - 0.5, start + scale - 0.5
    axes.plot(
        [low, high, high, low, low], [low, low, high, high, low], color=INK, linewidth=1.3,
        clip_on=False, scalex=False, scaley=False,
    )  # fmt: skip


def short(value: float) -> str:
    """Write a value with three digits or so, its sign as a proper minus."""
    size = abs(value)
    digits = 3 if 0 < size < 0.1 else 2 if size < 10 else 1
    return f"{value:.{digits}f}".replace("-", MINUS)
