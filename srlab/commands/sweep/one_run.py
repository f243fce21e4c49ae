"""One run of a sweep: made, taken up or left alone; what fails is noted and stops nothing else."""

import contextlib
import math
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from srlab.command_line.invocation import Invocation
from srlab.commands.train.command import run as train
from srlab.config.compose import composed_training
from srlab.config.schema import TrainConfig
from srlab.console.progress import clock
from srlab.errors import Interrupted, UserError
from srlab.runs.folder import RESUMABLE
from srlab.runs.results import chosen_score, has_reached, is_finished, mean_scores
from srlab.runs.sweep_plan import Sweep, failure_file, failures, log_file, read_sweep
from srlab.storage.atomic import write_atomically
from srlab.storage.folders import ensure_folder
from srlab.training.record import record_hyperparameters


def run(call: Invocation[TrainConfig]) -> float:
    """Bring a run of a sweep to where it is to come, and return its score; nan if it failed.

    Of a tuning not all combinations are asked for at a time; the others are left alone.

    Raises:
        Interrupted: A signal asked to stop; everything is saved.
    """
    folder, overrides = call.sweep_folder, call.overrides
    sweep = read_sweep(folder)
    name = _name(sweep, overrides)
    if name is None:
        return math.nan
    if has_reached(folder / name, sweep.pause):
        return chosen_score(folder / name, sweep.pause)
    position, left = _standing(folder, sweep)
    print(f"run {position}: {name}{left}", flush=True)
    start = time.monotonic()
    try:
        with (
            log_file(folder, name).open("a", encoding="utf-8", errors="backslashreplace") as log,
            contextlib.redirect_stdout(log),
        ):
            score = _trained(call, sweep, name)
        said = [f"validation {score:.2f} dB"] if call.config.valset else []
        if is_finished(folder / name):
            said += _finished(folder / name, sweep.runs[name].axes)
    except Interrupted as stop:
        left = f"stopped in {name}, which is saved; the same command goes on with the sweep"
        raise Interrupted(left, stop.exit_code) from None
    except Exception as error:
        _note_failure(folder, name, error)
        return math.nan
    print(f"  {'  '.join(said)}  in {clock(round(time.monotonic() - start))}", flush=True)
    return score


def _trained(call: Invocation[TrainConfig], sweep: Sweep, name: str) -> float:
    config, overrides, folder = call.config, call.overrides, call.sweep_folder / name
    keys = {override: override.lstrip("+~").partition("=")[0] for override in overrides}
    if (folder / "config.yaml").exists():
        config.resume = str(folder)
        kept = [override for override, key in keys.items() if key in RESUMABLE]
        return train(Invocation(config, overrides=kept, pause=sweep.pause))
    planned = sweep.runs[name].overrides
    if any(override.lstrip("+~").partition("=")[0] not in keys.values() for override in planned):
        config, overrides = composed_training(planned), planned  # with what was tuned for it
    config.name, config.run_dir = name, str(folder)
    return train(Invocation(config, overrides=overrides, pause=sweep.pause))


def _finished(folder: Path, axes: dict[str, str]) -> list[str]:
    """Say what a finished run has scored, and let TensorBoard show it beside others."""
    scores = mean_scores(folder)
    metrics = [f"{metric}/{testset}" for testset, *_ in scores for metric in ("psnr", "ssim")]
    record_hyperparameters(folder, {k: _plain(v) for k, v in axes.items()}, metrics)
    return [f"{testset} {psnr:.2f} dB / {ssim:.4f}" for testset, psnr, ssim in scores]


def _note_failure(folder: Path, name: str, error: Exception) -> None:
    mistake = isinstance(error, UserError)
    lines = (str(error) or repr(error)) if mistake else f"{type(error).__name__}: {error}"
    reason = " ".join(lines.split())
    text = reason if mistake else f"{reason}\n\n{traceback.format_exc()}"
    print(f"  failed: {reason}", file=sys.stderr, flush=True)
    path = failure_file(folder, name)
    ensure_folder(path.parent)
    write_atomically(path, f"{text}\n".encode())


def _name(sweep: Sweep, overrides: list[str]) -> str | None:
    """Find a run by its place on the axes; None if it is not asked for."""
    given = dict(override.split("=", 1) for override in overrides)
    for name in sweep.asked:
        if all(given.get(key) == value for key, value in sweep.runs[name].axes.items()):
            return name
    return None


def _standing(folder: Path, sweep: Sweep) -> tuple[str, str]:
    """Say which run comes now, and how long the rest takes if it goes on as it did so far."""
    finished = sum(has_reached(folder / name, sweep.pause) for name in sweep.asked)
    settled = finished + len(failures(folder, sweep.asked))
    position = f"{settled + 1} of {len(sweep.asked)}"
    lately = settled - sweep.finished_before
    if lately < 1:
        return position, ""
    left = (len(sweep.asked) - settled) * (time.time() - sweep.started) / lately
    return position, f" ({clock(round(left))} left of the sweep)"


def _plain(value: str) -> Any:
    """Read a value as the number that it may be, which HParams can sort by."""
    try:
        return float(value)
    except ValueError:
        return value
