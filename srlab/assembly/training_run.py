"""The parts of a training run, all checked and built before anything is written."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor, nn

from srlab import __version__
from srlab.assembly.example_picture import ExamplePicture, open_example
from srlab.assembly.learner import build_state
from srlab.assembly.testsets import (
    build_degradation,
    build_testsets,
    build_valset,
    judge,
    read_testsets,
    warn_of_overlap,
)
from srlab.assembly.training_checks import (
    check_degradable,
    check_everything,
    tell_misfit,
    tell_trained_on,
)
from srlab.config.build import build, without_warning
from srlab.config.phases import Phase, phases_of
from srlab.config.plain import plain_config
from srlab.config.schema import TrainConfig
from srlab.data.pack import Pack, open_pack
from srlab.data.pairs import Pair
from srlab.data.patches import PatchBatches, scale_of_step
from srlab.evaluation.methods import method_of
from srlab.evaluation.network import ripple_on_flats
from srlab.evaluation.score import Score, mean_score
from srlab.evaluation.tables import Result
from srlab.inference.fast_copy import fast_copy
from srlab.inference.sizing import automatic_tile
from srlab.inference.tiles import upscale_tiled
from srlab.machine import ranks
from srlab.machine.facts import gpu_facts
from srlab.machine.memory import keep_freed_memory
from srlab.training.parts import parts_of
from srlab.training.schedule import Schedule
from srlab.training.state import TrainingState

Upscale = Callable[[Tensor], Tensor]
VALIDATION = "validation"  # what the validation set is called beside test sets, whatever it is


@dataclass
class TrainingRun:
    """A run that is ready to train.

    Args:
        packs: What is trained on, by scale.
        pairs: What is reported on, by test set.
        validation: What is chosen by; none where the first test set chooses.
        chooser: What the set is called that chooses.
    """

    config: TrainConfig
    device: torch.device
    state: TrainingState
    objective: nn.Module
    schedule: Schedule
    packs: dict[int, Pack]
    pairs: dict[str, list[Pair]]
    validation: list[Pair]
    chooser: str
    example: ExamplePicture
    method: str | None
    seconds: float = 0.0  # of training so far, without the evaluations

    @property
    def name(self) -> str:
        """What tables call the run."""
        return str(self.config.name)

    @property
    def done(self) -> bool:
        """Whether all steps are done, or patience ended the run."""
        trainer = self.config.trainer
        return self.state.step >= trainer.steps or 0 < trainer.patience <= self.state.stale

    @property
    def parts(self) -> int:
        """Into how many each batch is cut, for a thread each; 1 where it is not."""
        trainer, model = self.config.trainer, self.state.model
        if trainer.accumulate > 1:
            return 1
        smallest = min(phase.batch_size for phase in phases_of(trainer))
        return parts_of(smallest, self.device, model, self.objective, trainer.compile)

    @property
    def fingerprint(self) -> str:
        """What tells whether the training images are the same."""
        prints = [pack.fingerprint for pack in self.packs.values()]
        return prints[0] if len(prints) == 1 else sha256(" ".join(prints).encode()).hexdigest()

    def batches(self, phase: Phase) -> dict[int, PatchBatches]:
        """Return the training batches of a phase, by scale and step."""
        sizes, frame = (phase.batch_size, phase.patch_size), self.state.model.frame
        drawn = self.config.seed, ranks.rank(), ranks.count()
        return {s: PatchBatches(pack, *sizes, frame, *drawn) for s, pack in self.packs.items()}

    def scale_of(self, step: int) -> int:
        """Return the scale of the batch of a step."""
        return scale_of_step(step, tuple(self.packs), self.config.seed)

    def upscaler(self) -> Upscale:
        """Return ``lr -> sr`` by the network as it is now."""
        network = fast_copy(self.state.network)
        return partial(upscale_tiled, network, tile=automatic_tile(network))

    def judge(self) -> list[Result]:
        """Score the network as it is now on every test set."""
        return self._judge(self.pairs)

    def evaluate(self) -> tuple[list[Result], Score]:
        """Score the network as it is now, and note the first test set's means in the history.

        Returns:
            The results on the test sets, and the means on the set that chooses.
        """
        both = self._judge(({VALIDATION: self.validation} if self.validation else {}) | self.pairs)
        results = both[-len(self.pairs) :]
        score, chosen_by = mean_score(results[0].scores), mean_score(both[0].scores)
        record = {"psnr": score.psnr, "ssim": score.ssim, "ripple": score.ripple}
        record = {"step": self.state.step, **record, "flat_ripple": self.flat_ripple()}
        if self.validation:
            record[VALIDATION] = chosen_by.psnr
        self.state.history.append(record)
        return results, chosen_by

    def _judge(self, pairs: dict[str, list[Pair]]) -> list[Result]:
        return self._judged(self.upscaler(), pairs, self.name, self.method)

    def _judged(
        self, upscale: Upscale, pairs: dict[str, list[Pair]], label: str, method: str | None
    ) -> list[Result]:
        seen = self.config.scale, self.config.colour
        return judge(upscale, pairs, *seen, label, method)

    def chosen_by(self, record: dict[str, Any]) -> float:
        """Return the score of a record of the history by which is chosen."""
        return record[VALIDATION if self.validation else "psnr"]

    def flat_ripple(self) -> float:
        """Return the ripple of what the network as it is now makes of flat pictures."""
        return ripple_on_flats(self.upscaler(), self.state.model)

    def judge_bicubic(self) -> list[Result]:
        """Score bicubic on every test set."""
        return self._judged(self.example.bicubic, self.pairs, "bicubic", "bicubic")

    def environment(self) -> dict[str, Any]:
        """Return what the bits of the run depend on, besides its config."""
        return {
            "srlab": __version__,
            "torch": str(torch.__version__),
            "threads": torch.get_num_threads(),
            "device": self.device.type,
            **({"devices": ranks.count()} if ranks.count() > 1 else {}),
            **({"parts": parts} if (parts := self.parts) > 1 else {}),
            **(gpu_facts(self.device) if self.device.type == "cuda" else {}),
        }

    def checkpoint(self, resumable: bool) -> dict[str, Any]:
        """Return what a checkpoint of the run holds now."""
        content = {
            "config": plain_config(self.config),
            "weights": self.state.network.state_dict(),
            "step": self.state.step,
            "fingerprint": self.fingerprint,
            "info": self.environment(),
            "seconds": self.seconds,
        }
        return content | ({"training": self.state.state_dict()} if resumable else {})


def prepare(config: TrainConfig, roots: tuple[str, ...] | None) -> TrainingRun:
    """Check everything, find the data, and build the parts.

    Args:
        config: The config of the run.
        roots: What it may name, if it comes from a file; None trusts it.

    Raises:
        UserError: Something must be mended; nothing was written but packs in the cache.
    """
    keep_freed_memory()
    device = check_everything(config, roots)
    trainer = config.trainer
    if trainer.threads:
        torch.set_num_threads(trainer.threads)

    state, objective = build_state(config, device)
    schedule = build(config.schedule, "schedule")
    images = build(config.data, "data")
    testsets, valset = build_testsets(config.testset), build_valset(config)
    if ranks.rank() > 0:  # or all ranks would decode all images at once
        ranks.wait_for_first()
    degradation = build_degradation(config.degradation)
    check_degradable(images, degradation, config.scale, *trainer.scales)
    seen = config.scale, config.colour
    largest = max(phase.patch_size for phase in phases_of(trainer))
    packs = {
        scale: open_pack(images, scale, config.colour, largest, degradation)
        for scale in trainer.scales or [config.scale]
    }
    if ranks.rank() == 0:
        ranks.wait_for_first()
    tell_trained_on(images, list(packs.values()))
    for seen_by in (images, *testsets, *([valset] if valset else [])):
        tell_misfit(seen_by, config.scale)
    pairs = read_testsets(testsets, *seen, degradation=degradation)
    chooser = (valset or testsets[0]).name
    validating = read_testsets([valset] if valset else [], *seen, degradation=degradation)
    validation = validating.get(chooser, [])
    warn_of_overlap(images, valset, testsets)
    example = open_example(testsets[0], 0, *seen, degradation)
    method = method_of(config.model)
    parts = config, device, state, objective, schedule, packs, pairs, validation, chooser
    return TrainingRun(*parts, example, method)


def check_run(config: TrainConfig, roots: tuple[str, ...] | None = None) -> None:
    """Check that a run can be made, without making it: its config, its parts and its data.

    Args:
        config: The config of the run.
        roots: What it may name, if it comes from a file; None trusts it.

    Raises:
        UserError: It cannot.
    """
    check_everything(config, roots)
    with without_warning():
        build_state(config, torch.device("cpu"))
    build(config.schedule, "schedule")
    images, degradation = build(config.data, "data"), build_degradation(config.degradation)
    check_degradable(images, degradation, config.scale, *config.trainer.scales)
    build_testsets(config.testset)
    build_valset(config)
