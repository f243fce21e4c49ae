"""One training by several processes of this machine: ``trainer.devices``.

A worker finds the same environment that ``torchrun`` makes, and does what it would do there. Each
is in a group of its own, so that Ctrl-C in a terminal reaches only the process that started them,
which tells them once.
"""

import io
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist

from srlab.config.register import prepare_process
from srlab.errors import Interrupted, UserError
from srlab.machine import ranks
from srlab.machine.processes import end_with_parent
from srlab.machine.signals import asking
from srlab.storage.atomic import scratch_folder

_GRACE = 2.0  # seconds in which the worker that failed first is told from those that miss it
_WORKER = "import sys; from srlab.commands.train.workers import work; work(int(sys.argv[1]))"


@dataclass
class Worker:
    """A process, and what is known of it.

    Args:
        process: It.
        line: What it says comes out here.
        said: The kind of its last word, and the word.
        code: Its exit status, if it ended by itself.
    """

    process: subprocess.Popen
    line: Connection
    said: tuple[str, Any] = ("", None)
    code: int | None = None


def run_in_workers(count: int, advice: Callable[[], str], run: Callable[..., Any], *given: Any):
    """Run ``run(*given)`` in ``count`` processes and return what the first of them returns.

    Args:
        count: How many workers.
        advice: What to tell the user where one dies: what is kept and how to go on.
        run: A function that can be imported; rank 0 speaks for all.
        given: Its arguments, which can be pickled.

    Raises:
        UserError: A worker died, or met a mistake of the user's.
        Interrupted: They were stopped by a signal.
    """
    if os.name != "posix":
        raise UserError("trainer.devices wants Linux or macOS: start the workers by torchrun")
    signals: list[int] = []  # those that came
    workers: list[Worker] = []
    before = {
        number: signal.signal(number, partial(_pass_on, workers, signals)) for number in asking()
    }
    try:
        with scratch_folder(Path(tempfile.gettempdir()), "workers") as folder:
            for rank in range(count):
                workers.append(_start(rank, count, folder / "store", (run, given)))
                if signals:
                    break
            try:
                _listen(workers)
            finally:
                for worker in workers:
                    worker.process.kill()
                    worker.process.wait()
                    worker.line.close()
    except KeyboardInterrupt:
        raise Interrupted(f"stopped at once; {advice()}", 128 + signals[0]) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return _outcome(workers, signals, advice)


def _start(rank: int, count: int, store: Path, job: tuple[Any, ...]) -> Worker:
    """Start a worker, and hand it what is to be run."""
    ours, theirs = os.pipe()
    environment = os.environ | ranks.environment(rank, count, store)
    process = subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(theirs)],
        stdin=subprocess.PIPE, env=environment, pass_fds=[theirs], process_group=0,
    )  # fmt: skip
    os.close(theirs)
    assert process.stdin is not None
    with process.stdin:
        pickle.dump((os.getpid(), sys.path, sys.argv, *job), process.stdin)
    return Worker(process, Connection(ours, writable=False))


def _pass_on(workers: list[Worker], signals: list[int], number: int, _: FrameType | None) -> None:
    """Ask the workers to save and leave; the second signal ends all at once."""
    signals.append(number)
    if len(signals) > 1:
        raise KeyboardInterrupt
    for worker in workers:
        worker.process.terminate()


def _listen(workers: list[Worker]) -> None:
    """Print what they print, until all have ended or one of them has failed."""
    talking: dict[Any, Worker] = {worker.line: worker for worker in workers}
    deadline = None
    while talking:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        heard: list[Any] = wait(list(talking), left)
        if not heard:
            return
        for line in heard:
            worker = talking[line]
            try:
                kind, what = line.recv()
            except EOFError:
                del talking[line]
                worker.code = worker.process.wait()
                kind = worker.said[0]
            else:
                if kind == "print":
                    sys.stdout.write(what)
                    sys.stdout.flush()
                    continue
                worker.said = (kind, what)
            if kind not in ("done", "interrupted") and deadline is None:
                deadline = time.monotonic() + _GRACE


def _outcome(workers: list[Worker], signals: list[int], advice: Callable[[], str]) -> Any:
    """Return the first worker's result, or raise what ended the run.

    That the others miss one of them is not what ended it.
    """
    for worker in workers:
        if worker.said[0] == "mistake":
            raise UserError(worker.said[1])
    if workers[0].said[0] == "done":
        return workers[0].said[1]
    if signals:
        saved = workers[0].said[0] == "interrupted"
        said = workers[0].said[1] if saved else f"stopped; {advice()}"
        raise Interrupted(said, 128 + signals[0])
    count = len(workers)
    for number, worker in enumerate(workers, 1):
        if not worker.said[0] and worker.code is not None:
            how = f"ended with status {worker.code}"
            if worker.code < 0:
                how = f"was killed by {signal.Signals(-worker.code).name}"
            raise UserError(
                f"worker {number} of {count} {how}, so the others were stopped; {advice()}"
            )
        if worker.said[0] == "stopped":
            raise UserError(
                f"worker {number} of {count} was interrupted, so the others were stopped; "
                f"{advice()}"
            )
    for wanted in ("error", "missed"):
        for number, worker in enumerate(workers, 1):
            if worker.said[0] == wanted:
                print(worker.said[1], file=sys.stderr, end="")
                raise UserError(f"worker {number} of {count} failed as told above; {advice()}")
    raise Interrupted(workers[0].said[1], 128 + signal.SIGTERM)  # it got a signal of its own


class _Line(io.TextIOBase):
    """Standard output of a worker, handed to the process that started it."""

    def __init__(self, line: Connection):
        self.line = line

    def write(self, text: str) -> int:
        self.line.send(("print", text))
        return len(text)


def work(line_number: int) -> None:
    """Be one worker; the last word on the line says how it ended.

    It takes the command line of the process that started it, which the run folder tells.
    """
    parent, path, command, run, given = pickle.load(sys.stdin.buffer)
    end_with_parent(parent)
    sys.path[:], sys.argv[:] = path, command
    prepare_process()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // ranks.expected()))
    line = Connection(line_number, readable=False)
    try:
        with redirect_stdout(_Line(line)):
            result = run(*given)
        line.send(("done", result))
    except UserError as error:
        line.send(("mistake", str(error)))
    except Interrupted as stop:
        line.send(("interrupted", str(stop)))
    except KeyboardInterrupt:  # a signal of its own, before it could save
        line.send(("stopped", ""))
    except BaseException as error:
        kind = "missed" if _misses_another(error) else "error"
        line.send((kind, traceback.format_exc()))
    line.close()
    os._exit(0)  # not to wait for others in the destructors of a process group that is broken


def _misses_another(error: BaseException) -> bool:
    """Tell whether an error is what a rank meets when another one is gone."""
    return isinstance(error, dist.DistError) or "gloo/transport" in str(error)
