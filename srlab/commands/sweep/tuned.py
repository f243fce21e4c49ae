"""What a sweep says of the tuning that it takes its rates from."""

import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from srlab.assembly.testsets import build_testsets, build_valset, tell_shared
from srlab.assembly.training_checks import TRAINING_PARTS
from srlab.config.check import check
from srlab.config.schema import TrainConfig
from srlab.errors import UserError
from srlab.runs.folder import RESUMABLE, stored_config
from srlab.runs.sweep_plan import read_sweep
from srlab.runs.tuning import Tuned

_LOOKED_AT = ("trainer.eval_every=", "trainer.log_every=", "trainer.save_every=")  # and no more


def tell_differences(
    tuned: Tuned, fixed: dict[str, str], axes: dict[str, list[str]], config: TrainConfig
) -> None:
    """Say in what the runs of a tuning had other settings, and which test pictures it chose by.

    Args:
        tuned: What it found.
        fixed: What all runs of the sweep are given, by key.
        axes: What it varies.
        config: What one of its runs trains.
    """
    chosen = {part.partition("=")[0] for found in tuned.choices for part in found.choice}
    kept = ("testset", "seed=", *_LOOKED_AT, *RESUMABLE)
    others = [o for o in set(tuned.fixed) ^ set(fixed.values()) if not o.startswith(kept)]
    others = [o for o in others if o.partition("=")[0] not in chosen]
    varied = [key for key in axes if key not in (*chosen, "seed") and not key.startswith(kept)]
    others += [f"{key}={','.join(axes[key])}" for key in varied]
    if others:
        print(
            f"srlab: {tuned.folder} was tuned with other settings ({', '.join(sorted(others))}): "
            f"what is best there need not be best here",
            file=sys.stderr,
        )
    _tell_overlap(tuned, config)


def _tell_overlap(tuned: Tuned, config: TrainConfig) -> None:
    """Say which test pictures chose what was tuned."""
    with suppress(UserError):  # they are not there any more
        chosen = _valset_of(tuned.folder)
        check({"valset": chosen}, TRAINING_PARTS)
        valset = build_valset(replace(config, valset=chosen))
        if valset is None:
            return
        for testset in build_testsets(config.testset):
            found = f"chose what {tuned.folder} found: its scores there are too good"
            tell_shared(valset, testset, found)


def _valset_of(folder: Path) -> dict[str, object]:
    """Return the validation set of a tuning's runs."""
    runs = (folder / name for name in read_sweep(folder).runs)
    begun = next((run for run in runs if (run / "config.yaml").exists()), None)
    return {} if begun is None else stored_config(begun).get("valset") or {}
