"""Guards: too little memory, too few handles and lost processes are told with what helps."""

import errno

import pytest

from srlab.errors import OutOfMemory
from srlab.machine.shortage import enough_memory, shortage


@pytest.mark.parametrize(
    ("error", "short", "helps"),
    [
        (MemoryError(), "the memory is full", "lower tile"),
        (ImportError("libtorch.so: failed to map segment from shared object"), "memory", "lower"),
        (OSError(errno.EMFILE, "Too many open files"), "too many files are open", "ulimit -n"),
        (RuntimeError("Too many open files. Communication with"), "too many files", "ulimit -n"),
        (RuntimeError("worker is killed ... out of shared memory"), "/dev/shm", "with none"),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal"), "ended from outside", "or"),
        (OSError(errno.ENOMEM, "Speicher voll"), "the memory is full", "lower tile"),
        (RuntimeError("can't start new thread"), "no more threads", "ulimit -u"),
    ],
)
def test_what_is_short_is_told_with_what_helps(error, short, helps):
    told = shortage(error, "tile")
    assert short in told.partition(":")[0]
    assert helps in told.partition(":")[2]


# How torch hands on what a loading process raised.
RAISED = RuntimeError("Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback")


def test_other_errors_mean_something_else():
    for error in (
        OSError(errno.ENOSPC, "No space left"),
        RuntimeError("sizes"),
        KeyError("a"),
        RAISED,
    ):
        assert shortage(error) is None


def test_a_body_that_runs_out_of_handles_ends_in_a_sentence():
    with pytest.raises(OutOfMemory, match="raise the limit"), enough_memory("tile"):
        raise OSError(errno.EMFILE, "Too many open files")
