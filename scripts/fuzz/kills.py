"""Kill srlab at file-system events, let it go on, and compare with a run that was left alone.

usage: python scripts/fuzz/kills.py [--seed 0] [--count 100] [--first 0] [--keep FOLDER]

SIGKILL, SIGTERM, SIGINT or SIGHUP comes at a random event (a file opened to be written, renamed,
removed, locked) or some milliseconds later, in a training (alone, with data workers, with
``trainer.devices=2``), a sweep, an upscaling of a folder and of a video, and a fetching of a public
set from a local server. Then the same command, or ``resume=``, must end with the same bits. Faults
are what ``cases.plain_faults`` names, and: other results, files or processes left over, inputs that
were changed.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from cases import Case, Outcome, contents, in_fork, left_over, plain_faults, run_tool, touched
from dying import FIRST_IMPORT, SIGNALS, VARIABLE, die_at
from PIL import Image
from serving import start_server
from small import SMALL, final_bits, make_pictures, same, srlab, warm_up

from srlab.commands.data import command as data

_SECONDS = 300  # in which a command ends where the machine is busy with others
_WITHIN = 20  # seconds in which all processes end
_MODEL = ("model=espcn_x2", "device=cpu")


@dataclass
class Job:
    """A command that is killed.

    Args:
        share: How often it is.
        command: Its arguments.
        results: What it makes, by its folder.
        run: A run folder by which it is resumed; none: the same command goes on.
        worker: Whether the events are those of a worker that it starts.
    """

    share: int
    command: tuple[str, ...]
    results: Callable[[Path], Any]
    run: str = ""
    worker: bool = False

    def again(self, folder: Path) -> tuple[str, ...]:
        """Return the arguments by which it goes on."""
        begun = self.run and (folder / self.run / "config.yaml").exists()
        return ("train", f"resume={self.run}") if begun else self.command


def of_run(run: Path) -> Any:
    """Return the bits and the tables of a run, and the names of its files."""
    names = {path.name for path in run.iterdir() if not path.name.startswith("events.")}
    tables = [(run / name).read_bytes() for name in ("results.json", "results.csv")]
    return [sorted(names), tables, final_bits(run)]


def of_sweep(folder: Path) -> Any:
    """Return what the runs of a sweep hold, by their names, and what else there is."""
    names = sorted(path.name for path in folder.iterdir())
    return [names, [of_run(path.parent) for path in sorted(folder.glob("*/config.yaml"))]]


def of_video(path: Path) -> Any:
    """Return the packets of a video; its file holds a random number, too."""
    import av

    with av.open(str(path)) as file:
        return [(packet.pts, bytes(packet)) for packet in file.demux(video=0)]


JOBS = {
    "train": Job(5, ("train", *SMALL, "run_dir=run"), lambda f: of_run(f / "run"), "run"),
    "train with workers": Job(
        3, ("train", *SMALL, "run_dir=run", "trainer.workers=2"), lambda f: of_run(f / "run"), "run"
    ),
    "train on two devices": Job(
        1, ("train", *SMALL, "run_dir=run", "trainer.devices=2"), lambda f: of_run(f / "run"),
        "run", True,
    ),
    "sweep": Job(
        2, ("sweep", *SMALL, "seed=0,1", "sweep_dir=swept"), lambda f: of_sweep(f / "swept")
    ),
    "upscale a folder": Job(
        4, ("upscale", *_MODEL, "input=in", "output=out"), lambda f: contents(f / "out")
    ),
    "upscale a video": Job(
        4, ("upscale", *_MODEL, "input=clip.mkv", "output=large.mkv"),
        lambda f: of_video(f / "large.mkv"),
    ),
    "data fetch": Job(
        5, ("data", "fetch", "set5", "root=sets", "jobs=2"), lambda f: contents(f / "sets")
    ),
}  # fmt: skip


@dataclass
class Death:
    """When a process gets which signal; see ``dying``."""

    number: int = -1
    sign: int = 0
    wait: int = 0
    rank: int = 0
    parent: int = 0


def run(folder: Path, job: Job, arguments: tuple[str, ...], death: Death, sets: Any) -> None:
    """Run a command with a signal to come; write how many events there were to ``events``."""
    os.environ |= {"TMPDIR": str(folder / "tmp"), "HOME": str(folder)}
    data.read_manifests = lambda: sets
    place = str(folder / "home")
    if job.worker:
        path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
        plan = f"{death.rank} {place} {death.number} {death.sign} {death.wait} {death.parent}"
        os.environ |= {"PYTHONPATH": path, VARIABLE: plan}
        (folder / "sitecustomize.py").write_text(FIRST_IMPORT)
        seen = []
    else:
        seen = die_at(place, death.number, death.sign, death.wait)
    try:
        srlab(folder / "home", *arguments)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what comes now is the tool's own
        (folder / "events").write_text(str(len(seen)))


def try_once(folder: Path, job: Job, death: Death, sets: Any) -> tuple[Outcome, list[str], bool]:
    """Run a command, or go on; return how it ended, what is wrong with that, and if it is done."""
    arguments = job.again(folder / "home")
    outcome = in_fork(lambda: run(folder, job, arguments, death, sets), seconds=_SECONDS)
    # Where a worker alone gets a signal, it is told as one that all of them got, or as a failure.
    allowed = (0, 128 + death.sign, *((2, 128 + signal.SIGTERM) if job.worker else ()))
    faults = plain_faults(outcome, allowed)
    # It may have been killed when all was done.
    done = outcome.status == 0 or "exists already" in outcome.said
    if done or outcome.status == -death.sign:
        faults = [fault for fault in faults if "it crashes" not in fault and "status" not in fault]
    if left := _left_processes(folder):
        faults.append(f"{len(left)} processes are left: {left}")
    return outcome, faults, done


def _left_processes(folder: Path) -> list[str]:
    """Wait for all processes in a folder to end; kill those that do not and return their names."""
    end = time.monotonic() + _WITHIN
    while True:
        left = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if (entry / "cwd").readlink().is_relative_to(folder):
                    left[int(entry.name)] = (entry / "comm").read_text().strip()
            except OSError:
                continue
        if not left or time.monotonic() > end:
            break
        time.sleep(0.05)
    for process in left:
        os.kill(process, signal.SIGKILL)
    return list(left.values())


def make_inputs(home: Path) -> None:
    """Make the pictures and the clip that the commands name."""
    import av

    make_pictures(home)
    shutil.copytree(home / "train", home / "in")
    pixels = np.asarray(Image.open(home / "test/0.png").convert("RGB"))
    with av.open(str(home / "clip.mkv"), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 50, "yuv420p"
        for number in range(8):
            frame = av.VideoFrame.from_ndarray(np.roll(pixels, number, 1).copy(), "rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def prepare(place: Path) -> Case:
    """Run every command once, and return a case that kills one of them."""
    make_pictures(place / "warm")
    warm_up(place / "warm", *SMALL)
    sets = start_server()
    home = place / "inputs"
    outcome = in_fork(lambda: make_inputs(home))
    if outcome.status:
        raise RuntimeError(outcome.said)
    inputs = contents(home)
    known: dict[str, tuple[int, Any]] = {}

    def undisturbed(name: str) -> tuple[int, Any]:
        """Return how many events a command has, and what it makes."""
        if name not in known:
            folder, job = place / "undisturbed", JOBS[name]
            _lay_out(home, folder)
            outcome, faults, _ = try_once(folder, job, Death(), sets)
            if faults or outcome.status:
                raise RuntimeError(f"{name}, undisturbed: {faults} {outcome.said}")
            count = 50 if job.worker else int((folder / "events").read_text())
            known[name] = count, job.results(folder / "home")
            shutil.rmtree(folder)
        return known[name]

    def case(random: Random, folder: Path) -> tuple[str, list[str]]:
        (name,) = random.choices(list(JOBS), [job.share for job in JOBS.values()])
        job, (count, results) = JOBS[name], undisturbed(name)
        _lay_out(home, folder)
        told, faults = [], []
        for _ in range(random.choice((1, 1, 2))):
            death = Death(
                random.randrange(count), random.choice(SIGNALS), random.choice((0, 0, 1, 5, 20)),
                random.randrange(2), random.randrange(2),
            )  # fmt: skip
            outcome, found, done = try_once(folder, job, death, sets)
            told.append(f"{signal.Signals(death.sign).name} at {death}, status {outcome.status}")
            faults += found
            if done:
                break
        if not done:
            outcome, found, done = try_once(folder, job, Death(), sets)
            faults += found
        if not done:
            faults.append(f"it does not go on: {outcome.said[-500:]}")
        elif not same(job.results(folder / "home"), results):
            faults.append("its results are others")
        faults += touched(inputs, contents(folder / "home"))
        faults += [f"{left} is left over" for left in left_over(folder / "home")]
        faults += [f"tmp/{path.name} is left over" for path in (folder / "tmp").glob("*srlab*")]
        return f"{name}: {'; '.join(told)}", faults

    return case


def _lay_out(home: Path, folder: Path) -> None:
    (folder / "tmp").mkdir(parents=True)
    shutil.copytree(home, folder / "home")


if __name__ == "__main__":
    if sys.platform != "linux":
        sys.exit("processes are looked for in /proc, which Linux alone has")
    run_tool(__doc__ or "", prepare)
