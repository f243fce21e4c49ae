"""What a process of ours sets before it computes: two defaults that cost more than the arithmetic.

Measured on ESPCN (docs/performance.md): either slows a training step on a CPU by half.
"""

import ctypes

import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
_KEPT = 2**30


def prepare_process() -> None:
    """Let the CPU round denormal numbers to zero, and the C library keep what it has freed.

    Gradients and momenta fade through numbers under 1e-38, for which a CPU takes many times as
    long. To be called before torch starts its threads, which inherit it.
    """
    torch.set_flush_denormal(True)
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Let glibc keep large blocks that are freed, for the next step that asks for them.

    It would hand them back to the system, which must clear every page anew. A C library without
    ``mallopt`` is left as it is.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_MMAP_THRESHOLD, _KEPT)
    mallopt(_TRIM_THRESHOLD, _KEPT)
