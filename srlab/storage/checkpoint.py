"""Checkpoints: one format, written whole or not at all, loaded without running anything.

A checkpoint is a dict of plain data and tensors:

- ``format``: the number of this layout;
- ``config``: the resolved config of the run, so that the file alone rebuilds its network;
- ``weights``: what evaluation and use want: the averaged weights where the run averages;
- ``step``, ``info``: when, and with which versions, it was made;
- ``training``: what resuming wants besides; only in ``last.pt``.

A model that was exported as safetensors (``storage.model_file``) is read as one, too.
"""

import io
import pickle
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch

from srlab.errors import CheckpointError, UserError
from srlab.storage.atomic import write_atomically
from srlab.storage.folders import check_new_file
from srlab.storage.model_file import read_model

FORMAT = 1


def save(path: Path, checkpoint: dict[str, Any]) -> None:
    """Write a checkpoint to ``path``, whole or not at all."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT} | checkpoint, buffer)
    # Let go of before an error leaves: CPython 3.12 may crash at its end on one that is held.
    with buffer.getbuffer() as content:
        write_atomically(path, content)


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint on the CPU; only data, no code, is taken from the file.

    Raises:
        UserError: The file is missing, cut off, not a checkpoint, or of another layout.
    """
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist")
    try:
        path.open("rb").close()
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}") from None
    if path.suffix == ".safetensors":
        return read_model(path)
    _check_sums(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # of foreign pickles, which are refused
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (
        RuntimeError,
        pickle.UnpicklingError,
        struct.error,
        EOFError,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ):  # what torch raises depends on where the file stops making sense
        raise CheckpointError(f"{path} is not a checkpoint of srlab, or it is cut off") from None
    if not isinstance(checkpoint, dict) or not {"format", "config", "weights"} <= set(checkpoint):
        raise CheckpointError(
            f"{path} is not a checkpoint of srlab: it has no config and weights; srlab convert "
            f"from=FILE reads those of others"
        )
    if checkpoint["format"] != FORMAT:
        raise CheckpointError(
            f"{path} has checkpoint layout {checkpoint['format']}; this srlab reads {FORMAT}"
        )
    return checkpoint


def _check_sums(path: Path) -> None:
    """Check the CRC-32 of every part of a zip, which torch writes and does not look at.

    Raises:
        CheckpointError: A part is damaged, or packed as torch packs none.
    """
    if not zipfile.is_zipfile(path):  # torch says what else it may be
        return
    try:
        with zipfile.ZipFile(path) as file:
            parts = file.infolist()
            stored = all(part.compress_type == zipfile.ZIP_STORED for part in parts)
            if not stored or sum(part.file_size for part in parts) > path.stat().st_size:
                raise CheckpointError(f"{path} is not a checkpoint of srlab: it is another archive")
            damaged = file.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError):
        damaged = "directory"
    if damaged is not None:
        raise CheckpointError(f"{path} is damaged: its {damaged} is not as it was written")


def check_new_checkpoint(path: Path) -> None:
    """Check, before the work, that a checkpoint can be written as ``output``.

    Raises:
        UserError: See ``check_new_file``; or the name is that of another kind of file.
    """
    if path.suffix == ".safetensors":
        raise UserError(f"output={path}: a .pt is written, of which srlab export makes safetensors")
    check_new_file(path, "output=FILE")
