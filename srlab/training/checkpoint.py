"""Checkpoints: one format, written whole or not at all, loaded without running anything.

A checkpoint is a dict of plain data and tensors:

- ``format``: the number of this layout;
- ``config``: the resolved config of the run, so that the file alone rebuilds its network;
- ``weights``: what evaluation and use want: the averaged weights where the run averages;
- ``step``, ``info``: when, and with which versions, it was made;
- ``training``: what resuming wants besides; only in ``last.pt``.
"""

import os
import pickle
import tempfile
from pathlib import Path
from typing import Any

import torch

from srlab.errors import UserError

FORMAT = 1


def write_atomically(path: Path, write: Any) -> None:
    """Let ``write(temporary_path)`` make a file, flush it to disk, and rename it to ``path``.

    Raises:
        UserError: The disk is full or the folder cannot be written; ``path`` is as it was.
    """
    temporary = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # torch.save tells a full disk by a RuntimeError
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(f"cannot write {path}: {reason}; what was there before is kept") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def save(path: Path, checkpoint: dict[str, Any]) -> None:
    """Write a checkpoint to ``path``, whole or not at all."""
    write_atomically(path, lambda temporary: torch.save({"format": FORMAT} | checkpoint, temporary))


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint on the CPU; only data, no code, is taken from the file.

    Raises:
        UserError: The file is missing, cut off, not a checkpoint, or of another layout.
    """
    if not path.is_file():
        raise UserError(f"checkpoint {path} does not exist")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError, KeyError):
        raise UserError(f"{path} is not a checkpoint of srlab, or it is cut off") from None
    if not isinstance(checkpoint, dict) or not {"format", "config", "weights"} <= set(checkpoint):
        raise UserError(f"{path} is not a checkpoint of srlab: it has no config and weights")
    if checkpoint["format"] != FORMAT:
        raise UserError(
            f"{path} has checkpoint layout {checkpoint['format']}; this srlab reads {FORMAT}"
        )
    return checkpoint
