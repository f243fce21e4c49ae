"""Folders for results: made once, never reused."""

import datetime
import itertools
import os
from pathlib import Path

from srlab.errors import OutputExists, UserError

_held: dict[Path, int] = {}  # the folders that this process has locked


def make_folder(path: Path) -> Path:
    """Make a new folder.

    Raises:
        UserError: It exists and is not empty, or it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        occupied = any(path.iterdir())
    except OSError as error:
        raise UserError(f"cannot make the folder {path}: {error.strerror}") from None
    if occupied:
        raise OutputExists(f"{path} is not empty: name another folder, nothing is overwritten")
    return path


def make_dated_folder(parent: Path) -> Path:
    """Make a new folder under ``parent`` that is named by the present time.

    Raises:
        UserError: It cannot be made.
    """
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    for number in itertools.count(1):
        path = parent / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            if path.exists():
                continue
            raise UserError(f"cannot make the folder {path}: a file is in the way") from None
        except OSError as error:
            raise UserError(f"cannot make the folder {path}: {error.strerror}") from None
        return path
    raise AssertionError("unreachable")


def ensure_folder(folder: Path) -> None:
    """Make a folder that may be there already.

    Raises:
        UserError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make the folder {folder}: {error.strerror}") from None


def check_new_file(path: Path, key: str) -> None:
    """Check, before the work, that a file can be written without replacing another.

    Raises:
        UserError: It is there, or its folder is not, or may not be written to.
    """
    if path.exists():
        raise OutputExists(f"{path} exists: name another file by {key}")
    if not path.absolute().parent.is_dir():
        raise UserError(f"the folder {path.parent} does not exist: make it, or give another {key}")
    if not os.access(path.absolute().parent, os.W_OK):
        raise UserError(f"the folder {path.parent} may not be written to: give another {key}")


def lock_folder(folder: Path) -> int | None:
    """Keep others from training in a run folder until this process ends, or leaves it.

    Raises:
        UserError: Another process trains there.
    """
    try:
        import fcntl
    except ImportError:  # Windows: no advisory locks on folders
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise UserError(f"another process is training in {folder}") from None
    _held[folder.resolve()] = handle
    return handle


def unlock_folder(folder: Path) -> None:
    """Leave a folder to others that this process may have locked."""
    handle = _held.pop(folder.resolve(), None)
    if handle is not None:
        os.close(handle)
