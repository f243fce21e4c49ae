"""Folders for results: made once, never reused."""

import datetime
from pathlib import Path

from srlab.errors import UserError


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
        raise UserError(f"{path} is not empty: name another folder, nothing is overwritten")
    return path


def dated(parent: Path) -> Path:
    """Return a path under ``parent`` named by the present time that does not exist yet."""
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    path, number = parent / stamp, 2
    while path.exists():
        path, number = parent / f"{stamp}-{number}", number + 1
    return path
