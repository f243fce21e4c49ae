"""Watching a run: the console, TensorBoard and the history of scores."""

import time
from pathlib import Path
from typing import Any

from srlab.assembly.training_run import VALIDATION, TrainingRun
from srlab.console.progress import Progress
from srlab.evaluation.score import mean_score
from srlab.evaluation.tables import Result
from srlab.machine import ranks
from srlab.training.record import Record
from srlab.training.step import Terms


class Onlooker:
    """What a rank does that is not the first: it judges its part, and says nothing.

    Args:
        training: The run; evaluations are added to its history.
    """

    def __init__(self, training: TrainingRun):
        self.training = training
        self.results: list[Result] = []  # of the latest evaluation

    def log(self, step: int, terms: dict[str, float], rate: float) -> None:
        """Leave it to the first."""

    def beat(self, step: int, terms: Terms) -> None:
        """Leave it to the first."""

    def evaluate(self) -> float:
        """Judge the network and return the mean PSNR of the set that chooses."""
        self.results, score = self.training.evaluate()
        return score.psnr

    def note(self, line: str) -> None:
        """Leave it to the first."""

    def close(self) -> None:
        """Leave nothing."""


class Monitor:
    """Tells how a run stands.

    Args:
        training: The run; evaluations are added to its history.
        folder: The run folder.
    """

    def __init__(self, training: TrainingRun, folder: Path):
        steps, step = training.config.trainer.steps, training.state.step
        self.training = training
        self.results: list[Result] = []  # of the latest evaluation
        self.record = Record(folder, step)
        self.progress = Progress(steps, step)
        self._began, self._before = time.monotonic(), training.seconds
        done = f", {step:,} done" if step else ""
        self.progress.note(
            f"training {training.name} in {folder}: {steps:,} steps on {_places(training)}{done}"
        )

    def log(self, step: int, terms: dict[str, float], rate: float) -> None:
        """Report the mean loss terms since the last report, and the learning rate."""
        self.training.seconds = self._before + time.monotonic() - self._began
        self.record.losses(step, terms, rate, self.progress.rate(step))

    def beat(self, step: int, terms: Terms) -> None:
        """Show after a step how the run stands, if it is time to."""
        self.progress.update(step, lambda: sum(float(term) for term in terms.values()))

    def evaluate(self) -> float:
        """Judge the network, report it, and return the mean PSNR of the set that chooses."""
        step, start = self.training.state.step, time.monotonic()
        self.results, chosen_by = self.training.evaluate()
        means = {r.testset: mean_score(r.scores) for r in self.results}
        first, score = next(iter(means.items()))
        if self.training.validation:
            means = {VALIDATION: chosen_by} | means
        for name, mean in means.items():
            self.record.score(step, name, mean.psnr, mean.ssim, mean.ripple)
        self.record.flat_ripple(step, self.training.state.history[-1]["flat_ripple"])
        example = self.training.example
        for name, image in example.pictures(self.training.upscaler()).items():
            self.record.picture(step, f"{example.name}/{name}", image)
        if self.training.state.model.learns:
            self._watch_learning(step)
        scores = "  ".join(f"{n} {m.psnr:.2f} dB / {m.ssim:.4f}" for n, m in means.items())
        self.progress.score = f"  {first} {score.psnr:.2f} dB"
        self.progress.note(f"step {step:,}  {scores}  ({self.progress.rate(step):.0f} steps/s)")
        self._began += time.monotonic() - start
        return chosen_by.psnr

    def _watch_learning(self, step: int) -> None:
        model: Any = self.training.state.model
        for name, value in model.gauges().items():
            self.record.gauge(step, name, value)
        for name, image in model.pictures().items():
            self.record.picture(step, name, image)

    def note(self, line: str) -> None:
        """Tell the user something."""
        self.progress.note(line)

    def close(self) -> None:
        """Write what is pending and clear the progress line."""
        self.progress.close()
        self.record.close()


def _places(training: TrainingRun) -> str:
    kind = "GPUs" if training.device.type == "cuda" else "processes"
    return str(training.device) if ranks.count() == 1 else f"{ranks.count()} {kind}"
