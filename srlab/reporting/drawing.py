"""One sheet that shows what an upsampler does: its kernel, its spectrum, flat areas and an edge."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from srlab.errors import UserError
from srlab.reporting import responses, sheet
from srlab.reporting.responses import Respond, deviation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FLOOR = -60.0  # dB
_KERNELS = 6


def draw_upsampler(
    title: str,
    numbers: str,
    scale: int,
    respond: Respond,
    *,
    channels: int = 1,
    halo: int = 16,
    kernel: Tensor | None = None,
    padding: int = 0,
) -> bytes:
    """Draw an upsampler, or a network that ends with one, and return the sheet as a PNG.

    Args:
        title: The headline.
        numbers: The line beneath it: parameters, multiply-adds, checkerboard.
        scale: The factor s.
        respond: Maps pictures ``(N, channels, H, W)``, float32 on the CPU, 0 black and 1 white, to
            ``(N, o, s H, s W)``.
        channels: Channels of its pictures.
        halo: How many low-resolution pixels around a pixel its output depends on.
        kernel: The upsampler as a transposed convolution of stride s, ``(i, o, K, K)``, or None
            where it has no fixed kernel.
        padding: What that convolution cuts off the top and the left: line ``padding`` of the kernel
            is the first of the s that lie on the pixel it scatters.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        from matplotlib import style
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("a plot needs matplotlib: pip install matplotlib") from None
    with style.context(["default", sheet.STYLE]):
        figure = Figure(figsize=(sheet.WIDTH, sheet.HEIGHT), dpi=sheet.DPI, facecolor="white")
        sheet.text(figure, sheet.LEFT, sheet.HEIGHT - 0.5, title, size=15, weight="bold")
        sheet.text(figure, sheet.LEFT, sheet.HEIGHT - 0.78, numbers, size=9.5, color=sheet.QUIET)
        if kernel is None:
            _draw_dots(figure, responses.dot_responses(respond, scale, channels, halo), scale)
        else:
            kernel = kernel.detach().double().cpu()
            _draw_kernels(figure, kernel, padding, scale)
            _draw_spectrum(figure, kernel, scale)
        _draw_flats(figure, responses.flat_response(respond, scale, channels, halo), scale)
        _draw_step(figure, responses.step_response(respond, scale, channels, halo), scale)
        file = io.BytesIO()
        FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
    return file.getvalue()


def _draw_kernels(figure: Figure, kernel: Tensor, padding: int, scale: int) -> None:
    """Draw the strongest kernels over the grid of the low-resolution pixels."""
    pairs = responses.strongest(kernel)
    shown = pairs[:1] if _alike(kernel, pairs) else pairs[:_KERNELS]
    size = kernel.shape[-1]
    note = f"{size} {sheet.TIMES} {size} HR pixels; lines: LR pixels; box: the pixel it comes from"
    sheet.heading(figure, sheet.LEFT, sheet.TOP, _kernel_headline(kernel, pairs, len(shown)), note)
    if not shown:
        return
    limit = float(max(kernel[i, o].abs().max() for i, o in shown))
    panels = sheet.add_block(figure, sheet.TOP, len(shown))
    for (i, o), axes in zip(shown, panels, strict=True):
        image = sheet.draw_pixels(axes, kernel[i, o], limit, scale, padding)
        sheet.box_pixel(axes, padding, scale)
        if len(shown) > 1:
            sheet.label_panel(axes, f"in {i}" if kernel.shape[1] == 1 else f"in {i} → out {o}")
    sheet.add_colour_bar(figure, image, panels, "weight: grey levels out per level in")


def _kernel_headline(kernel: Tensor, pairs: list[tuple[int, int]], shown: int) -> str:
    inputs, outputs = kernel.shape[:2]
    if len(pairs) <= 1:
        alone = (
            "Kernel" if inputs * outputs == 1 else f"The one kernel of {inputs * outputs} in use"
        )
        return alone if pairs else "Kernel: all weights are zero"
    if shown == 1:
        return f"Kernel, the same for all {len(pairs)} channels"
    if outputs == 1:
        what = f"{inputs} input channels"
    else:
        what = f"{len(pairs)} kernels ({inputs} channels in, {outputs} out)"
    return f"Kernels of {what}" if shown == len(pairs) else f"{shown} of {what}, the strongest"


def _alike(kernel: Tensor, pairs: list[tuple[int, int]]) -> bool:
    """Tell whether each output has one input, and all of them the same kernel."""
    outputs = [o for _, o in pairs]
    return len(set(outputs)) == len(outputs) > 1 and all(
        torch.allclose(kernel[i, o], kernel[pairs[0]], atol=1e-9) for i, o in pairs
    )


