"""What the tools of this folder share: cases in forks of one process, judged and told.

Each case depends on ``--seed`` and its number alone, so both make it again. A case runs in a fork,
which has everything imported: 10,000 of them take minutes.
"""

import argparse
import gc
import hashlib
import os
import pickle
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch

from srlab.console.progress import show_progress
from srlab.errors import UserError

SECONDS = 60  # after which a case hangs
MEMORY = 2 << 30  # bytes that no case may need
_ROOM = 2 * MEMORY  # after which the system refuses more, for the sake of other processes
_LONGEST = 6000  # letters of a complaint


@dataclass
class Outcome:
    """What came of a case.

    Args:
        status: The exit status; of a process that a signal ended, its number with a minus.
        said: What was printed, as output and as errors.
        memory: The most that it held, in bytes.
        answer: What the function returned; None if it did not.
        interrupted: Whether it was, as it had taken long.
    """

    status: int
    said: str
    memory: int
    answer: Any
    interrupted: bool = False


Case = Callable[[Random, Path], tuple[str, list[str]]]


def in_fork(work: Callable[[], Any], patience: float = 0, seconds: int = SECONDS) -> Outcome:
    """Call a function in a fork of this process, whose memory and time are bounded.

    What it raises is told as the command line tells it: a mistake of the user's ends with status 2
    and its sentence, all else with a traceback. After ``patience`` seconds, if not 0, it gets
    SIGINT; after ``seconds`` it is ended.
    """
    late: list[int] = []
    with tempfile.TemporaryDirectory(prefix="srlab-fuzz-") as name:
        said, answer = Path(name, "said"), Path(name, "answer")
        with warnings.catch_warnings(action="ignore"):  # Python 3.12 warns of threads, if any
            process = os.fork()
        if not process:
            _be_the_fork(work, said, answer, seconds)

        def interrupt(*_: Any) -> None:
            late.append(process)
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGINT)

        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, patience)
        _, status, usage = os.wait4(process, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        code = os.waitstatus_to_exitcode(status)
        return Outcome(
            code,
            said.read_text(encoding="utf-8", errors="replace") if said.exists() else "",
            1024 * usage.ru_maxrss,
            pickle.loads(answer.read_bytes()) if code == 0 and answer.exists() else None,
            bool(late),
        )


def _be_the_fork(work: Callable[[], Any], said: Path, answer: Path, seconds: int) -> None:
    status = 1
    try:
        handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, source in enumerate((nothing, handle, handle)):
            os.dup2(source, number)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1) for n in (1, 2))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + _ROOM, used + _ROOM))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        answer.write_bytes(pickle.dumps(work()))
        status = 0
    except UserError as error:
        print(f"srlab: {error}", file=sys.stderr)
        status = 2
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def plain_faults(outcome: Outcome, allowed: tuple[int, ...] = (0, 2)) -> list[str]:
    """Return what is wrong with any case that ends so: no result is looked at."""
    faults = []
    lines = outcome.said.strip().splitlines() or [""]
    if outcome.status == -signal.SIGALRM:
        faults.append("it hangs")
    elif outcome.status < 0:
        faults.append(f"it crashes by {signal.Signals(-outcome.status).name}")
    elif "Traceback (most recent call last)" in outcome.said:
        faults.append(f"a traceback: {lines[-1][:200]}")
    elif outcome.status not in allowed:
        faults.append(f"it ends with status {outcome.status}: {lines[-1][:200]}")
    elif outcome.status == 2 and "srlab: " not in outcome.said:
        faults.append("it ends with status 2 and says nothing")
    elif outcome.status == 2 and len(outcome.said) > _LONGEST:
        faults.append(f"it complains in {len(outcome.said):,} letters")
    if outcome.memory > MEMORY:
        faults.append(f"it takes {outcome.memory / 2**30:.1f} GiB")
    return faults


def contents(folder: Path) -> dict[str, str]:
    """Return a SHA-256 of each file under a folder, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def left_over(folder: Path) -> list[str]:
    """Return the temporary files and folders under a folder: hidden ones, as srlab names them."""
    return [p.relative_to(folder).as_posix() for p in folder.rglob(".*") if p.name != ".gitignore"]


def touched(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return a fault for each file that is no longer what it was."""
    return [
        f"{name} of the user's was changed" for name in before if after.get(name) != before[name]
    ]


@contextmanager
def workplace() -> Iterator[Path]:
    """Make an empty folder, be in it, and remove it afterwards; the cache is in it, too."""
    before, environment = Path.cwd(), dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="srlab-fuzz-") as name:
        os.environ |= {"SRLAB_CACHE": str(Path(name, "cache")), "SRLAB_DATA": name}
        os.environ.pop("HYDRA_FULL_ERROR", None)
        os.chdir(name)
        try:
            yield Path(name)
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ |= environment


def run_tool(
    about: str, prepare: Callable[[Path], Case], arguments: list[str] | None = None
) -> None:
    """Run the cases that the command line asks for; leave with status 1 if one has a fault.

    Args:
        about: What the tool does, for its help.
        prepare: Makes what all cases share, in a folder, and returns a case: of random numbers and
            a new empty folder to what was tried and its faults.
        arguments: The command line, if it is not that of this process.
    """
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0, help="which cases (0)")
    parser.add_argument("--count", type=int, default=100, help="how many (100)")
    parser.add_argument("--first", type=int, default=0, help="number of the first (0)")
    parser.add_argument(
        "--keep", type=Path, help="an existing folder for the inputs of faulty cases"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    start, faulty = time.monotonic(), 0
    with workplace() as place:
        case = prepare(place)
        gc.freeze()  # or every fork would copy the pages of all objects
        for number in range(options.first, options.first + options.count):
            show_progress(f"case {number - options.first} of {options.count}, {faulty} faulty")
            folder = place / "case"
            folder.mkdir()
            tried, faults = case(Random(f"{options.seed}/{number}"), folder)
            if faults:
                faulty += 1
                show_progress("")
                for fault in faults:
                    print(f"--seed {options.seed} --first {number}: {tried}: {fault}", flush=True)
                if options.keep:
                    shutil.copytree(folder, options.keep / f"{options.seed}-{number}")
            shutil.rmtree(folder)
    show_progress("")
    seconds = time.monotonic() - start
    print(f"seed {options.seed}: {options.count} cases, {faulty} faulty, in {seconds:.0f} s")
    sys.exit(bool(faulty))
