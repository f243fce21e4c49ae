"""The folder of a sweep: which runs it has, and how far they are.

``sweep.json`` is the plan, each run has a folder of its name, ``logs/`` holds what they print, and
``failures/`` a text for each that failed when it was last tried.
"""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from srlab.errors import UserError
from srlab.storage.atomic import write_atomically

_PLAN = "sweep.json"
_LONGEST = 100  # bytes of a name without its digest; file systems take 255


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
    """

    runs: dict[str, Planned] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    started: float = 0.0
    finished_before: int = 0
    asked: list[str] = field(default_factory=list)


def read_sweep(folder: Path) -> Sweep:
    """Read the plan of a sweep.

    Raises:
        UserError: There is none, or it is damaged.
    """
    path = folder / _PLAN
    try:
        content = json.loads(path.read_text())
        runs = {str(name): Planned(**run) for name, run in content.pop("runs").items()}
        return Sweep(runs, **content)
    except OSError:
        raise UserError(f"{folder} is not a sweep: it has no {_PLAN}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"{path} is damaged: it is not the plan of a sweep") from None


def is_sweep(folder: Path) -> bool:
    """Tell whether a folder holds a sweep."""
    return (folder / _PLAN).exists()


def write_sweep(folder: Path, sweep: Sweep) -> None:
    """Write the plan of a sweep."""
    write_atomically(folder / _PLAN, (json.dumps(asdict(sweep), indent=2) + "\n").encode())


def is_finished(folder: Path) -> bool:
    """Tell whether the run in a folder is finished."""
    return (folder / "results.json").exists()


def read_json(path: Path) -> Any:
    """Return what a file of a run holds.

    Raises:
        UserError: It cannot be read.
    """
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged: {error}") from None


def read_results(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the results of a finished run, bicubic's and the network's, test set by test set.

    Raises:
        UserError: They cannot be read.
    """
    results = read_json(folder / "results.json")
    if not isinstance(results, list):
        raise UserError(f"{folder}/results.json is damaged: it is no list of results")
    return results[::2], results[1::2]  # they stand in turn


def mean_scores(folder: Path) -> list[tuple[str, float, float]]:
    """Return test set, PSNR and SSIM of a finished run's network, test set by test set."""
    _, ours = read_results(folder)
    return [(r["testset"], math.inf if r["psnr"] is None else r["psnr"], r["ssim"]) for r in ours]


def log_file(sweep: Path, name: str) -> Path:
    """Return where a run of a sweep says what a run says."""
    return sweep / "logs" / f"{name}.log"


def failure_file(sweep: Path, name: str) -> Path:
    """Return where it is told why a run of a sweep failed, in the first line."""
    return sweep / "failures" / f"{name}.txt"


def failures(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return in a line why runs failed, by their names."""
    files = {name: failure_file(folder, name) for name in names}
    return {n: file.read_text().partition("\n")[0] for n, file in files.items() if file.exists()}


def run_names(runs: Sequence[dict[str, str]]) -> list[str]:
    """Return a name for each run that tells its place on the axes, as in ``seed0-deconv``.

    Args:
        runs: For each its value by the key of the axis.
    """
    told = ["-".join(group_word(key, value) for key, value in run.items()) for run in runs]
    short = [_slug(text).encode()[:_LONGEST].decode(errors="ignore") for text in told]
    folded = [name.casefold() for name in short]  # on some disks A and a are one folder
    return [
        name if name == text and folded.count(name.casefold()) == 1 else f"{name}-{digest(run)}"
        for name, text, run in zip(short, told, runs, strict=True)
    ]


def group_word(key: str, value: str, joint: str = "") -> str:
    """Name a value: a number wants its key beside it, the option of a group does not."""
    key = key.lstrip("+").split("@")[0].split(".")[-1].split("/")[-1]
    alone = re.fullmatch(r"[a-zA-Z]\w*", value) and value.lower() not in ("true", "false", "null")
    return value if alone else f"{key}{joint}{value}"


def _slug(text: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", text).strip("._") or "run"


def digest(content: Any) -> str:
    """Return eight letters that stand for plain data."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
