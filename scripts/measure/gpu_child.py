"""The process in which ``gpu.py`` runs command lines of srlab one after the other."""

import contextlib
import faulthandler
import gc
import json
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch
from gpu_commands import AGAIN, EACH
from gpu_probe import begin, record_once

from srlab.cli import main


def child(list_file: Path, folder: Path, device: str, slow: float) -> int:
    """Run the lines of a list; each is taken off before it begins.

    What a line prints goes to ``NAME.txt`` in the folder. Its record goes to a file that is named
    as the list is: ``error`` is None or a sentence, ``seconds`` what it took, ``replays`` how
    often a CUDA graph was replayed, ``cudnn_benchmark`` what was set when it ended.

    Returns:
        The exit status: 0, or ``AGAIN`` where a new process must run what is left.
    """
    begin(device, folder)
    # The alarm says where a line hangs; then, as nothing catches it, it ends the process.
    faulthandler.register(signal.SIGALRM, all_threads=False, chain=True)
    replays = _count_replays(torch.cuda.CUDAGraph)
    while rest := json.loads(list_file.read_text()):
        list_file.write_text(json.dumps(rest[1:]))
        signal.setitimer(signal.ITIMER_REAL, EACH * slow)
        torch.backends.cudnn.benchmark = rest[0]["benchmark"]
        start, so_far = time.monotonic(), replays[0]
        error = _run_line(main, rest[0]["arguments"], folder / f"{rest[0]['name']}.txt")
        record = rest[0] | {
            "error": error,
            "seconds": time.monotonic() - start,
            "replays": replays[0] - so_far,
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
        }
        with (folder / f"{list_file.stem}.jsonl").open("a") as file:
            file.write(json.dumps(record) + "\n")
        gc.collect()
        if device != "cpu":
            try:
                record_once(torch.device(device))  # what failed may have spoilt the process
                torch.cuda.reset_peak_memory_stats()
            except Exception as fault:
                print(f"after {record['name']} this process is of no use: {fault}", flush=True)
                os._exit(AGAIN)  # taking CUDA down in order may fail or hang
    signal.setitimer(signal.ITIMER_REAL, 0)
    return 0


def _run_line(main: Any, arguments: list[str], text: Path) -> str | None:
    """Run a line of srlab, and return what went wrong in a sentence."""
    sys.argv = ["srlab", *arguments]
    with (
        text.open("w", buffering=1) as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
    ):
        print("srlab", *arguments)
        try:
            main()
        except SystemExit as leave:
            said = text.read_text(errors="replace").splitlines()[-1]
            return f"exit status {leave.code}: {said}" if leave.code else None
        except BaseException as error:
            traceback.print_exc()
            return f"{type(error).__name__}: {(str(error) or '-').splitlines()[0]}"
    return None


def _count_replays(graph: Any) -> list[int]:
    """Return a list of one number that grows with each replay of a CUDA graph."""
    replays, replay = [0], graph.replay

    def counted(self: Any) -> None:
        replays[0] += 1
        replay(self)

    graph.replay = counted
    return replays
