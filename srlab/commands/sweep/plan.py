"""The plan of a sweep: its axes, its folder, a check of every combination."""

import itertools
import math
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from srlab.assembly.training_run import check_run
from srlab.command_line.complaints import explain
from srlab.command_line.invocation import Invocation
from srlab.config.plain import plain_config
from srlab.config.ranges import SEED_RANGE
from srlab.config.schema import SweepConfig, TrainConfig
from srlab.errors import ConfigError, UserError
from srlab.runs.folder import RESUMABLE, check_unchanged, make_paths_absolute
from srlab.runs.names import digest, run_names
from srlab.runs.results import is_finished
from srlab.runs.sweep_plan import (
    Planned,
    Sweep,
    failure_file,
    is_empty,
    is_sweep,
    read_sweep,
    write_sweep,
)
from srlab.storage.folders import ensure_folder, lock_folder

_OF_THE_SWEEP = ("grid", "sweep_dir", "until", "most_seeds")  # what no run is told


@dataclass(frozen=True)
class Plan:
    """A sweep that was checked and may start.

    Args:
        folder: Its folder.
        names: Its runs.
        arguments: The command line of Hydra's multirun.
        seeds: Its seeds.
        until: To how many dB its comparisons are to be decided by further seeds, or None.
        most_seeds: How many seeds it may have then.
        lock: What keeps other processes out, where there is such a thing.
    """

    folder: Path
    names: list[str]
    arguments: list[str]
    seeds: list[str]
    until: float | None
    most_seeds: int
    lock: int | None

    @property
    def missing(self) -> list[str]:
        """The names of the runs that are not finished."""
        return [name for name in self.names if not is_finished(self.folder / name)]


