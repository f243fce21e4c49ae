"""What a run leaves when it is finished: tables and a picture."""

import math
from pathlib import Path
from shlex import quote

import numpy as np

from srlab.assembly.training_run import TrainingRun
from srlab.evaluation.score import mean_score
from srlab.evaluation.tables import Result, as_csv, as_json, console_table, finite
from srlab.imaging.files import png_of
from srlab.machine import ranks
from srlab.storage.atomic import write_atomically, write_json

# So many dB below bicubic a network is of no use, whatever its loss was.
_LOST = 6.0


def finish(training: TrainingRun, folder: Path, ours: list[Result]) -> float:
    """Write the tables of the final weights beside bicubic, and the picture."""
    results = [r for pair in zip(training.judge_bicubic(), ours, strict=True) for r in pair]
    if ranks.rank() > 0:
        return last_score(training)
    write_atomically(folder / "results.csv", as_csv(results).encode())
    write_history(training, folder)
    captions = [f"{r.label} {r.scores[0].psnr:.2f} dB" for r in results[:2]]
    sheet = training.example.sheet(training.upscaler(), *captions)
    write_atomically(folder / "comparison.png", png_of(np.asarray(sheet)))
    # Last: it is the mark of a run that is finished.
    write_atomically(folder / "results.json", as_json(results).encode())
    print(f"\n{console_table(results, per_image=False)}\n")
    print(f"checkpoint: {folder}/last.pt\npicture:    {folder}/comparison.png")
    if training.state.history:
        print(f"best:       {folder}/best.pt ({_best(training)})")
    print(_advice(folder, results[0].scale, *(mean_score(r.scores).psnr for r in results[:2])))
    if scales := training.config.trainer.scales:
        asked = f"{quote(f'checkpoint={folder}/last.pt')} 'scale=[{','.join(map(str, scales))}]'"
        print(f"judge it at each of its scales: srlab evaluate {asked}")
    return last_score(training)


def _advice(folder: Path, scale: float, bicubic: float, ours: float) -> str:
    """Say how the network is used, or why it had better not be."""
    if ours < bicubic - _LOST:
        return (
            f"not to be used: it is {bicubic - ours:.1f} dB below bicubic; it diverged, or wants "
            f"more steps: try a lower optim.lr, trainer.clip=1 or a longer schedule.warmup"
        )
    checkpoint, made = quote(f"checkpoint={folder}/last.pt"), "LARGER" if scale > 1 else "RESTORED"
    how = f"use it:     srlab upscale {checkpoint} input=PICTURE output={made}.png"
    below = round(bicubic - ours, 2)
    return f"{below:.2f} dB below bicubic: more steps may help\n{how}" if below > 0 else how


def write_history(training: TrainingRun, folder: Path) -> None:
    """Write how far a run is, and its scores along the way."""
    if ranks.rank() == 0:
        history = [record | {"psnr": finite(record["psnr"])} for record in training.state.history]
        summary = {"step": training.state.step, "seconds": training.seconds, "history": history}
        write_json(folder / "metrics.json", summary)


def last_score(training: TrainingRun) -> float:
    """Return the mean PSNR by which is chosen at the latest evaluation; nan without one."""
    history = training.state.history
    return training.chosen_by(history[-1]) if history else math.nan


def _best(training: TrainingRun) -> str:
    """Say when the network was best, and by which pictures."""
    count = len(training.validation)
    by = f"{count} pictures of {training.chooser}" if count else training.chooser
    best = max(training.state.history, key=training.chosen_by)
    return f"step {best['step']:,}, best on {by}"
