"""Memory: what a process keeps of it, and what is said where there is too little.

The C library's default can cost more than the arithmetic.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from srlab.errors import OutOfMemory

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
_KEPT = 2**30
_KEPT_BY_OLD_GLIBC = 2**25  # it refuses more

# What else says so, in words of torch's allocator for the CPU, of libraries and of the driver.
_FULL = {
    "DefaultCPUAllocator": "",
    "_STATUS_ALLOC_FAILED": " of the GPU",  # of cuDNN and cuBLAS
    "CUDA error: out of memory": " of the GPU, or what of the computer's is pinned for it,",
}


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


@contextmanager
def enough_memory(keys: str) -> Iterator[None]:
    """Tell in a sentence that the memory is full.

    Args:
        keys: What to lower.

    Raises:
        OutOfMemory: It is.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise OutOfMemory(f"the memory of the GPU is full: lower {keys}") from None
    except MemoryError:
        raise OutOfMemory(f"the memory is full: lower {keys}") from None
    except RuntimeError as error:
        place = next((where for words, where in _FULL.items() if words in str(error)), None)
        if place is None:
            raise
        raise OutOfMemory(f"the memory{place} is full: lower {keys}") from None


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