def split_axes(overrides: Iterable[str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Split overrides into those that are fixed, and axes with their values, both by their keys.

    Raises:
        UserError: An axis is not a list of values.
    """
    fixed, axes = {}, {}
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.get_key_element()
        if override.is_sweep_override():
            axes[key] = _values(override)
        else:
            fixed[key] = str(override.input_line)
    return fixed, axes


def _values(override: Override) -> list[str]:
    listed = override.is_choice_sweep() or override.is_range_sweep()
    if not listed or isinstance(override.value(), Glob):
        raise UserError(f"{override.input_line}: an axis is a list of values, as in seed=0,1,2")
    return list(dict.fromkeys(override.sweep_string_iterator()))


def make_plan(
    call: Invocation[SweepConfig],
    fixed: dict[str, str],
    axes: dict[str, list[str]],
    command: str,
    lock: int | None = None,
) -> Plan:
    """Plan a sweep: find its axes and its folder, check all its runs, and write the plan.

    Args:
        call: With the config of the first value of each axis, and the axes of the grid.
        fixed: What the command line fixes, by key.
        axes: What it varies.
        command: The command line itself.
        lock: What keeps other processes out already.

    Raises:
        UserError: A run cannot be made, nothing can be decided, or another process runs the sweep.
    """
    config = call.config
    for key in ("run_dir", "resume", "name"):
        if getattr(config, key) is not None:
            raise UserError(f"a sweep names its runs itself: {key} goes with srlab train")
    hydras = [text for key, text in fixed.items() if key.startswith("hydra")]
    fixed = {k: v for k, v in fixed.items() if k not in _OF_THE_SWEEP and not k.startswith("hydra")}
    grid_fixed, grid_axes = split_axes(f"{key}={value}" for key, value in call.sweeper.items())
    axes = {k: v for k, v in grid_axes.items() if k not in fixed} | axes
    fixed = {k: v for k, v in grid_fixed.items() if k not in axes} | fixed
    if "grid" in axes:
        raise UserError(f"one grid at a time, not {', '.join(axes['grid'])}")
    if not axes:
        raise UserError("nothing to compare: give grid=NAME, or several values, as in seed=0,1,2")
    # Slowest, so that one seed's comparison is whole before the next begins; and always an axis, so
    # that more seeds join the one there is.
    fixed.pop("seed", None)
    axes = {"seed": axes.get("seed", [str(config.seed)])} | axes
    for seed in axes["seed"]:  # here, because of seeds that differ only one is checked below
        if not re.fullmatch("[0-9]+", seed) or int(seed) >= 2**63:
            raise ConfigError(f"seed={seed}: {SEED_RANGE}")
    axes["seed"] = list(dict.fromkeys(str(int(seed)) for seed in axes["seed"]))
    _check_until(config, axes)
    places = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    runs = {
        name: Planned([*fixed.values(), *(f"{k}={v}" for k, v in place.items())], place)
        for name, place in zip(run_names(places), places, strict=True)
    }
    configs = _check_all(runs)
    folder = Path(
        config.sweep_dir or _folder_name(call.choices.get("grid"), fixed, axes)
    ).expanduser()
    lock = _take_up(folder, runs, configs, command, lock)
    arguments = _multirun(folder, [*hydras, *fixed.values()], axes)
    limits = config.until, config.most_seeds
    plan = Plan(folder, list(runs), arguments, axes["seed"], *limits, lock)
    done = len(runs) - len(plan.missing)
    print(f"sweep {folder}: {len(runs)} runs, {done} of them finished", flush=True)
    return plan


def _check_until(config: SweepConfig, axes: dict[str, list[str]]) -> None:
    """Check that further seeds may be asked for.

    Raises:
        ConfigError: To no width, of no number, or where there is nothing to decide.
    """
    if config.until is None:
        return
    if not 0 < config.until < math.inf:
        raise ConfigError(f"until={config.until}: it must be dB, above 0")
    if config.most_seeds < max(2, len(axes["seed"])):
        least = f"at least 2, and at least the {len(axes['seed'])} that are given"
        raise ConfigError(f"most_seeds={config.most_seeds}: it must be {least}")
    if all(len(values) == 1 for key, values in axes.items() if key != "seed"):
        raise ConfigError("until decides between choices: give an axis with several, or a grid")


def _folder_name(grid: str | None, fixed: dict[str, str], axes: dict[str, list[str]]) -> Path:
    """Name a sweep by its axes and by what is fixed, so that more values join those there are."""
    what = {key: text for key, text in fixed.items() if not key.startswith(RESUMABLE)}
    first = grid or "-".join(key.split(".")[-1].split("@")[0].lstrip("+") for key in axes)
    return Path("runs/sweeps") / f"{first}-{digest([sorted(axes), sorted(what.values())])}"


def _check_all(runs: dict[str, Planned]) -> dict[str, TrainConfig]:
    """Check every combination before the first is trained; the seeds of one are alike.

    Raises:
        ConfigError: With one line for each that cannot be made.
    """
    configs: dict[str, TrainConfig] = {}
    kinds: dict[str, TrainConfig] = {}
    faults: dict[str, str] = {}
    for name, planned in runs.items():
        kind = digest({k: v for k, v in planned.axes.items() if k != "seed"})
        if kind not in kinds and kind not in faults:
            where = " ".join(f"{k}={v}" for k, v in planned.axes.items() if k != "seed")
            try:
                node = compose("train", overrides=planned.overrides)
                OmegaConf.resolve(node)
                config: Any = OmegaConf.to_object(node)
                check_run(config)
                make_paths_absolute(config)
                kinds[kind] = config
            except (UserError, HydraException, OmegaConfBaseException) as error:
                told = explain("train", str(error)) or str(error).splitlines()[0]
                faults[kind] = f"{where}: {told}" if where else told
        if kind in kinds:
            configs[name] = replace(kinds[kind], seed=int(planned.axes["seed"]))
    if faults:
        raise ConfigError("\n".join(faults.values()))
    return configs


def _take_up(
    folder: Path,
    runs: dict[str, Planned],
    configs: dict[str, TrainConfig],
    command: str,
    lock: int | None,
) -> int | None:
    """Make the folder or go on in it, and write the plan; return what keeps others out.

    Raises:
        UserError: A run there was made otherwise, or another process runs the sweep.
    """
    ensure_folder(folder)
    if lock is None:
        lock = lock_folder(folder)  # first: what another one is writing is not removed
    if not is_sweep(folder) and not is_empty(folder):
        raise UserError(f"{folder} is not a sweep and not empty: name another by sweep_dir")
    known = read_sweep(folder) if is_sweep(folder) else Sweep()
    for name, config in configs.items():
        if (folder / name / "config.yaml").exists():
            check_unchanged(folder / name, plain_config(config))
        failure_file(folder, name).unlink(missing_ok=True)
    known.runs |= runs
    known.commands = list(dict.fromkeys([*known.commands, command]))
    known.started, known.asked = time.time(), list(runs)
    known.finished_before = sum(is_finished(folder / name) for name in runs)
    write_sweep(folder, known)
    ensure_folder(folder / "logs")
    return lock


def _multirun(folder: Path, fixed: list[str], axes: dict[str, list[str]]) -> list[str]:
    escaped = str(folder).replace("'", "\\'")
    return [
        *fixed,
        *(f"{key}={','.join(values)}" for key, values in axes.items()),
        f"hydra.sweep.dir='{escaped}'",
        "hydra.sweep.subdir=.",
    ]
