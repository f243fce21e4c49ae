"""The names of the runs of a sweep."""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

_LONGEST = 100  # bytes of a name without its digest; file systems take 255


def run_names(runs: Sequence[dict[str, str]]) -> list[str]:
    """Return a name for each run that tells its place on the axes, as in ``seed0-deconv``.

    Args:
        runs: For each its value by the key of the axis.
    """
    told = ["-".join(group_word(key, value) for key, value in run.items()) for run in runs]
    short = [_slug(text).encode()[:_LONGEST].decode(errors="ignore") for text in told]
    folded = [name.casefold() for name in short]  # on some disks A and a are one folder
    return [
        name if name == text and folded.count(name.casefold()) == 1 else f"{name}-{digest(run)}"
        for name, text, run in zip(short, told, runs, strict=True)
    ]


def group_word(key: str, value: str, joint: str = "") -> str:
    """Name a value: a number wants its key beside it, the option of a group does not."""
    key = key.lstrip("+").split("@")[0].split(".")[-1].split("/")[-1]
    alone = re.fullmatch(r"[a-zA-Z]\w*", value) and value.lower() not in ("true", "false", "null")
    return value if alone else f"{key}{joint}{value}"


def _slug(text: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", text).strip("._") or "run"


def digest(content: Any) -> str:
    """Return eight letters that stand for plain data."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
