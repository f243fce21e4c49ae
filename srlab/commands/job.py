"""The parts of a training run, all checked and built before anything is written."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from srlab import __version__
from srlab.commands.network import check_network, method_of, ripple_on_flats
from srlab.commands.showcase import Showcase, open_showcase
from srlab.commands.testsets import build_testsets, judge, read_testsets
from srlab.config.build import build, without_warning
from srlab.config.check import ConfigError, check, check_upsampler_used
from srlab.config.plain import plain
from srlab.config.ranges import check_ranges, check_scale
from srlab.config.schema import TrainConfig
from srlab.config.words import Precision
from srlab.data.images import ImageSet
from srlab.data.pack import Pack, open_pack
from srlab.data.pairs import Pair
from srlab.data.patches import PatchBatches
from srlab.errors import UserError
from srlab.evaluation.score import mean_score
from srlab.evaluation.tables import Result
from srlab.inference.quick import quick
from srlab.inference.sizing import automatic_tile
from srlab.inference.tiles import upscale_tiled
from srlab.machine import ranks
from srlab.machine.device import choose_device
from srlab.machine.facts import gpu_facts
from srlab.machine.memory import keep_freed_memory
from srlab.training.average import average_of
from srlab.training.parameters import parameter_groups
from srlab.training.schedule import Schedule
from srlab.training.state import TrainingState

_TRAINING_PARTS = (
    "srlab.losses",
    "srlab.training.schedule",
    "srlab.data.images",
    "srlab.data.named",
    "srlab.data.photos",
    "torch.optim",
)


@dataclass
class Job:
    """A run that is ready to train."""

    config: TrainConfig
    device: torch.device
    state: TrainingState
    objective: nn.Module
    schedule: Schedule
    pack: Pack
    pairs: dict[str, list[Pair]]
    showcase: Showcase
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
    def batches(self) -> PatchBatches:
        """The training batches, by step."""
        trainer = self.config.trainer
        return PatchBatches(
            self.pack,
            trainer.batch_size,
            trainer.patch_size,
            self.state.model.frame,
            self.config.seed,
            ranks.rank(),
            ranks.count(),
        )

    def upscaler(self) -> Callable[[Tensor], Tensor]:
        """Return ``lr -> sr`` by the network as it is now."""
        network = quick(self.state.network)
        return partial(upscale_tiled, network, tile=automatic_tile(network))

    def judge(self) -> list[Result]:
        """Score the network as it is now on every test set."""
        scale, colour = self.config.scale, self.config.colour
        return judge(self.upscaler(), self.pairs, scale, colour, self.name, self.method)

    def evaluate(self) -> list[Result]:
        """Score the network as it is now, and note the first test set's means in the history."""
        results = self.judge()
        score = mean_score(results[0].scores)
        judged = {"psnr": score.psnr, "ssim": score.ssim, "ripple": score.ripple}
        flat = self.flat_ripple()
        self.state.history.append({"step": self.state.step, **judged, "flat_ripple": flat})
        return results

    def flat_ripple(self) -> float:
        """Return the ripple of what the network as it is now makes of flat pictures."""
        return ripple_on_flats(self.upscaler(), self.state.model)

    def judge_bicubic(self) -> list[Result]:
        """Score bicubic on every test set."""
        scale, colour = self.config.scale, self.config.colour
        return judge(self.showcase.bicubic, self.pairs, scale, colour, "bicubic", "bicubic")

    def environment(self) -> dict[str, Any]:
        """Return what the bits of the run depend on, besides its config."""
        return {
            "srlab": __version__,
            "torch": str(torch.__version__),
            "threads": torch.get_num_threads(),
            "device": self.device.type,
            **({"devices": ranks.count()} if ranks.count() > 1 else {}),
            **(gpu_facts(self.device) if self.device.type == "cuda" else {}),
        }

    def checkpoint(self, resumable: bool) -> dict[str, Any]:
        """Return what a checkpoint of the run holds now."""
        content = {
            "config": plain(self.config),
            "weights": self.state.network.state_dict(),
            "step": self.state.step,
            "fingerprint": self.pack.fingerprint,
            "info": self.environment(),
            "seconds": self.seconds,
        }
        return content | ({"training": self.state.state_dict()} if resumable else {})


def prepare(config: TrainConfig, roots: tuple[str, ...] | None) -> Job:
    """Check everything, find the data, and build the parts.

    Args:
        config: The config of the run.
        roots: What it may name, if it comes from a file; None trusts it.

    Raises:
        UserError: Something must be mended; nothing was written but packs in the cache.
    """
    keep_freed_memory()
    device = _check_everything(config, roots)
    trainer = config.trainer
    if trainer.threads:
        torch.set_num_threads(trainer.threads)

    state, objective = build_state(config, device)
    schedule = build(config.schedule, "schedule")
    images = build(config.data, "data")
    testsets = build_testsets(config.testset)
    if ranks.rank() > 0:  # or all ranks would decode all images at once
        ranks.wait_for_first()
    pack = open_pack(images, config.scale, config.colour.value, trainer.patch_size)
    if ranks.rank() == 0:
        ranks.wait_for_first()
    pairs = read_testsets(testsets, config.scale, config.colour)
    showcase = open_showcase(testsets[0].paths[0], config.scale, config.colour)
    method = method_of(config.model)
    return Job(config, device, state, objective, schedule, pack, pairs, showcase, method)


