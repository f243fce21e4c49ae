"""What a command line fixes for all runs of a sweep, and what it varies."""

import math
import re
from collections.abc import Iterable
from dataclasses import fields

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override

from srlab.command_line.invocation import Invocation
from srlab.config.ranges import SEED_RANGE
from srlab.config.schema import SweepConfig, TrainConfig, TuneConfig
from srlab.errors import ConfigError, UserError

# What a run is not given of the command line of a sweep.
OWN_KEYS = {"grid"} | {key.name for key in fields(TuneConfig)} - {
    key.name for key in fields(TrainConfig)
}


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


def what_is_compared(
    call: Invocation[SweepConfig], fixed: dict[str, str], axes: dict[str, list[str]]
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Return what a sweep fixes, its grid included, and its axes, the seed first.

    Raises:
        UserError: There is nothing to compare, or a seed is none.
    """
    if "grid" in axes:
        raise UserError(f"one grid at a time, not {', '.join(axes['grid'])}")
    unnamed = ("grid", "sweep_dir", "until", "most_seeds")
    fixed = {k: v for k, v in fixed.items() if k not in unnamed and not k.startswith("hydra")}
    grid_fixed, grid_axes = split_axes(f"{key}={value}" for key, value in call.sweeper.items())
    axes = {k: v for k, v in grid_axes.items() if k not in fixed} | axes
    fixed = {k: v for k, v in grid_fixed.items() if k not in axes} | fixed
    if not axes:
        raise UserError("nothing to compare: give grid=NAME, or several values, as in seed=0,1,2")
    # Slowest, so that one seed's comparison is whole before the next begins; and always an axis, so
    # that more seeds join the one there is.
    fixed.pop("seed", None)
    axes = {"seed": axes.get("seed", [str(call.config.seed)])} | axes
    for seed in axes["seed"]:  # here, because of seeds that differ only one is checked with its run
        if not re.fullmatch("[0-9]+", seed) or int(seed) >= 2**63:
            raise ConfigError(f"seed={seed}: {SEED_RANGE}")
    axes["seed"] = list(dict.fromkeys(str(int(seed)) for seed in axes["seed"]))
    return fixed, axes


def check_until(config: SweepConfig, axes: dict[str, list[str]]) -> None:
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
