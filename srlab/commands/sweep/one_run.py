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
from srlab.config.schema import TrainConfig
from srlab.console.progress import clock
from srlab.errors import Interrupted, UserError
from srlab.runs.folder import RESUMABLE
from srlab.runs.results import chosen_score, is_finished, mean_scores
from srlab.runs.sweep_plan import Sweep, failure_file, failures, log_file, read_sweep
from srlab.storage.atomic import write_atomically
from srlab.storage.folders import ensure_folder
from srlab.training.record import record_hyperparameters


def run(call: Invocation[TrainConfig]) -> float:
    """Bring a run of a sweep to its end, and return its score; not a number if it failed.

    Raises:
        Interrupted: A signal asked to stop; everything is saved.
    """
    folder, overrides = call.sweep_folder, call.overrides
    sweep = read_sweep(folder)
    name = _name(sweep, overrides)
    if is_finished(folder / name):
        return chosen_score(folder / name)
    position, left = _standing(folder, sweep)
    print(f"run {position}: {name}{left}", flush=True)
    start = time.monotonic()
    try:
        with (
            log_file(folder, name).open("a", encoding="utf-8", errors="backslashreplace") as log,
            contextlib.redirect_stdout(log),
        ):
            score = _trained(call.config, name, overrides, folder / name)
        scores = mean_scores(folder / name)
        metrics = [f"{metric}/{testset}" for testset, *_ in scores for metric in ("psnr", "ssim")]
        values = {key: _plain(value) for key, value in sweep.runs[name].axes.items()}
        record_hyperparameters(folder / name, values, metrics)
    except Interrupted as stop:
        said = f"stopped in {name}, which is saved; the same command goes on with the sweep"
        raise Interrupted(said, stop.exit_code) from None
    except Exception as error:
        _note_failure(folder, name, error)
        return math.nan
    said = "  ".join(f"{testset} {psnr:.2f} dB / {ssim:.4f}" for testset, psnr, ssim in scores)
    print(f"  {said}  in {clock(round(time.monotonic() - start))}", flush=True)
    return score


def _trained(config: TrainConfig, name: str, overrides: list[str], folder: Path) -> float:
    if not (folder / "config.yaml").exists():
        config.name, config.run_dir = name, str(folder)
        return train(Invocation(config, overrides=overrides))
    config.resume = str(folder)
    keys = {override: override.lstrip("+~").partition("=")[0] for override in overrides}
    kept = [override for override, key in keys.items() if key in RESUMABLE]
    return train(Invocation(config, overrides=kept))


def _note_failure(folder: Path, name: str, error: Exception) -> None:
    mistake = isinstance(error, UserError)
    lines = (str(error) or repr(error)) if mistake else f"{type(error).__name__}: {error}"
    reason = " ".join(lines.split())
    text = reason if mistake else f"{reason}\n\n{traceback.format_exc()}"
    print(f"  failed: {reason}", file=sys.stderr, flush=True)
    path = failure_file(folder, name)
    ensure_folder(path.parent)
    write_atomically(path, f"{text}\n".encode())


def _name(sweep: Sweep, overrides: list[str]) -> str:
    """Find a run by its place on the axes."""
    given = dict(override.split("=", 1) for override in overrides)
    for name in sweep.asked:
        if all(given.get(key) == value for key, value in sweep.runs[name].axes.items()):
            return name
    raise UserError(f"the sweep has no run with {' '.join(overrides)}")


def _standing(folder: Path, sweep: Sweep) -> tuple[str, str]:
    """Say which run comes now, and how long the rest takes if it goes on as it did so far."""
    finished = sum(is_finished(folder / name) for name in sweep.asked)
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