def check_run(config: TrainConfig, roots: tuple[str, ...] | None = None) -> None:
    """Check that a run can be made, without making it: its config, its parts and its data.

    Args:
        config: The config of the run.
        roots: What it may name, if it comes from a file; None trusts it.

    Raises:
        UserError: It cannot.
    """
    _check_everything(config, roots)
    with without_warning():
        build_state(config, torch.device("cpu"))
    build(config.schedule, "schedule")
    build(config.data, "data")
    build_testsets(config.testset)


def find_testsets(config: TrainConfig, roots: tuple[str, ...]) -> list[ImageSet]:
    """Find the images of the test sets of a config that comes from a file.

    Raises:
        UserError: It names what is not trusted, or they are missing.
    """
    check({"testset": config.testset}, (*roots, *_TRAINING_PARTS))
    return build_testsets(config.testset)


def build_state(config: TrainConfig, device: torch.device) -> tuple[TrainingState, nn.Module]:
    """Build the network with its optimizer, and the objective, from a checked config.

    Raises:
        UserError: They do not fit together.
    """
    trainer = config.trainer
    torch.manual_seed(config.seed)
    model = build(config.model, "model")
    check_network(model, config.scale, config.colour)
    model.to(device, memory_format=torch.channels_last)
    if not any(p.requires_grad for p in model.parameters()):
        raise ConfigError("this model has no weights to train; use it with srlab evaluate")
    if model.learns:
        if max(ranks.asked(), trainer.devices) > 1:
            raise ConfigError(
                f"{type(model).__name__} is not trained by gradients, which several workers could "
                f"average: trainer.devices must be 1"
            )
        try:
            model.check_learning()
        except ValueError as error:
            raise ConfigError(f"model: {error}") from None
    objective = build(config.loss, "loss").to(device)
    groups = parameter_groups(model, trainer.lr_factors)
    try:
        optimizer = build(config.optim, "optim")(groups)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(f"optim: {error}") from None
    scaler = torch.amp.GradScaler(device.type, enabled=trainer.precision == Precision.fp16)
    average = None if model.learns else average_of(model, trainer.ema)
    return TrainingState(model, optimizer, average, scaler), objective


def _check_everything(config: TrainConfig, roots: tuple[str, ...] | None) -> torch.device:
    """Return the device; tell all faults of the config at once.

    Raises:
        ConfigError: There are faults.
    """
    faults: list[str] = []

    def attempt(check_part: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return check_part(*arguments)
        except UserError as error:
            faults.append(str(error))

    attempt(check_scale, config.scale)
    attempt(check_ranges, config)
    attempt(_check_components, config, roots)
    device = attempt(choose_device, config.device)
    if device is not None:
        attempt(check_devices, config, device)
    precision = config.trainer.precision
    if precision != Precision.fp32 and device is not None and device.type != "cuda":
        faults.append(f"trainer.precision={precision.value} needs CUDA, not {device}")
    if faults:
        raise ConfigError("\n".join(faults))
    return device


def check_devices(config: TrainConfig, device: torch.device) -> None:
    """Check that the workers can share the batch, and have a device each.

    Raises:
        ConfigError: They cannot.
    """
    trainer, count = config.trainer, ranks.asked()
    if count == 1:
        count = trainer.devices
        here = torch.cuda.device_count() if device.type == "cuda" else os.cpu_count() or 1
        if count > here:
            what = "CUDA devices" if device.type == "cuda" else "processors"
            raise ConfigError(f"trainer.devices={count}, but there are {here} {what} here")
    if count > 1 and config.device.startswith("cuda:"):
        raise ConfigError(f"{count} workers want device=cuda, not {config.device}")
    if count > 1 and trainer.batch_size % count:
        raise ConfigError(
            f"trainer.batch_size={trainer.batch_size} cannot be shared by {count} workers: make it "
            f"a multiple of {count}"
        )


def _check_components(config: TrainConfig, roots: tuple[str, ...] | None) -> None:
    keys = ("model", "loss", "optim", "schedule", "data", "testset")
    empty = [key for key in keys if not getattr(config, key)]
    if empty:
        raise ConfigError(f"{', '.join(empty)} left empty: choose an option, as in {empty[0]}=...")
    check_upsampler_used(config.model, config.upsampler)
    allowed = None if roots is None else (*roots, *_TRAINING_PARTS)
    parts = {key: getattr(config, key) for key in ("upsampler", *keys)}
    if config.upsampler:
        shared = {key: config.upsampler.get(key) for key in ("_target_", "_partial_")}
        parts["model"] = config.model | {"upsampler": shared}  # its faults are told once
    check(parts, allowed)
