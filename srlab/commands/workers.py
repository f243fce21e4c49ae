"""One training by several processes of this machine: ``trainer.devices``.

The same environment is made that ``torchrun`` makes, so a worker does what it would do there.
"""

import io
import multiprocessing
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from types import FrameType
from typing import Any

import torch

from srlab.commands.application import prepare_process
from srlab.errors import Interrupted, UserError
from srlab.parent import end_with_parent

_GRACE = 2.0  # seconds in which the worker that failed first is told from those that miss it


def run_in_workers(count: int, advice: Callable[[], str], run: Callable[..., Any], *given: Any):
    """Run ``run(*given)`` in ``count`` processes and return what the first of them returns.

    Args:
        count: How many workers.
        advice: What to tell the user where one dies: what is kept and how to go on.
        run: A function that can be imported; rank 0 speaks for all.
        given: Its arguments.

    Raises:
        UserError: A worker died, or met a mistake of the user's.
        Interrupted: They were stopped by a signal and have saved.
    """
    before = {n: signal.signal(n, signal.SIG_IGN) for n in (signal.SIGINT, signal.SIGTERM)}
    workers: list[Worker] = []
    try:
        context, port = multiprocessing.get_context("spawn"), _free_port()
        for rank in range(count):
            line, theirs = context.Pipe()
            place = (rank, count, port, os.getpid(), theirs)
            process = context.Process(target=_work, args=(*place, run, given))
            process.start()
            theirs.close()
            workers.append(Worker(process, line))
        for number in before:
            signal.signal(number, partial(_pass_on, workers))
        _listen(workers)
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()
        for number, handler in before.items():
            signal.signal(number, handler)
    return _outcome(workers, advice)


@dataclass
class Worker:
    """A process, and what is known of it.

    Args:
        process: It.
        line: What it says comes out here.
        asked: Whether it was asked to leave.
        said: The kind of its last word, and the word.
        code: Its exit status, if it ended by itself.
    """

    process: Any
    line: Connection
    asked: bool = False
    said: tuple[str, Any] | None = None
    code: int | None = None


def _pass_on(workers: list[Worker], number: int, _: FrameType | None) -> None:
    """Hand a signal on to the workers, who save and leave; the second one ends all at once."""
    if all(worker.asked for worker in workers):
        raise KeyboardInterrupt
    for worker in workers:
        worker.asked = True
        if worker.process.is_alive():
            os.kill(worker.process.pid, number)


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
                worker.process.join()
                worker.code = worker.process.exitcode
                failed = worker.said is None or worker.said[0] != "done"
            else:
                if kind == "print":
                    sys.stdout.write(what)
                    sys.stdout.flush()
                    continue
                worker.said = (kind, what)
                failed = kind not in ("done", "interrupted")
            if failed and deadline is None:
                deadline = time.monotonic() + _GRACE


def _outcome(workers: list[Worker], advice: Callable[[], str]) -> Any:
    """Return the first worker's result, or raise what ended the run.

    That the others miss one of them is not what ended it.
    """
    last: list[tuple[str, Any]] = [worker.said or ("", None) for worker in workers]
    for kind, what in last:
        if kind == "mistake":
            raise UserError(what)
    for number, worker in enumerate(workers, 1):
        if worker.said is None and worker.code is not None:
            how = f"ended with status {worker.code}"
            if worker.code < 0:
                how = f"was killed by {signal.Signals(-worker.code).name}"
            raise UserError(
                f"worker {number} of {len(workers)} {how}, so the others were stopped; {advice()}"
            )
    for number, (kind, what) in enumerate(last, 1):
        if kind == "error":
            print(what, file=sys.stderr, end="")
            raise UserError(f"worker {number} of {len(workers)} failed as told above; {advice()}")
    for kind, what in last:
        if kind == "interrupted":
            raise Interrupted(*what)
    if last[0][0] != "done":
        raise UserError(f"the workers lost each other; {advice()}")
    return last[0][1]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class _Line(io.TextIOBase):
    """Standard output of a worker, handed to the process that started it."""

    def __init__(self, line: Connection):
        self.line = line

    def write(self, text: str) -> int:
        self.line.send(("print", text))
        return len(text)


def _work(
    rank: int, count: int, port: int, parent: int, line: Connection, run: Callable, given: tuple
) -> None:
    """Be one worker; the last word on the line says how it ended."""
    os.setpgid(0, 0)  # Ctrl-C in a terminal is for the process that started this one, which tells
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent(parent)
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    prepare_process()
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // count))
    try:
        with redirect_stdout(_Line(line)):
            result = run(*given)
        line.send(("done", result))
    except UserError as error:
        line.send(("mistake", str(error)))
    except Interrupted as stop:
        line.send(("interrupted", (str(stop), stop.exit_code)))
    except KeyboardInterrupt:
        line.send(("interrupted", ("interrupted before there was anything to save", 130)))
    except BaseException as error:
        # A rank that is gone is missed by the others, in many words: not what ended the run.
        missed = "gloo" in str(error).lower() or "nccl" in str(error).lower()
        line.send(("missed" if missed else "error", traceback.format_exc()))
    line.close()
    os._exit(0)  # not to wait for others in the destructors of a process group that is broken
