"""Finding, without a GPU, what would let the CPU wait for one."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_META = torch.device("meta")
_MAKERS = ("tensor", "as_tensor", "new_tensor")
_LOOKS = ("aten._local_scalar_dense", "aten.nonzero", "aten._linalg_check_errors", "aten.equal")


class WouldWait(Exception):
    """An operation for which the CPU would wait for a GPU, and where it stands."""


@contextmanager
def rehearsal() -> Iterator[None]:
    """Take tensors of the meta device for those of a GPU, and find what would wait for it.

    A copy between CPU and GPU waits unless its memory is pinned; so does whatever looks at a value.
    A CUDA graph records neither. Not found is what waits without an operation of torch's.

    Raises:
        WouldWait: At the first such operation.
    """
    with _Calls(), _Operations():
        yield


class _Calls(TorchFunctionMode):
    """Looks at what Python calls: numbers become tensors, and indices are copied, below that."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        indexed = name in ("__getitem__", "__setitem__") and args[0].device == _META
        if indexed and _is_copied(args[1]):
            raise WouldWait(f"an index that lies on the CPU in {_place()}")
        result = func(*args, **kwargs)
        if name in _MAKERS and isinstance(result, Tensor) and result.device == _META:
            source = args[1] if name == "new_tensor" else args[0]
            if not isinstance(source, Tensor) or source.device != _META:
                raise WouldWait(f"numbers that are copied to the GPU in {_place()}")
        return result


class _Operations(TorchDispatchMode):
    """Looks at what is computed, forward and backward."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = str(func).removesuffix(".default")
        devices = {x.device for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        if name in ("aten._to_copy", "aten.copy_"):
            if kwargs.get("device") is not None:
                devices.add(torch.device(kwargs["device"]))
            if _META in devices and len(devices) > 1:
                raise WouldWait(f"a copy between CPU and GPU in {_place()}")
        elif _META in devices and name in _LOOKS:
            raise WouldWait(f"a look at a value ({name}) in {_place()}")
        return func(*args, **kwargs)


def _is_copied(index: Any) -> bool:
    """Tell whether an index of a tensor on the device is, or holds, numbers on the CPU."""
    if isinstance(index, tuple):
        return any(map(_is_copied, index))
    if isinstance(index, Tensor):
        return index.dim() > 0 and index.device != _META
    return isinstance(index, list | np.ndarray)


def _place() -> str:
    """Return the innermost line that is neither torch's nor this module's."""
    torchs = str(Path(torch.__file__).parent)
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(torchs) and frame.filename != __file__:
            return f"{Path(frame.filename).name}, line {frame.lineno}: {frame.line}"
    return "torch"
