"""Processes that end with the one that started them."""

import ctypes
import os
import signal
import sys

_PARENT_DEATH_SIGNAL = 1  # of Linux's prctl


def end_with_parent(parent: int) -> None:
    """Let this process be killed when its parent, of the process number ``parent``, ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
