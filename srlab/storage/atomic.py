"""Files that are whole or not there."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from srlab.errors import UserError


def set_mode(path: Path, mode: int) -> None:
    """Give a temporary file or folder, which is made private, ``mode`` less the user's umask."""
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(mode & ~umask)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file under a temporary name; at the end, flush it to disk and rename it to ``path``.

    Where the body raises anything, Ctrl-C too, the temporary file is removed.

    Raises:
        UserError: The disk is full or the folder cannot be written; ``path`` is as it was.
    """
    temporary = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        set_mode(temporary, 0o666)
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; what was there before is kept"
        ) from None
    finally:
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
    work = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield work
        set_mode(work, 0o777)
        work.rename(path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


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
