"""Let a process get a signal at its n-th file-system event, or shortly after it."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

_EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "fcntl.flock"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
VARIABLE = "SRLAB_FUZZ_DEATH"  # of the environment: what workers that are started anew do

# What such a worker imports first, as sitecustomize.
FIRST_IMPORT = f"""
import os, sys
sys.path.insert(0, {os.fspath(Path(__file__).parent)!r})
rank, *plan = os.environ.get({VARIABLE!r}, "none").split()
if rank == os.environ.get("RANK"):
    import dying
    dying.die_at(plan[0], *map(int, plan[1:]))
"""


def die_at(folder: str, number: int, sign: int, wait: int, parent: int = 0) -> list[str]:
    """Get a signal at an event, and return the list in which all of them are noted.

    Args:
        folder: Where the files lie whose events count: what is opened to be written, renamed,
            removed, made, locked.
        number: Of the event, from 0; none if negative.
        sign: The signal.
        wait: Milliseconds from the event to the signal; 0: it comes before the event.
        parent: Whether the parent gets the signal.
    """
    seen: list[str] = []
    process = os.getpid()

    def send() -> None:
        time.sleep(wait / 1000)
        os.kill(os.getppid() if parent else process, sign)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _EVENTS or os.getpid() != process:
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & _WRITES):
            return
        if event != "fcntl.flock" and not _lies_in(folder, arguments[0]):
            return
        seen.append(event)
        if len(seen) - 1 != number:
            return
        if wait:
            threading.Thread(target=send, daemon=True).start()
        else:
            send()

    sys.addaudithook(hook)
    return seen


def _lies_in(folder: str, path: Any) -> bool:
    if not isinstance(path, str | bytes | os.PathLike):
        return False
    return str(Path(os.fsdecode(path)).absolute()).startswith(folder)


SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
