"""The preflight: every ``_target_`` of a config is held against its signature before it is built.

All faults are told at once, each with its key, what is wanted there and what may have been meant.
"""

import difflib
import importlib
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from srlab.errors import ConfigError

# What a config that came inside a file may name.
TRUSTED = ("srlab.models", "srlab.upsamplers", "torch.nn")

# What a config that came inside a file may consist of: whatever else Hydra might make of it.
_PLAIN = (dict, list, str, int, float, bool, type(None))

# What a node says of how it is built, beside the arguments of what it names.
_OF_BUILDING = {"_target_": str, "_partial_": bool, "_recursive_": bool, "_args_": list,
                "_convert_": str}  # fmt: skip


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return ``; did you mean 'option'?`` for the option nearest to a name, or nothing."""
    near = difflib.get_close_matches(name, sorted(options), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def locate(path: str, roots: Sequence[str] | None = None) -> Callable[..., Any]:
    """Import what a dotted path names.

    Args:
        path: ``package.module.name``.
        roots: Where it must live, by its path and by its own ``__module__``; None allows anything.

    Raises:
        ConfigError: There is no such thing, or it lives elsewhere.
    """
    if roots is not None and not _within(path, roots):
        raise ConfigError(f"{path} is not trusted; add trust=[{path.split('.')[0]}] if you do")
    module_name, _, name = path.rpartition(".")
    try:
        target = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"cannot import {path}: {error}") from None
    if not callable(target):
        raise ConfigError(f"{path} is not a class or function")
    home = getattr(target, "__module__", None) or ""
    if roots is not None and not _within(home, roots):
        raise ConfigError(f"{path} is not trusted: it is defined in {home or 'no module'}")
    if roots is not None and _within(home, ["torch"]) and not inspect.isclass(target):
        raise ConfigError(f"{path} is not trusted: of torch only classes are")
    return target


def check(config: dict[str, Any], roots: Sequence[str] | None = None) -> None:
    """Check every node of a resolved config that has a ``_target_``.

    Args:
        config: Plain dicts, lists and scalars.
        roots: See ``locate``.

    Raises:
        ConfigError: With one line for each fault.
    """
    faults = list(_faults(config, "", roots))
    if len(faults) == 1:
        raise ConfigError(faults[0])
    if faults:
        raise ConfigError("the config does not fit the code:\n  " + "\n  ".join(faults))


def check_upsampler_used(model: dict[str, Any], upsampler: dict[str, Any]) -> None:
    """Check that a chosen upsampler is the one that the model gets.

    Raises:
        ConfigError: The model would ignore it.
    """
    if upsampler and model.get("upsampler") != upsampler:
        name = str(model.get("_target_")).rpartition(".")[2]
        raise ConfigError(f"the model ({name}) takes no upsampler: it would ignore upsampler=...")


def _within(path: str, roots: Sequence[str]) -> bool:
    return any(path == root or path.startswith(root + ".") for root in roots)


def _faults(node: Any, key: str, roots: Sequence[str] | None) -> typing.Iterator[str]:
    if roots is not None and (type(node) not in _PLAIN or (type(node) is str and "${" in node)):
        yield f"{key}: {type(node).__name__} {node!r} is not trusted: files hold plain values only"
        return
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _faults(item, f"{key}[{index}]", roots)
    if not isinstance(node, dict):
        return
    if "_target_" in node:
        yield from _signature_faults(node, key, roots)
    for name, item in node.items():
        yield from _faults(item, f"{key}.{name}" if key else str(name), roots)


def _signature_faults(
    node: dict[str, Any], key: str, roots: Sequence[str] | None
) -> typing.Iterator[str]:
    try:
        target = locate(str(node["_target_"]), roots)
        parameters = inspect.signature(target).parameters
    except ConfigError as error:
        yield f"{key}: {error}"
        return
    except (TypeError, ValueError):  # a builtin without a signature
        return
    hints = _hints(target)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    short = str(node["_target_"]).rpartition(".")[2]
    for name, value in node.items():
        if name in _OF_BUILDING:
            if not isinstance(value, _OF_BUILDING[name]):
                yield f"{key}.{name} takes {_describe(_OF_BUILDING[name])}, got {value!r}"
            continue
        if name not in parameters:
            if not open_ended:
                meant = did_you_mean(str(name), parameters)
                takes = ", ".join(parameters)
                yield f"{key}.{name}: {short} has no {name!r}{meant} (it takes {takes})"
        elif not _fits(value, hints.get(name, Any)):
            yield f"{key}.{name}: {short} wants {_describe(hints[name])}, got {value!r}"
    if not node.get("_partial_"):
        for name, parameter in parameters.items():
            variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            if parameter.default is parameter.empty and not variadic and name not in node:
                yield f"{key}.{name}: {short} needs it"


def _hints(target: Callable[..., Any]) -> dict[str, Any]:
    function = target.__init__ if inspect.isclass(target) else target
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        return {}


def _fits(value: Any, hint: Any) -> bool:
    """Tell whether a value from YAML is of a type; a type that YAML cannot hold fits anything."""
    if hint is Any:
        return True
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, option) for option in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if isinstance(value, dict) and "_target_" in value:
        return hint not in (int, float, str, bool, type(None))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (str, bool):
        return isinstance(value, hint)
    if hint is type(None):
        return value is None
    if origin is not None and isinstance(origin, type) and issubclass(origin, Sequence):
        items = get_args(hint)
        if not isinstance(value, list):
            return False
        if origin is tuple and items and items[-1] is not Ellipsis:
            return len(value) == len(items) and all(map(_fits, value, items))
        return not items or all(_fits(item, items[0]) for item in value)
    if inspect.isclass(hint) and hint is not object:
        return not isinstance(value, str | int | float | bool | list) and value is not None
    return True


def _describe(hint: Any) -> str:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_describe(option) for option in get_args(hint))
    if origin is Literal:
        return " or ".join(str(option) for option in get_args(hint))
    if hint is type(None):
        return "null"
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false",
             list: "a list"}  # fmt: skip
    if origin is not None and isinstance(origin, type) and issubclass(origin, Sequence):
        return "a list of numbers" if float in get_args(hint) else "a list"
    return words.get(hint) or str(getattr(hint, "__name__", hint))
