"""Files of others: their weights by name, and nothing else of what they hold.

Read are what ``torch.save`` writes, safetensors, and MATLAB's .mat up to version 7. Which of them a
file is, its first bytes tell. No code of a file is run.
"""

import pickle
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from srlab.errors import UserError
from srlab.interchange.inert import read_inert

# Under which key training programs keep the weights, the averaged ones first.
_PREFIXES = re.compile(r"^(module\.|_orig_mod\.)+")
_NESTED = ("params_ema", "params", "state_dict", "model")

_FAULTS = (
    RuntimeError,
    pickle.UnpicklingError,
    struct.error,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    OverflowError,
    MemoryError,
    SafetensorError,
    scipy.io.matlab.MatReadError,
)  # what a reader raises depends on where the file stops making sense


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the weights in a file, in its order, as float64 tensors of the shapes that it has.

    A dict of weights, or a network that was pickled whole, may lie under ``params_ema``,
    ``params``, ``state_dict`` or ``model``. The prefixes of ``nn.DataParallel`` and
    ``torch.compile``, ``module.`` and ``_orig_mod.``, go. Fields of MATLAB's structs and entries of
    its cells are named by dots, as in ``model.weight.0``.

    Raises:
        UserError: The file is missing, cut off, of another kind, or holds no weights or such as are
            not finite.
    """
    if not path.is_file():
        raise UserError(f"{path} is {'a folder' if path.is_dir() else 'not there'}")
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if path.suffix.lower() == ".onnx":
        raise UserError(
            f"{path} is ONNX, a program whose weights have no names to go by: give the weights "
            f"that it was made of, as PyTorch or safetensors keep them"
        )
    if start.startswith(b"MATLAB 7.3"):
        raise UserError(f"{path} is of MATLAB's version 7.3: save it there once more, with -v7")
    try:
        with warnings.catch_warnings(action="ignore"):
            content = _read(path, start)
    except _FAULTS:
        raise UserError(
            f"{path} is none of PyTorch's, safetensors' or MATLAB's files, or it is cut off"
        ) from None
    return _finite(path, _tensors(path, content))


def _read(path: Path, start: bytes) -> Any:
    if start.startswith(b"MATLAB"):
        plain = (item for k, v in scipy.io.loadmat(path).items() for item in _arrays(k, v))
        return {k: torch.from_numpy(np.ascontiguousarray(v, "f8")) for k, v in plain}
    if start[8:9] == b"{":
        return _read_safetensors(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "global" not in str(error).lower():
            raise
        return read_inert(path)  # it holds Python objects, of which nothing is run


def _arrays(name: str, value: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the arrays of numbers in what MATLAB had under a name: itself, or in its parts."""
    if not isinstance(value, np.ndarray):
        return
    if value.dtype.names:
        for field in value.dtype.names if value.size == 1 else ():
            yield from _arrays(f"{name}.{field}", value.flat[0][field])
    elif value.dtype == object:
        for number, item in enumerate(value.flat):
            yield from _arrays(f"{name}.{number}", item)
    elif value.dtype.kind in "fiu":
        yield name, value


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        if "srlab" in (file.metadata() or {}):
            raise _own(path)
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def _own(path: Path) -> UserError:
    return UserError(f"{path} is a model of srlab already: give it as checkpoint=FILE")


def _tensors(path: Path, content: Any) -> dict[str, Tensor]:
    """Return the tensors of a file's dict, or of the one in it."""
    if isinstance(content, dict) and {"format", "config", "weights"} <= content.keys():
        raise _own(path)
    for _ in _NESTED:
        if isinstance(content, dict):
            inner = (content[k] for k in _NESTED if isinstance(content.get(k), dict))
            content = next(inner, content)
    items = content.items() if isinstance(content, dict) else ()
    tensors = {_PREFIXES.sub("", str(k)): v for k, v in items if isinstance(v, Tensor)}
    if not tensors:
        raise UserError(f"{path} holds no weights: a dict of tensors by their names is wanted")
    return tensors


def _finite(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors in float64, if they are plain numbers that float32 can hold."""
    weights = {}
    for name, tensor in tensors.items():
        if not _is_plain(tensor):
            raise UserError(f"{path} holds no plain numbers in {name}")
        if not tensor.detach().float().isfinite().all():
            raise UserError(f"{path} holds weights that are not finite, in {name}")
        weights[name] = tensor.detach().double()
    return weights


def _is_plain(tensor: Tensor) -> bool:
    """Tell whether a tensor is made of numbers that the file holds, each of its own.

    One that repeats a few of them by its strides could fill the memory once it is computed with.
    """
    if tensor.layout is not torch.strided or tensor.is_meta or tensor.is_quantized:
        return False
    known = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
    held = tensor.untyped_storage().nbytes()
    return tensor.dtype in known and tensor.numel() * tensor.element_size() <= held
