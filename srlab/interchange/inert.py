"""Reading a network that was pickled whole, without running anything of it.

What a pickle names is not imported: each class and function becomes an inert stand-in, which takes
whatever it is given and does nothing. Only what tensors are made of is torch's own.
"""

import collections
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

_REAL = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "Size"): torch.Size,
    ("torch._utils", "_rebuild_tensor"): torch._utils._rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
}
_STORAGES = {
    f"{kind}Storage" for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Byte")
}
_DEEPEST = 50  # modules within modules


class Inert:
    """What stands for an object whose class is not imported: it holds its attributes."""

    def __init__(self, *_: Any, **__: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update({str(key): value for key, value in state.items()})

    def append(self, _: Any) -> None:
        """Take an item of a list that it may have been."""

    def extend(self, _: Any) -> None:
        """Take several."""

    def __setitem__(self, _: Any, __: Any) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _REAL:
            return _REAL[module, name]
        if module == "torch" and name in _STORAGES:
            return getattr(torch, name)
        return type(str(name).rpartition(".")[2] or "Inert", (Inert,), {})


def read_inert(path: Path) -> Any:
    """Read a file of ``torch.save``; objects are ``Inert``, tensors are themselves.

    Raises:
        Exception: What unpickling raises of a file that makes no sense.
    """
    inert: Any = SimpleNamespace(
        Unpickler=_Unpickler,
        load=lambda file, **options: _Unpickler(file, **options).load(),
        __name__="inert",
    )
    return torch.load(path, map_location="cpu", pickle_module=inert, weights_only=False)


def weights_of(module: Inert, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Yield the parameters and buffers that a module held, as ``state_dict`` names them.

    Raises:
        ValueError: Its modules lie deeper than any network's.
    """
    if depth > _DEEPEST:
        raise ValueError("modules without end")
    held = vars(module)
    for kind in ("_parameters", "_buffers"):
        own = held.get(kind)
        for name, value in own.items() if isinstance(own, dict) else ():
            if isinstance(value, Tensor):
                yield f"{prefix}{name}", value
    inner = held.get("_modules")
    for name, child in inner.items() if isinstance(inner, dict) else ():
        if isinstance(child, Inert):
            yield from weights_of(child, f"{prefix}{name}.", depth + 1)
