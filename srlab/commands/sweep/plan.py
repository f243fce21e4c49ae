"""The plan of a sweep: its axes, its folder, a check of every combination."""

import itertools
import time
from dataclasses import dataclass, replace
from pathlib import Path

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from srlab.assembly.testsets import settle_valset
from srlab.assembly.training_run import check_run
from srlab.command_line.complaints import explain
from srlab.command_line.invocation import Invocation
from srlab.commands.sweep.axes import OWN_KEYS, check_until, what_is_compared
from srlab.commands.sweep.tuned import tell_differences
from srlab.config.compose import composed_training
from srlab.config.plain import plain_config
from srlab.config.schema import SweepConfig, TrainConfig, TuneConfig
from srlab.errors import ConfigError, UserError
from srlab.runs.folder import (
    RESUMABLE,
    check_unchanged,
    make_paths_absolute,
    stored_config,
)
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
from srlab.runs.tuning import Tuned, read_tuned
from srlab.storage.folders import ensure_folder, lock_folder


@dataclass(frozen=True)
class Plan:
    """A sweep that was checked and may start.

    Args:
        folder: Its folder.
        configs: What its runs train, by name.
        fixed: What all of them are given, Hydra's own keys included.
        axes: What is varied.
        until: To how many dB its comparisons are to be decided by further seeds, or None.
        most_seeds: How many seeds it may have then.
        lock: What keeps other processes out, where there is such a thing.
    """

    folder: Path
    configs: dict[str, TrainConfig]
    fixed: list[str]
    axes: dict[str, list[str]]
    until: float | None
    most_seeds: int
    lock: int | None

    @property
    def names(self) -> list[str]:
        """The names of the runs."""
        return list(self.configs)

    @property
    def missing(self) -> list[str]:
        """The names of the runs that are not finished."""
        return [name for name in self.names if not is_finished(self.folder / name)]

    def arguments(self, axes: dict[str, list[str]]) -> list[str]:
        """Return the command line of Hydra's multirun over these axes."""
        escaped = str(self.folder).replace("'", "\\'")
        return [
            *self.fixed,
            *(f"{key}={','.join(values)}" for key, values in axes.items()),
            f"hydra.sweep.dir='{escaped}'",
            "hydra.sweep.subdir=.",
        ]


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
    fixed, axes = what_is_compared(call, fixed, axes)
    check_until(config, axes)
    place = Path("runs/tunings" if isinstance(config, TuneConfig) else "runs/sweeps")
    folder = Path(
        config.sweep_dir or place / _folder_name(call.choices.get("grid"), fixed, axes)
    ).expanduser()
    fixed = {key: text for key, text in fixed.items() if key not in OWN_KEYS}
    if "valset" not in fixed | axes and (kept := _kept_valset(folder)):
        fixed["valset"] = f"valset={kept}"  # its runs are to be equal in this, too
    tuned = read_tuned(Path(config.tuned)) if config.tuned else None
    runs = _runs(fixed, axes, tuned)
    configs = _check_all(runs)
    if tuned is not None:
        tell_differences(tuned, fixed, axes, next(iter(configs.values())))
    lock = _take_up(folder, runs, configs, command, lock)
    limits = config.until, config.most_seeds
    plan = Plan(folder, configs, [*hydras, *fixed.values()], axes, *limits, lock)
    done = len(runs) - len(plan.missing)
    print(f"sweep {folder}: {len(runs)} runs, {done} of them finished", flush=True)
    return plan


def _runs(
    fixed: dict[str, str], axes: dict[str, list[str]], tuned: Tuned | None
) -> dict[str, Planned]:
    """Plan a run for every place on the axes."""
    places = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    named = zip(run_names(places), places, strict=True)
    return {name: planned(fixed, place, tuned) for name, place in named}


def planned(fixed: dict[str, str], place: dict[str, str], tuned: Tuned | None = None) -> Planned:
    """Plan a run at a place on the axes, with what was tuned for it."""
    overrides = [*fixed.values(), *(f"{key}={value}" for key, value in place.items())]
    return Planned(overrides if tuned is None else [*overrides, *tuned.of(overrides)], place)


def _folder_name(grid: str | None, fixed: dict[str, str], axes: dict[str, list[str]]) -> str:
    """Name a sweep by its axes and by what is fixed, so that more values join those there are."""
    what = {key: text for key, text in fixed.items() if not key.startswith(RESUMABLE)}
    first = grid or "-".join(key.split(".")[-1].split("@")[0].lstrip("+") for key in axes)
    return f"{first}-{digest([sorted(axes), sorted(what.values())])}"


def _kept_valset(folder: Path) -> str | None:
    """Return what a sweep that was begun chooses by, if that is not what is usual here now.

    Trainings of earlier versions chose by the first test set; BSDS500-test may have come since.
    """
    names = read_sweep(folder).runs if is_sweep(folder) else ()
    begun = [folder / name for name in names if (folder / name / "config.yaml").exists()]
    if not begun:
        return None
    valset = stored_config(begun[0]).get("valset")
    if not valset:
        return "first_testset"
    return "photos" if str(valset.get("_target_")).endswith(".photos") else None


def _check_all(runs: dict[str, Planned]) -> dict[str, TrainConfig]:
    """Check every combination before the first is trained; the seeds of one are alike.

    Raises:
        ConfigError: With one line for each that cannot be made.
    """
    configs: dict[str, TrainConfig] = {}
    kinds: dict[str, TrainConfig] = {}
    faults: dict[str, str] = {}
    for name, run in runs.items():
        kind = digest({k: v for k, v in run.axes.items() if k != "seed"})
        if kind not in kinds and kind not in faults:
            where = " ".join(f"{k}={v}" for k, v in run.axes.items() if k != "seed")
            try:
                config = composed_training(run.overrides)
                check_run(config)
                settle_valset(config)
                make_paths_absolute(config)
                kinds[kind] = config
            except (UserError, HydraException, OmegaConfBaseException) as error:
                told = explain("train", str(error)) or str(error).splitlines()[0]
                faults[kind] = f"{where}: {told}" if where else told
        if kind in kinds:
            configs[name] = replace(kinds[kind], seed=int(run.axes["seed"]))
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
    known.started, known.asked, known.pause = time.time(), list(runs), None
    known.finished_before = sum(is_finished(folder / name) for name in runs)
    write_sweep(folder, known)
    ensure_folder(folder / "logs")
    return lock
