"""Several networks or scales at once, as ``srlab evaluate`` and ``srlab report`` take them."""

import re
from collections.abc import Callable
from pathlib import Path

from srlab.errors import UserError
from srlab.weights import shipped

_PART = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[^,]+")


def parts_of(value: str) -> list[str]:
    """Return the values between the commas of a value, quotes and all."""
    return _PART.findall(value)


def with_lists(
    arguments: list[str], quoted: Callable[[str], str], always: bool = False
) -> list[str]:
    """Write several networks and scales as the config of ``evaluate`` holds them.

    ``model=A,B`` or ``model=[A,B]``, of which Hydra would want one, becomes ``models=[A,B]``;
    checkpoints and scales become lists, and so does one scale that is not whole.

    Args:
        arguments: The command line, each ``key=value``.
        quoted: Makes of a text what Hydra reads as this text.
        always: Whether one model is a list of one, too, and scales are whole.
    """
    split = {a: _split(a, fractions=not always) for a in arguments}
    if not any(split.values()) and not always:
        return arguments
    done = []
    for argument in arguments:
        key, _, value = argument.partition("=")
        parts = split[argument] or ([value] if key == "model" and value not in ("", "null") else [])
        if not parts:
            done.append(argument)
            continue
        if key == "checkpoint":
            parts = [part if part[0] in "'\"" else quoted(part) for part in parts]
        done.append(f"{'models' if key == 'model' else key}=[{','.join(parts)}]")
    return done


def _split(argument: str, fractions: bool) -> list[str]:
    """Return the several values of an argument; none where it has one, or one that is whole."""
    key, _, value = argument.partition("=")
    if key not in ("model", "checkpoint", "scale"):
        return []
    listed = value[:1] == "[" and value[-1:] == "]"
    if not listed and key == "checkpoint" and Path(value).expanduser().exists():
        return []
    parts = [part.strip() for part in parts_of(value[1:-1] if listed else value)]
    fraction = fractions and key == "scale" and _is_fraction(value)
    return parts if listed or len(parts) > 1 or fraction else []


def _is_fraction(value: str) -> bool:
    try:
        return not float(value).is_integer()
    except (ValueError, OverflowError):
        return False


def one_by_one(argument: str) -> str:
    """Let names of models that come with srlab stand for their checkpoints, a job for each.

    Raises:
        UserError: Others are among them.
    """
    key, _, value = argument.partition("=")
    names, models = parts_of(value), shipped()
    if key != "model" or len(names) < 2 or not models.keys() & set(names):
        return argument
    others = [name for name in names if name not in models]
    if others:
        raise UserError(
            f"{argument}: -m takes models that come with srlab and others in calls of their own; "
            f"srlab evaluate takes both at once, without -m"
        )
    return f"checkpoint={','.join(str(models[name]) for name in names)}"