def _draw_dots(figure: Figure, dots: Tensor, scale: int) -> None:
    """Draw what single pixels do where there is no kernel to draw."""
    headline = "No fixed kernel, and so no frequency response"
    note = (
        "Instead: what one LR pixel adds to a mid grey picture when it differs by so much, for "
        "each grey level of that; what is linear draws four equal panels"
    )
    sheet.heading(figure, sheet.LEFT, sheet.TOP, headline, note)
    side, gap = sheet.ROOM - 0.22, 0.4
    places = [sheet.LEFT + number * (side + gap) for number in range(len(dots))]
    panels = [sheet.add_axes(figure, left, sheet.TOP, side, side) for left in places]
    limit = max(float(dots.abs().max()), 1e-6)
    for dot, level, axes in zip(dots, responses.DOT_LEVELS, panels, strict=True):
        image = sheet.draw_pixels(axes, dot, limit, scale, 0)
        sheet.box_pixel(axes, scale * responses.DOT_REACH, scale)
        sheet.label_panel(axes, f"{level:+.0f} grey levels")
    sheet.add_colour_bar(figure, image, panels, "grey levels out per level in")


def _draw_spectrum(figure: Figure, kernel: Tensor, scale: int) -> None:
    """Draw the gain in dB over the plane of frequencies and along its horizontal axis."""
    count = len(responses.strongest(kernel))
    if count == 0:
        return
    gain = responses.frequency_response(kernel, scale)
    decibels, against = responses.decibels(gain)
    step = len(gain) // scale
    worst = float(decibels[::step, ::step].flatten()[1:].max())
    headline = f"checkerboard {_decibels(worst)}"
    sheet.heading(
        figure, sheet.MIDDLE, sheet.TOP, f"Frequency response: {headline}",
        (f"rms of {count} kernels; " if count > 1 else "")
        + f"dashed: pass band; circles: multiples of 1/{scale}",
    )  # fmt: skip
    _draw_plane(figure, decibels.clamp(min=_FLOOR), scale, f"dB; 0 dB: {against}")
    _draw_cut(figure, decibels[0, : len(gain) // 2 + 1].clamp(min=2 * _FLOOR), scale)


def _draw_plane(figure: Figure, decibels: Tensor, scale: int, label: str) -> None:
    """Draw the plane of frequencies, where flat areas lie and where a checkerboard would."""
    axes = sheet.add_axes(figure, sheet.MIDDLE, sheet.TOP, sheet.ROOM, sheet.ROOM)
    first, last = -0.5 - 0.5 / len(decibels), 0.5 - 0.5 / len(decibels)
    image = axes.imshow(
        torch.fft.fftshift(decibels).numpy(), cmap=sheet.LOUDNESS, vmin=_FLOOR,
        vmax=math.ceil(float(decibels.max())), interpolation="nearest",
        extent=(first, last, first, last), origin="lower",
    )  # fmt: skip
    edge = 0.5 / scale
    axes.plot(
        [-edge, edge, edge, -edge, -edge], [-edge, -edge, edge, edge, -edge],
        color="white", linewidth=1.0, linestyle=(0, (3, 2)),
    )  # fmt: skip
    spots = range(-(scale // 2), scale // 2 + 1)
    images = [(x / scale, y / scale) for x in spots for y in spots if x or y]
    for colour, width in (("white", 2.4), (sheet.ORANGE, 1.2)):
        axes.scatter(
            [x for x, _ in images], [y for _, y in images], s=34 if scale <= 4 else 12,
            facecolors="none", edgecolors=colour, linewidths=width, clip_on=False, zorder=3,
        )  # fmt: skip
    ticks = ([-0.5, 0, 0.5], [f"{sheet.MINUS}1/2", "0", "1/2"])
    axes.set(xlim=(-0.5, 0.5), ylim=(-0.5, 0.5))
    axes.set_xticks(*ticks)
    axes.set_yticks(*ticks)
    axes.set_xlabel("horizontal frequency, cycles per HR pixel", labelpad=2)
    axes.set_ylabel("vertical", labelpad=-8)
    for spine in axes.spines.values():
        spine.set_visible(False)
    sheet.add_colour_bar(figure, image, [axes], label, ticks=[_FLOOR, -40, -20, 0])


def _draw_cut(figure: Figure, decibels: Tensor, scale: int) -> None:
    """Draw the gain from frequency 0 to 1/2, and how much of a flat area becomes checkerboard."""
    note = "shaded: pass band; dots: checkerboard"
    sheet.heading(figure, sheet.RIGHT, sheet.TOP, "… along its horizontal axis", note)
    axes = sheet.add_axes(
        figure, sheet.RIGHT, sheet.TOP, sheet.WIDTH - sheet.RIGHT - 0.3, sheet.ROOM
    )
    axes.set(ylim=(_FLOOR, 5 * math.ceil(float(decibels.max()) / 5) + 10))
    for frequency, level in sheet.draw_gain(axes, decibels, scale, _FLOOR):
        axes.axvline(frequency, color=sheet.RULE, linewidth=0.8, zorder=0)
        if level > _FLOOR:
            axes.annotate(
                _decibels(level), (frequency, 1), (-4, -3), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="right", va="top", color=sheet.ORANGE,
            )  # fmt: skip
    axes.set_xticks(*_fractions(scale))
    axes.set_xlabel("frequency, cycles per HR pixel", labelpad=2)
    axes.set_ylabel("dB", labelpad=0)
    axes.tick_params(axis="x", pad=6)


def _decibels(level: float) -> str:
    said = f"{round(level)} dB" if level > _FLOOR else f"< {_FLOOR:.0f} dB"
    return said.replace("-", sheet.MINUS)


def _fractions(scale: int) -> tuple[list[float], list[str]]:
    """Return the multiples of 1/(2 s), or of 1/s if there are many, up to 1/2, and their names."""
    parts = 2 * scale if scale <= 4 else scale
    numerators = range(parts // 2 + 1)
    shared = [math.gcd(k, parts) for k in numerators]
    names = [f"{k // g}/{parts // g}" for k, g in zip(numerators, shared, strict=True)]
    return [k / parts for k in numerators], ["0", *names[1:]]


def _draw_flats(figure: Figure, flats: Tensor, scale: int) -> None:
    """Draw how far flat pictures are from flat."""
    off = deviation(flats)
    worst = float(off.abs().max())
    said = "flat to 0.00" if worst < 0.005 else f"off by up to {sheet.short(worst)}"
    side = flats.shape[-1] // scale
    note = f"{side} {sheet.TIMES} {side} LR pixels each; grey level in → mean level out, of 255"
    sheet.heading(figure, sheet.LEFT, sheet.BOTTOM, f"Flat areas: {said} grey levels", note)
    panels = sheet.add_block(figure, sheet.BOTTOM, len(off))
    means = flats.mean(dim=(-2, -1)).tolist()
    for area, level, mean, axes in zip(off, responses.FLAT_LEVELS, means, panels, strict=True):
        image = sheet.draw_pixels(axes, area, max(worst, 0.5), scale, 0)
        sheet.label_panel(axes, f"{level:.0f} → {mean:z.1f}")
    sheet.add_colour_bar(figure, image, panels, "deviation from their mean, grey levels")


def _draw_step(figure: Figure, profiles: Tensor, scale: int) -> None:
    """Draw the profile of an edge."""
    low, high = responses.STEP_LEVELS
    sheet.heading(
        figure, sheet.MIDDLE, sheet.BOTTOM, f"Edge: {_step_headline(profiles, scale)}",
        f"across a vertical edge between grey {low:.0f} and {high:.0f}; "
        f"bold: mean of all rows; faint: the {scale} phases of a row; grey: LR",
    )  # fmt: skip
    axes = sheet.add_axes(
        figure, sheet.MIDDLE, sheet.BOTTOM, sheet.WIDTH - sheet.MIDDLE - 0.3, sheet.ROOM
    )
    reach, centre = responses.STEP_REACH, profiles.shape[-1] // 2
    pixels = range(-reach, reach + 1)
    levels = [low] * reach + [high] * reach
    axes.stairs(levels, pixels, color=sheet.RULE, linewidth=1.4, baseline=None)
    window = profiles[:, centre - reach * scale : centre + reach * scale]
    x = (torch.arange(-reach * scale, reach * scale) + 0.5) / scale
    for row in window:
        axes.plot(x, row, color=sheet.BLUE, linewidth=0.8, alpha=0.4)
    axes.plot(
        x, window.mean(dim=0), "o-", color=sheet.BLUE, linewidth=1.6,
        markersize=3.6 if scale <= 4 else 0, markeredgewidth=0,
    )  # fmt: skip
    axes.set_xlim(-reach, reach)
    axes.set_xticks(pixels)
    axes.xaxis.grid(True, color="#ececec", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(y=0.08)
    axes.set_xlabel("distance from the edge, LR pixels", labelpad=2)
    axes.set_ylabel("grey level, of 255")


def _step_headline(profiles: Tensor, scale: int) -> str:
    """Say by how much a step overshoots, or that too little of it is left to tell."""
    over, height, ripple = responses.overshoot(profiles, scale)
    given = responses.STEP_LEVELS[1] - responses.STEP_LEVELS[0]
    if height < 0.1 * given:
        return f"{sheet.short(height)} of its {given:.0f} grey levels come through"
    share = 100 * over / height
    said = f"overshoots by {share:.1f} % of its height" if share >= 0.05 else "no overshoot"
    return said if ripple < 1 else f"{said}, checkerboard aside"
