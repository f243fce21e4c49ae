"""Files that are whole or not there."""

import json
import os
import platform
import shutil
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from srlab.errors import UserError

try:
    import fcntl
except ImportError:  # Windows: no advisory locks
    fcntl = None  # type: ignore[assignment]

# What is ours alone in a temporary name: the machine, whose locks are seen by its processes only.
_MARK = f"-srlab{zlib.crc32(platform.node().encode()):08x}-"
_LETTERS = 8  # of a temporary name, at random
_LONGEST = 200  # bytes of a name that a temporary name keeps


def set_mode(path: Path, mode: int) -> None:
    """Give a temporary file or folder, which is made private, ``mode`` less the user's umask."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(mode & ~umask)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file under a temporary name; at the end, flush it to disk and rename it to ``path``.

    Where the body raises anything, Ctrl-C too, the temporary file is removed; one that a killed
    process left under this name is, too.

    Raises:
        UserError: The disk is full or the folder cannot be written; ``path`` is as it was.
    """
    temporary = held = None
    try:
        remove_abandoned(path.parent, path.name)
        handle, temporary = _held(
            path.parent, lambda: tempfile.mkstemp(prefix=_prefix(path.name), dir=path.parent)
        )
        held = os.dup(handle)  # until it has its name
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        set_mode(temporary, 0o666)
        if fcntl is None:
            os.close(held)
            held = None
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; what was there before is kept"
        ) from None
    finally:
        if held is not None:
            os.close(held)
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Make a folder under a temporary name; at the end, rename it to ``path``.

    Where the body raises anything, Ctrl-C too, it is removed with what is in it.

    Raises:
        OSError: It cannot be made, or ``path`` is there already with something in it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(path.parent, path.name) as work:
        yield work
        set_mode(work, 0o777)
        work.rename(path)


@contextmanager
def scratch_folder(place: Path, name: str) -> Iterator[Path]:
    """Make a folder for a while, and remove it with what is in it.

    One that a killed process left under this name is removed, too.

    Args:
        place: Where to.
        name: For whom, as part of what it is called.

    Raises:
        OSError: It cannot be made.
    """

    def make() -> tuple[int, str]:
        made = tempfile.mkdtemp(prefix=_prefix(name), dir=place)
        return (-1 if fcntl is None else os.open(made, os.O_RDONLY)), made

    remove_abandoned(place, name)
    handle, work = _held(place, make)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if handle >= 0:
            os.close(handle)


def remove_abandoned(folder: Path, name: str = "") -> None:
    """Remove what killed processes of this machine left in a folder under temporary names.

    A process holds what it writes by a lock, which ends with it; what is held is left alone.

    Args:
        folder: The folder.
        name: Of what was to be written; any name, in a folder of srlab's own, if it is empty.
    """
    if fcntl is None:
        return
    start, length = (_prefix(name), len(_prefix(name)) + _LETTERS) if name else (".", 0)
    with suppress(OSError), os.scandir(folder) as entries:
        names = [e.name for e in entries if e.name.startswith(start) and _MARK in e.name]
        for found in names:
            if length in (0, len(found)):
                _remove_if_free(folder / found)


def _remove_if_free(path: Path) -> None:
    """Remove a file or a folder of this user's that no process holds."""
    with suppress(OSError):
        status = path.lstat()
        kinds = stat.S_ISREG(status.st_mode), stat.S_ISDIR(status.st_mode)
        if not any(kinds) or status.st_uid != os.getuid():
            return
        handle = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path) if kinds[1] else path.unlink()
        finally:
            os.close(handle)


def _held(folder: Path, make: Callable[[], tuple[int, str]]) -> tuple[int, Path]:
    """Make something under a temporary name, and hold it by a lock; again if it was swept away."""
    while True:
        try:
            handle, name = make()
        except FileNotFoundError:  # swept away before it could be held, or there is no folder
            if not folder.is_dir():
                raise
            continue
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
        if Path(name).exists():
            return handle, Path(name)
        os.close(handle)  # swept away before it was held


def _prefix(name: str) -> str:
    """Return how temporary names begin: hidden, marked, no longer than file systems allow."""
    kept = os.fsencode(name)[:_LONGEST].decode("utf-8", errors="ignore")
    return f".{kept}{_MARK}"


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Write a file under a temporary name, flush it to disk, and rename it to ``path``.

    Raises:
        UserError: The disk is full or the folder cannot be written; ``path`` is as it was.
    """
    with atomic_file(path) as file:
        file.write(data)


def write_json(path: Path, content: Any) -> None:
    """Write plain data as JSON, as ``write_atomically`` writes.

    Raises:
        UserError: The disk is full or the folder cannot be written; ``path`` is as it was.
    """
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())
