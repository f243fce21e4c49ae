"""Reading a network that was pickled whole, without running anything of it.

What a pickle names is not imported: each class and function becomes an inert stand-in, which takes
whatever it is given and does nothing. Only what tensors are made of is torch's own, and only keys
that are texts or numbers are hashed.
"""

import collections
import pickle
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import Tensor

_MOST = 20_000  # modules, parameters and buffers of a network


class Inert:
    """What stands for an object whose class is not imported: it holds its attributes."""

    def __init__(self, *_: Any, **__: Any):
        pass

    def append(self, _: Any) -> None:
        """Take an item of a list that it may have been."""

    def extend(self, _: Any) -> None:
        """Take several."""

    def __setitem__(self, _: Any, __: Any) -> None:
        pass


def _ordered(items: Iterable[Any] = ()) -> dict[Any, Any]:
    made = collections.OrderedDict[Any, Any]()
    for key, value in items:
        made[_plain_key(key)] = value
    return made


def _plain_key(key: Any) -> Any:
    if not isinstance(key, str | int | float | None):
        raise pickle.UnpicklingError(f"a key that is a {type(key).__name__}")
    return key


# Functions of our own, so that nothing a pickle does to them lasts.
_REAL = {
    ("collections", "OrderedDict"): lambda *items: _ordered(*items),
    ("torch", "Size"): lambda *sizes: torch.Size(*sizes),
    ("torch._utils", "_rebuild_tensor"): lambda *parts: torch._utils._rebuild_tensor(*parts),
    ("torch._utils", "_rebuild_tensor_v2"): lambda *parts: torch._utils._rebuild_tensor_v2(*parts),
    ("torch._utils", "_rebuild_parameter"): lambda data, *_: torch.Tensor.detach(data),
}


_Python: Any = vars(pickle)["_Unpickler"]  # C's takes as much memory as a file asks for


class _Unpickler(_Python):
    dispatch: ClassVar[dict[int, Any]] = dict(_Python.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _REAL:
            return _REAL[module, name]
        return type(str(name).rpartition(".")[2] or "Inert", (Inert,), {})

    def _build(self) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if isinstance(made, Inert) and isinstance(state, dict):
            vars(made).update({str(key): value for key, value in state.items()})

    def _setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][_plain_key(key)] = value

    def _setitems(self) -> None:
        items = self.pop_mark()
        for key, value in zip(items[::2], items[1::2], strict=True):
            self.stack[-1][_plain_key(key)] = value

    def _dict(self) -> None:
        items = self.pop_mark()
        self.append(_ordered(zip(items[::2], items[1::2], strict=True)))

    def _additems(self) -> None:
        self.stack[-1].update(map(_plain_key, self.pop_mark()))

    def _frozenset(self) -> None:
        self.append(frozenset(map(_plain_key, self.pop_mark())))

    dispatch[pickle.BUILD[0]] = _build
    dispatch[pickle.SETITEM[0]] = _setitem
    dispatch[pickle.SETITEMS[0]] = _setitems
    dispatch[pickle.DICT[0]] = _dict
    dispatch[pickle.ADDITEMS[0]] = _additems
    dispatch[pickle.FROZENSET[0]] = _frozenset


def read_inert(path: Path) -> Any:
    """Read a file of ``torch.save``; of modules in it, or it itself, what ``state_dict`` holds.

    Raises:
        Exception: What unpickling raises of a file that makes no sense.
    """
    inert: Any = SimpleNamespace(
        Unpickler=_Unpickler,
        load=lambda file, **options: _Unpickler(file, **options).load(),
        __name__="inert",
    )
    content = torch.load(path, map_location="cpu", pickle_module=inert, weights_only=False)
    if isinstance(content, dict):
        return {k: _weights_of(v) if isinstance(v, Inert) else v for k, v in content.items()}
    return _weights_of(content) if isinstance(content, Inert) else content


def _weights_of(module: Inert) -> dict[str, Tensor]:
    """Return the parameters and buffers that a module held, as ``state_dict`` names them.

    Raises:
        ValueError: They are more than any network's: modules may hold each other.
    """
    found: dict[str, Tensor] = {}
    waiting, seen = collections.deque([("", module)]), 0
    while waiting:
        prefix, one = waiting.popleft()
        for kind in ("_parameters", "_buffers", "_modules"):
            own = vars(one).get(kind)
            for name, value in own.items() if isinstance(own, dict) else ():
                seen += 1
                if isinstance(value, Tensor):
                    found[f"{prefix}{name}"] = value
                elif isinstance(value, Inert) and kind == "_modules":
                    waiting.append((f"{prefix}{name}.", value))
        if seen > _MOST:
            raise ValueError("modules without end")
    return found
