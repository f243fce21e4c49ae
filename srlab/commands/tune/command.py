"""``srlab tune``: the learning rate of each choice, searched on the validation set.

The runs are those of a sweep, and so is their folder: they are taken up to the same bits, which
lets a run pause where runs are compared, and go on later if it is wanted.
"""

import math
import shlex
from dataclasses import dataclass
from functools import partial

from srlab.command_line.application import run_application
from srlab.command_line.invocation import Invocation
from srlab.commands.sweep.axes import split_axes
from srlab.commands.sweep.command import read_arguments
from srlab.commands.sweep.plan import Plan, make_plan
from srlab.commands.tune.choices import RATE, Tuning
from srlab.commands.tune.table import check_joins, say_what_was_found
from srlab.config.schema import TuneConfig
from srlab.console.lasting import outlasting_readers
from srlab.errors import ConfigError

_OWN = ("search", "stops", "keep", "extend", "margin")
_LADDER = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class _Planned:
    plan: Plan
    config: TuneConfig


def run(arguments: list[str]) -> None:
    """Plan a tuning from its first run's config, then make runs until the best of each is known."""
    flags, fixed, axes = read_arguments(arguments)
    first = [f"{key}={values[0]}" for key, values in axes.items()]
    command = shlex.join(["srlab", "tune", *arguments])
    planning = partial(_make_plan, fixed=fixed, axes=axes, command=command)
    planned = run_application("tune", "tune", [*flags, *fixed.values(), *first], lambda: planning)
    if planned is None:  # asked for help, or for the config
        return
    with outlasting_readers():
        tuning = Tuning(planned.plan, planned.config, flags)
        check_joins(tuning)
        tuning.search()
        say_what_was_found(tuning)


def _make_plan(
    call: Invocation[TuneConfig], fixed: dict[str, str], axes: dict[str, list[str]], command: str
) -> _Planned:
    config = call.config
    _check(config, axes)
    fixed = {key: text for key, text in fixed.items() if key not in _OWN}
    if "seed" not in axes:  # the seeds of a grid are there to be reported
        fixed["seed"] = f"seed={config.seed}"
    of_grid = split_axes(f"{key}={value}" for key, value in call.sweeper.items())[1]
    varied = of_grid.keys() | axes.keys()
    if RATE in config.search and RATE not in varied:
        if {"optim", "experiment"} & varied:
            raise ConfigError(f"the choices begin at several rates: give {RATE}=... as a list")
        fixed.pop(RATE, None)
        rate = config.optim.get("lr")
        if not isinstance(rate, int | float) or not 0 < rate < math.inf:
            raise ConfigError(f"{RATE} must be a number above 0, got {rate}")
        axes = axes | {RATE: [f"{factor * rate:.6g}" for factor in _LADDER]}
    missing = [key for key in config.search if key not in varied | axes.keys()]
    if missing:
        raise ConfigError(f"search names {missing[0]}, which has one value: give it several")
    return _Planned(make_plan(call, fixed, axes, command), config)


def _check(config: TuneConfig, axes: dict[str, list[str]]) -> None:
    faults = []
    if config.tuned is not None:
        faults.append("tuned goes with srlab sweep")
    if config.until is not None:
        faults.append("until goes with srlab sweep")
    if not config.valset:
        faults.append("nothing is tuned on test pictures: give a validation set by valset=NAME")
    if not config.search:
        faults.append(f"search is empty: name keys, as in search=[{RATE}]")
    if not 0 < config.keep <= 1:
        faults.append(f"keep must be above 0 and at most 1, got {config.keep}")
    if not all(0 < stop < 1 for stop in config.stops):
        faults.append(f"stops are fractions of the steps, above 0 and under 1, got {config.stops}")
    if config.extend < 0:
        faults.append("extend must not be negative")
    if not 0 <= config.margin < math.inf:
        faults.append(f"margin must be a number of dB, at least 0, got {config.margin}")
    faults += [f"{key} takes one value" for key in (*_OWN, "valset") if key in axes]
    if faults:
        raise ConfigError("\n".join(faults))
