"""The folder of a sweep: which runs it has, and which of them failed.

``sweep.json`` is the plan, each run has a folder of its name, ``logs/`` holds what they print, and
``failures/`` a text for each that failed when it was last tried.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from srlab.errors import UserError
from srlab.storage.atomic import remove_abandoned, write_json

_PLAN = "sweep.json"


@dataclass(frozen=True)
class Planned:
    """A run of a sweep: all overrides that make it, and its place on each axis."""

    overrides: list[str]
    axes: dict[str, str]


@dataclass
class Sweep:
    """What ``sweep.json`` holds.

    Args:
        runs: All runs by name, in order.
        commands: The command lines that made them.
        started: When the latest of them began, in seconds since the epoch.
        finished_before: Runs that were finished then, of those it asks for.
        asked: The names of these.
        pause: Step at which they leave; None: when they are finished.
    """

    runs: dict[str, Planned] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    started: float = 0.0
    finished_before: int = 0
    asked: list[str] = field(default_factory=list)
    pause: int | None = None


def read_sweep(folder: Path) -> Sweep:
    """Read the plan of a sweep.

    Raises:
        UserError: There is none, or it is damaged.
    """
    path = folder / _PLAN
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        runs = {str(name): Planned(**run) for name, run in content.pop("runs").items()}
        return Sweep(runs, **content)
    except OSError:
        raise UserError(f"{folder} is not a sweep: it has no {_PLAN}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"{path} is damaged: it is not the plan of a sweep") from None


def is_sweep(folder: Path) -> bool:
    """Tell whether a folder holds a sweep."""
    return (folder / _PLAN).exists()


def is_empty(folder: Path) -> bool:
    """Tell whether a folder is empty, but for a plan that a killed process had begun to write."""
    remove_abandoned(folder, _PLAN)
    return not any(folder.iterdir())


def write_sweep(folder: Path, sweep: Sweep) -> None:
    """Write the plan of a sweep."""
    write_json(folder / _PLAN, asdict(sweep))


def log_file(sweep: Path, name: str) -> Path:
    """Return where a run of a sweep says what a run says."""
    return sweep / "logs" / f"{name}.log"


def failure_file(sweep: Path, name: str) -> Path:
    """Return where it is told why a run of a sweep failed, in the first line."""
    return sweep / "failures" / f"{name}.txt"


def failures(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return in a line why runs failed, by their names."""
    files = {name: failure_file(folder, name) for name in names}
    return {
        n: file.read_text(encoding="utf-8").partition("\n")[0]
        for n, file in files.items()
        if file.exists()
    }
