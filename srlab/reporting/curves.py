"""Training curves, read from the TensorBoard events of runs."""

from collections.abc import Iterable
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

_SCALARS_ALONE = {
    "scalars": 0,  # all of them
    "images": 1,
    "tensors": 1,
    "histograms": 1,
    "compressedHistograms": 1,
    "audio": 1,
}

Curve = list[tuple[int, float]]


def read_curves(run: Path, prefixes: Iterable[str]) -> dict[str, Curve]:
    """Return the scalars of a run as ``(step, value)`` by their tags.

    What a killed run wrote after its last checkpoint is left out, as in TensorBoard itself.

    Args:
        run: The run folder.
        prefixes: Tags that begin with one of these are returned.
    """
    events = EventAccumulator(str(run / "tensorboard"), size_guidance=_SCALARS_ALONE)
    events.Reload()
    wanted = tuple(prefixes)
    tags = [tag for tag in events.Tags()["scalars"] if tag.startswith(wanted)]
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in tags}


def spread(curves: list[Curve]) -> list[tuple[int, float, float, float]]:
    """Return step, mean, least and largest value over runs, at the steps that all of them have."""
    values = [dict(curve) for curve in curves]
    steps = sorted(set.intersection(*(set(v) for v in values))) if values else []
    at = [[v[step] for v in values] for step in steps]
    return [(s, sum(v) / len(v), min(v), max(v)) for s, v in zip(steps, at, strict=True)]
