"""Too little memory, or too few handles, told in a sentence.

Nothing here imports torch: it may be torch that found no room.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from srlab.errors import OutOfMemory

_FULL, _LOWER = "the memory is full", "lower {keys}"

# What is short, and what helps, by words of torch, of its libraries, of the driver and of Python.
_WORDS = {
    "CUDA out of memory": ("the memory of the GPU is full", _LOWER),
    "_STATUS_ALLOC_FAILED": ("the memory of the GPU is full", _LOWER),  # of cuDNN and cuBLAS
    "CUDA error: out of memory": (
        "the memory of the GPU, or what of the computer's is pinned for it, is full",
        _LOWER,
    ),
    "DefaultCPUAllocator": (_FULL, _LOWER),
    "could not create a primitive": (_FULL, _LOWER),  # of oneDNN
    "could not create a memory": (_FULL, _LOWER),
    "failed to map segment": (_FULL, _LOWER),  # of a library that is loaded
    "Cannot allocate memory": (_FULL, _LOWER),
    "can't start new thread": ("no more threads can be started", "raise the limit by ulimit -u"),
    "out of shared memory": (
        "the memory that loading processes share, /dev/shm, is full",
        "enlarge it, or load with fewer of them, or with none",
    ),
    "unable to write to file </torch": (
        "the memory that loading processes share, /dev/shm, is full",
        "enlarge it, or load with fewer of them, or with none",
    ),
    "Too many open files": (
        "too many files are open",
        "raise the limit by ulimit -n, or load with fewer processes, or with none",
    ),
    "DataLoader worker (pid": (  # one that ended; what one raised says "worker process"
        "a loading process was ended from outside, as systems do that are short of memory",
        "lower {keys}, or load with fewer of them, or with none",
    ),
    "managed by the executor was unexpectedly terminated": (  # joblib's
        "a process was ended from outside, as systems do that are short of memory",
        "lower {keys}, or have fewer of them at a time",
    ),
}
_BY_NUMBER = {
    errno.EMFILE: "Too many open files",
    errno.ENFILE: "Too many open files",
    errno.ENOMEM: "Cannot allocate memory",
}


def shortage(error: Exception, keys: str = "what is asked for") -> str | None:
    """Say what there is too little of, and what helps; None if an error means something else.

    Args:
        error: The error.
        keys: What to lower where it is memory.
    """
    if isinstance(error, MemoryError):
        return f"{_FULL}: {_LOWER.format(keys=keys)}"
    if not isinstance(error, RuntimeError | OSError | ImportError):
        return None
    text = _BY_NUMBER.get(getattr(error, "errno", None) or 0, str(error))
    for words, (what, remedy) in _WORDS.items():
        if words in text:
            return f"{what}: {remedy.format(keys=keys)}"
    return None


@contextmanager
def enough_memory(keys: str) -> Iterator[None]:
    """Tell in a sentence that memory or handles do not suffice.

    Args:
        keys: What to lower.

    Raises:
        OutOfMemory: They do not.
    """
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        told = shortage(error, keys)
        if told is None:
            raise
        raise OutOfMemory(told) from None
