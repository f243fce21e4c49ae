"""What a verb is called with."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

Config = TypeVar("Config", covariant=True)


@dataclass(frozen=True)
class Invocation(Generic[Config]):
    """What a verb is called with.

    Args:
        config: Its typed config.
        choices: Which option of each group was chosen.
        overrides: The command line.
        folder: The folder of this job, where Hydra's multirun makes several, else None.
        sweep_folder: That of all of them.
        sweeper: What Hydra's sweeper is told: the axes of a grid.
        pause: Step at which a training leaves, judged and saved; it goes on as if it had not.
    """

    config: Config
    choices: dict[str, Any] = field(default_factory=dict)
    overrides: list[str] = field(default_factory=list)
    folder: Path | None = None
    sweep_folder: Path = Path()
    sweeper: dict[str, Any] = field(default_factory=dict)
    pause: int | None = None
