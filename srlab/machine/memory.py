"""Memory: what a process keeps of it, and the most that it had."""

import ctypes
import sys

import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
_KEPT = 2**30
_KEPT_BY_OLD_GLIBC = 2**25  # it refuses more


def keep_freed_memory() -> None:
    """Let glibc keep large blocks that are freed, for the next step that asks for them.

    It would hand them back to the system, which must clear every page anew: a training step of
    SRCNN takes 13,000 page faults and 1.7 times as long (``scripts/measure/time_memory.py``). A C
    library without ``mallopt`` is left as it is.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    if mallopt(_MMAP_THRESHOLD, _KEPT) or mallopt(_MMAP_THRESHOLD, _KEPT_BY_OLD_GLIBC):
        mallopt(_TRIM_THRESHOLD, _KEPT)


def peak_memory() -> int | None:
    """Return the largest resident memory of this process so far, in bytes, where that is known."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def peak_on(device: torch.device) -> int | None:
    """Return the peak memory so far: of the device, or of the process on the CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory()
