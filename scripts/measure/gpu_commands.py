"""Commands with a time limit, and many command lines of srlab in one process, for ``gpu.py``."""

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT, SCRIPT = Path(__file__).resolve().parents[2], Path(__file__).with_name("gpu.py").resolve()
AGAIN = 75  # exit status of a child in which CUDA is of no use any more
NO_CUDA = 76  # and of one that sees no CUDA device
EACH = 60  # seconds of one command line of a child, after which it counts as hanging


class NoCuda(Exception):
    """There is no CUDA device, though one is wanted."""


@dataclass
class Tour:
    """All stages together.

    Args:
        options: The command line.
        results: Folder of what goes into the archive.
        scratch: Folder of what does not.
        end: When the budget is spent, by the monotonic clock.
        stage_end: When the time of the present stage is.
        began: When all began.
        lines: The summary so far.
        bad: What failed or was cut off.
    """

    options: argparse.Namespace
    results: Path
    scratch: Path
    end: float
    stage_end: float = 0.0
    began: float = field(default_factory=time.monotonic)
    lines: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Print a line and put it into the summary."""
        self.lines.append(text)
        with contextlib.suppress(BrokenPipeError):  # the figures outlast who reads along
            print(text, flush=True)

    def fail(self, text: str) -> None:
        """Say what went wrong; the exit status will tell it."""
        self.bad.append(text)
        self.say(f"FAILED: {text}")


def at_once(
    tour: Tour, commands: dict[str, Sequence[object]], most: float = float("inf"), **variables: str
) -> list[str]:
    """Run commands of Python side by side, killed with all they started when their time is up.

    Args:
        tour: What they are a part of: its stage's time is theirs.
        commands: The arguments of Python by name; what each prints goes to ``NAME.txt``.
        most: Seconds for all of them, if the stage has more.
        variables: Environment variables on top of the usual ones.

    Returns:
        The names of those that ended with 0.

    Raises:
        NoCuda: One of them wants a CUDA device and sees none.
    """
    until = min(tour.stage_end, time.monotonic() + most * tour.options.slow)
    if until - time.monotonic() < 1:
        tour.fail(f"{', '.join(commands)}: not begun, the time of the stage is spent")
        return []
    running: dict[str, subprocess.Popen[bytes]] = {}
    statuses: dict[str, int | None] = {}
    try:
        for name, arguments in commands.items():
            with (tour.results / f"{name}.txt").open("ab") as file:
                running[name] = subprocess.Popen(
                    [sys.executable, *map(str, arguments)], cwd=tour.scratch,
                    env=_environment(tour) | variables, stdin=subprocess.DEVNULL, stdout=file,
                    stderr=subprocess.STDOUT, start_new_session=True,
                )  # fmt: skip
        for name, process in running.items():
            with contextlib.suppress(subprocess.TimeoutExpired):
                statuses[name] = process.wait(max(0.0, until - time.monotonic()))
    finally:
        for process in running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if NO_CUDA in statuses.values():
        raise NoCuda("torch sees no CUDA device here; --device cpu --tiny shows that it runs")
    for name in commands:
        _tell_fault(tour, name, statuses.get(name))
    return [name for name, status in statuses.items() if status == 0]


def command(
    tour: Tour,
    name: str,
    arguments: Sequence[object],
    most: float = float("inf"),
    show: str = "",
    **variables: str,
) -> bool:
    """Run a command of Python as ``at_once`` does, and tell whether it ended with 0.

    Args:
        tour: What it is a part of.
        name: ``NAME.txt`` holds what it prints.
        arguments: Those of Python.
        most: Seconds, if the stage has more.
        show: What lines of the text go to the summary, as a regular expression.
        variables: Environment variables on top of the usual ones.
    """
    good = at_once(tour, {name: arguments}, most, **variables)
    text = tour.results / f"{name}.txt"
    if show and text.exists():
        for line in text.read_text(errors="replace").splitlines():
            if re.search(show, line):
                tour.say(line[:200].removeprefix(":: "))
    return bool(good)


def _environment(tour: Tour) -> dict[str, str]:
    """Return the environment of a command: this checkout's srlab, and a cache that is new."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "MPLBACKEND": "Agg",
        "SRLAB_DATA": str(data_folder()),
        "SRLAB_CACHE": str(tour.scratch / "cache"),
    }


def _tell_fault(tour: Tour, name: str, status: int | None) -> None:
    """Say what ended otherwise than it should, and the last that it printed."""
    if status in (0, AGAIN):
        return
    tour.fail(f"{name} " + ("was cut off" if status is None else f"ended with {status}"))
    text = (tour.results / f"{name}.txt").read_text(errors="replace")
    for line in text.splitlines()[-4:]:
        tour.say(f"    {line[:200]}")


def job(
    name: str, line: str, *more: str, benchmark: bool = False, **values: object
) -> dict[str, Any]:
    """Return a command line of srlab for ``many``.

    Args:
        name: What its text is called.
        line: Verb and arguments, none of which holds a space.
        more: Further arguments, as they are.
        benchmark: Whether cuDNN tries its algorithms and takes the quickest.
        values: Further ``key=value``.
    """
    arguments = [*line.split(), *more, *(f"{key}={value}" for key, value in values.items())]
    return {"name": name, "arguments": arguments, "benchmark": benchmark}


def many(tour: Tour, name: str, jobs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Run command lines of srlab one after the other in one process: importing torch takes seconds.

    A process that CUDA has given up, that crashes or hangs is replaced for the lines that are left.

    Returns:
        A record of each line that came to its end, by name; see ``gpu_child.child``.
    """
    list_file, records_file = tour.scratch / f"{name}.json", tour.results / f"{name}.jsonl"
    list_file.write_text(json.dumps(jobs))
    left, before = jobs, None
    while left and left != before and time.monotonic() + 1 < tour.stage_end:
        before = left
        command(tour, name, [
            SCRIPT, "--child", list_file, "--out", tour.results, "--device", tour.options.device,
            "--slow", tour.options.slow,
        ])  # fmt: skip
        left = json.loads(list_file.read_text())
    written = records_file.read_text().splitlines() if records_file.exists() else []
    records = {record["name"]: record for record in map(json.loads, written)}
    for record in records.values():
        if record["error"]:
            tour.fail(f"{record['name']}: {record['error']}")
    if unreached := [entry["name"] for entry in left]:
        tour.fail(f"{name}: not reached: {', '.join(unreached)}")
    names = [entry["name"] for entry in jobs]
    if lost := [n for n in names if n not in records and n not in unreached]:
        tour.fail(f"{name}: did not come to an end: {', '.join(lost)}")
    return records


def data_folder() -> Path:
    """Return the folder of the image sets, as srlab finds it."""
    return Path(os.environ.get("SRLAB_DATA", "data")).absolute()


def read(results: Path, name: str) -> Any:
    """Return what was written as JSON under a name, or None."""
    path = results / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def write(tour: Tour, name: str, content: object) -> None:
    """Write something as JSON."""
    (tour.results / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
