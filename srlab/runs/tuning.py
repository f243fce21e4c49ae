"""What a tuning has found: ``tuned.json`` in its folder."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from srlab.errors import UserError
from srlab.storage.atomic import write_json

_FILE = "tuned.json"


@dataclass(frozen=True)
class Tried:
    """What was tried for a choice.

    Args:
        overrides: It.
        psnr: What it came to on the pictures that choose; None if it failed.
        step: The step at which it stopped; None: it came to the end.
    """

    overrides: list[str]
    psnr: float | None
    step: int | None


@dataclass(frozen=True)
class Found:
    """What is best for a choice.

    Args:
        choice: The overrides that make the choice.
        overrides: Those that were found for it.
        psnr: What it came to on the pictures that choose.
        bracketed: Whether the rates beside it were tried to the end, and are worse.
        tried: All that was tried.
    """

    choice: list[str]
    overrides: list[str]
    psnr: float
    bracketed: bool
    tried: list[Tried] = field(default_factory=list)


@dataclass(frozen=True)
class Tuned:
    """What ``tuned.json`` holds.

    Args:
        folder: The tuning's.
        search: The keys that were searched.
        fixed: What all its runs had in common.
        choices: What was found for each choice.
    """

    folder: Path
    search: list[str]
    fixed: list[str]
    choices: list[Found]

    def of(self, overrides: Sequence[str]) -> list[str]:
        """Return what was found for the choice that a run's overrides contain.

        Raises:
            UserError: There is none, or the run sets what was searched.
        """
        set_already = [o for o in overrides if o.lstrip("+").partition("=")[0] in self.search]
        if set_already:
            raise UserError(
                f"{self.folder} was tuned for it: {set_already[0]} would say it a second time"
            )
        found = [f for f in self.choices if set(f.choice) <= set(overrides)]
        if not found:
            keys = {part.partition("=")[0] for f in self.choices for part in f.choice}
            wanted = [o for o in overrides if o.partition("=")[0] in keys]
            raise UserError(
                f"{self.folder} has nothing for {' '.join(wanted) or 'this'}: it was tuned for "
                f"{'; '.join(' '.join(f.choice) for f in self.choices)}"
            )
        return max(found, key=lambda f: len(f.choice)).overrides


def write_tuned(tuned: Tuned) -> Path:
    """Write what a tuning has found into its folder, and return the file."""
    content = asdict(tuned)
    del content["folder"]
    write_json(tuned.folder / _FILE, content)
    return tuned.folder / _FILE


def has_tuned(folder: Path) -> bool:
    """Tell whether a folder holds what a tuning has found."""
    return (folder / _FILE).exists()


def read_tuned(folder: Path) -> Tuned:
    """Read what a tuning has found.

    Raises:
        UserError: It is none that has ended, or its file is damaged.
    """
    path = folder.expanduser() / _FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        choices = [
            Found(**found | {"tried": [Tried(**tried) for tried in found["tried"]]})
            for found in content.pop("choices")
        ]
        return Tuned(folder, choices=choices, **content)
    except OSError:
        raise UserError(f"{folder} has no {_FILE}: it is no tuning, or has not ended") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UserError(f"{path} is damaged: it is not what a tuning writes") from None
