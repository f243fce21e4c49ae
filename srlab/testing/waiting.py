"""Finding, without a GPU, what would let the CPU wait for one."""

import traceback
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

_META = torch.device("meta")


class WouldWait(Exception):
    """An operation for which the CPU would wait for a GPU, and where it stands."""


class Rehearsal(TorchDispatchMode):
    """Runs tensors of the meta device as if it were a GPU, and finds what would wait for it.

    A copy between CPU and GPU waits unless its memory is pinned; so does whatever looks at a value.
    A CUDA graph records neither.

    Raises:
        WouldWait: At the first such operation.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Look at an operation, and run it."""
        kwargs = kwargs or {}
        name = str(func).removesuffix(".default")
        devices = {x.device for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)}
        if name in ("aten._to_copy", "aten.copy_"):
            if kwargs.get("device") is not None:
                devices.add(torch.device(kwargs["device"]))
            if _META in devices and len(devices) > 1:
                raise WouldWait(f"a copy between CPU and GPU in {_place()}")
        elif _META in devices and name in ("aten._local_scalar_dense", "aten.nonzero"):
            raise WouldWait(f"a look at a value ({name}) in {_place()}")
        return func(*args, **kwargs)


def _place() -> str:
    """Return the innermost line that is neither torch's nor this module's."""
    torchs = str(Path(torch.__file__).parent)
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(torchs) and frame.filename != __file__:
            return f"{Path(frame.filename).name}, line {frame.lineno}: {frame.line}"
    return "torch"
