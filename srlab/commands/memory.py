"""Memory that a process keeps: the C library's default can cost more than the arithmetic."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
_KEPT = 2**30
_KEPT_BY_OLD_GLIBC = 2**25  # it refuses more


def keep_freed_memory() -> None:
    """Let glibc keep large blocks that are freed, for the next step that asks for them.

    It would hand them back to the system, which must clear every page anew: a training step of
    SRCNN takes 13,000 page faults and 1.7 times as long (``scripts/time_memory.py``). A C library
    without ``mallopt`` is left as it is.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    if mallopt(_MMAP_THRESHOLD, _KEPT) or mallopt(_MMAP_THRESHOLD, _KEPT_BY_OLD_GLIBC):
        mallopt(_TRIM_THRESHOLD, _KEPT)
