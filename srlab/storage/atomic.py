"""Files that are whole or not there."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from srlab.errors import UserError

try:
    import fcntl
except ImportError:  # Windows: no advisory locks
    fcntl = None  # type: ignore[assignment]

_LETTERS = 8  # of a temporary name, at random
_TEMPORARY = re.compile(rf"\..+-[a-z0-9_]{{{_LETTERS}}}").fullmatch
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
        handle, temporary = _held(lambda: tempfile.mkstemp(prefix=_prefix(path), dir=path.parent))
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

    def make() -> tuple[int, str]:
        name = tempfile.mkdtemp(prefix=_prefix(path), dir=path.parent)
        return os.open(name, os.O_RDONLY), name

    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent, path.name)
    handle, work = _held(make) if fcntl else (None, Path(tempfile.mkdtemp(dir=path.parent)))
    try:
        yield work
        set_mode(work, 0o777)
        work.rename(path)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def remove_abandoned(folder: Path, name: str = "") -> None:
    """Remove what killed processes left in a folder under temporary names.

    A process holds what it writes by a lock, which ends with it; what is held is left alone.

    Args:
        folder: The folder.
        name: Of what was to be written; any name, in a folder of srlab's own, if it is empty.
    """
    if fcntl is None:
        return
    start = _prefix(Path(name)) if name else "."
    try:
        found = [p for p in folder.iterdir() if p.name.startswith(start) and _TEMPORARY(p.name)]
    except OSError:
        return
    for path in found:
        if name and len(path.name) != len(start) + _LETTERS:
            continue
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            finally:
                os.close(handle)


def _held(make: Callable[[], tuple[int, str]]) -> tuple[int, Path]:
    """Make something under a temporary name, and hold it by a lock; again if it was swept away."""
    while True:
        handle, name = make()
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
        if Path(name).exists():
            return handle, Path(name)
        os.close(handle)


def _prefix(path: Path) -> str:
    """Return how temporary names of a path begin: hidden, and no longer than file systems allow."""
    return f".{os.fsdecode(os.fsencode(path.name)[:_LONGEST])}-"


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
