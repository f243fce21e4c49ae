"""What a measurement found: a table for the console, and JSON with the machine it was made on."""

import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from srlab.console.tables import aligned
from srlab.errors import UserError
from srlab.machine.facts import machine
from srlab.machine.memory import keep_freed_memory
from srlab.measuring.timing import median_ratio
from srlab.storage.atomic import write_json
from srlab.storage.folders import check_new_file


@dataclass(frozen=True)
class Figure:
    """Times of one thing that was run again and again.

    Args:
        name: What was run.
        seconds: One for each repetition, per unit.
        note: How it was run.
    """

    name: str
    seconds: list[float]
    note: str = ""

    @property
    def median(self) -> float:
        """The median, in seconds."""
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Measurement:
    """A measurement.

    Args:
        title: What was measured, on what, in a line.
        unit: What the times are per: step, picture, ...
        figures: What ran in turn; the first is the bare limit, the second is ours.
        split: What one unit of ours consists of, in seconds; measured by themselves, one after the
            other, so that what overlaps in ours adds up to more.
        memory: Peak memory in bytes, where that is known.
        settings: The settings.
    """

    title: str
    unit: str
    figures: list[Figure]
    split: dict[str, float]
    memory: int | None
    settings: dict[str, Any]

    @property
    def ratio(self) -> float:
        """What ours reaches of the bare limit's rate."""
        return median_ratio(self.figures[0].seconds, self.figures[1].seconds)


def begin_measuring(repeats: int, threads: int, output: str | None) -> None:
    """Check, before the work, what all measurements are told, and set the process up as a run is.

    Raises:
        UserError: A number is out of range, or the output cannot be written.
    """
    if repeats < 1:
        raise UserError(f"repeats must be at least 1, got {repeats}")
    most = os.cpu_count() or 1
    if not 0 <= threads <= most:
        raise UserError(f"threads must be 0, torch's choice, or up to {most}, got {threads}")
    if output is not None:
        check_new_file(Path(output).expanduser(), "output")
    keep_freed_memory()
    if threads:
        torch.set_num_threads(threads)


def check_size(width: int, height: int) -> None:
    """Check the size of the picture that a measurement is of.

    Raises:
        UserError: A side is under 1.
    """
    if min(width, height) < 1:
        raise UserError(f"width and height must be at least 1, got {width}x{height}")


def table(measurement: Measurement) -> str:
    """Return a measurement as a table for the console."""
    unit = measurement.unit
    rows: list[Sequence[str]] = [("", f"ms a {unit}", "least", "most", f"{unit}s a second", "")]
    for figure in measurement.figures:
        times = (figure.median, min(figure.seconds), max(figure.seconds))
        milliseconds = (f"{1e3 * t:.3f}" for t in times)
        rows.append((figure.name, *milliseconds, f"{1 / figure.median:.1f}", figure.note))
    bare, ours = measurement.figures[:2]
    ratios = [a / b for a, b in zip(bare.seconds, ours.seconds, strict=True)]
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    lines = [measurement.title, "", *aligned(rows), ""]
    lines.append(
        f"{ours.name} reaches {measurement.ratio:.3f} of the {bare.name} "
        f"(median of {len(ratios)} pairs, {spread})"
    )
    if measurement.split:
        parts = "  ".join(f"{name} {1e3 * t:.3f}" for name, t in measurement.split.items())
        lines.append(f"ms of a {unit}, each by itself: {parts}")
    if measurement.memory is not None:
        lines.append(f"peak memory, of all that ran: {measurement.memory / 2**20:,.0f} MiB")
    return "\n".join(lines)


def report(measurement: Measurement, output: str | None, device: torch.device) -> None:
    """Print a measurement that was made on a device and, if asked, write it as JSON."""
    print(table(measurement))
    if output is not None:
        content = asdict(measurement) | {"ratio": measurement.ratio, "machine": machine(device)}
        write_json(Path(output).expanduser(), content)
        print(f"written: {output}")
