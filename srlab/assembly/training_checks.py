"""What is checked of a training before any part of it is built."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch

from srlab.config.check import check, check_upsampler_used
from srlab.config.phases import phases_of
from srlab.config.ranges import check_rates, check_training_numbers
from srlab.config.schema import TrainConfig
from srlab.data.given import misfit
from srlab.data.images import ImageSet
from srlab.data.pack import Pack
from srlab.degradations.degradation import Degradation
from srlab.errors import ConfigError, UserError
from srlab.machine import ranks
from srlab.machine.device import check_precision, choose_device

# What the config of a run may name besides networks, if it comes from a file.
TRAINING_PARTS = (
    "srlab.losses",
    "srlab.training.schedule",
    "srlab.data.given",
    "srlab.data.images",
    "srlab.data.named",
    "srlab.data.photos",
    "srlab.data.validation",
    "srlab.degradations",
    "torch.optim",
)


def check_everything(config: TrainConfig, roots: tuple[str, ...] | None) -> torch.device:
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

    attempt(check_training_numbers, config)
    attempt(_check_components, config, roots)
    if roots is None:  # a run that is resumed keeps what it began with
        attempt(check_rates, config)
    device = attempt(choose_device, config.device)
    if device is not None:
        attempt(check_devices, config, device)
        attempt(check_precision, "trainer.precision", config.trainer.precision, device)
    if faults:
        raise ConfigError("\n".join(faults))
    return device


def check_devices(config: TrainConfig, device: torch.device) -> None:
    """Check that the workers can share the batch, and have a device each.

    Raises:
        ConfigError: They cannot.
    """
    trainer, count = config.trainer, ranks.expected()
    if count == 1:
        count = trainer.devices
        here = torch.cuda.device_count() if device.type == "cuda" else os.cpu_count() or 1
        if count > here:
            what = "CUDA devices" if device.type == "cuda" else "processors"
            raise ConfigError(f"trainer.devices={count}, but there are {here} {what} here")
    if count > 1 and config.device.startswith("cuda:"):
        raise ConfigError(f"{count} workers want device=cuda, not {config.device}")
    for phase in phases_of(trainer) if count > 1 else ():
        if phase.batch_size % count:
            raise ConfigError(
                f"{phase.key}.batch_size={phase.batch_size} cannot be shared by {count} workers: "
                f"make it a multiple of {count}"
            )
        if trainer.accumulate > phase.batch_size // count:
            raise ConfigError(
                f"trainer.accumulate={trainer.accumulate}, but each of {count} workers has "
                f"{phase.batch_size // count} patches of a batch"
            )


def check_learning(model: Any, devices: int) -> None:
    """Check that a model which is not trained by gradients can learn here.

    Raises:
        ConfigError: It cannot.
    """
    if not model.learns:
        return
    if max(ranks.expected(), devices) > 1:
        raise ConfigError(
            f"{type(model).__name__} is not trained by gradients, which several workers could "
            f"average: trainer.devices must be 1"
        )
    try:
        model.check_learning()
    except ValueError as error:
        raise ConfigError(f"model: {error}") from None


def tell_trained_on(images: ImageSet, packs: Sequence[Pack]) -> None:
    """Say which pictures are not trained on, and of which tiles patches are, if not of all."""
    if ranks.rank() > 0:
        return
    for left_out in dict.fromkeys(pack.left_out for pack in packs):  # several scales may agree
        if left_out:
            count = f"{len(left_out)} of the {len(images.paths)} pictures of {images.name}"
            print("\n".join([f"left out {count}:", *left_out]))
    for pack in packs:
        if pack.tiles is not None:
            print(
                f"x{pack.scale}: patches are of {len(pack.tiles):,} tiles of {images.name}, the "
                f"{100 * images.hardest:.3g} % that bicubic errs most on"
            )


def check_degradable(images: ImageSet, degradation: Degradation | None, *scales: int) -> None:
    """Check that low resolution is not both brought along and made, and is not the picture itself.

    Nor may it be brought along, of one scale, for several.

    Raises:
        ConfigError: It is.
    """
    if images.low and degradation is not None:
        raise ConfigError(f"{images.name} brings low resolution along: leave degradation=bicubic")
    if images.low and len(set(scales)) > 1:
        raise ConfigError(
            f"{images.name} brings low resolution of one scale along: leave trainer.scales out"
        )
    if 1 in scales and degradation is None and not images.low:
        raise ConfigError(
            "at scale=1 there is nothing to restore in a picture that is only shrunk: choose what "
            "is lost, as in degradation=photo, or bring pairs along (data=pairs, testset=pairs)"
        )


def tell_misfit(images: ImageSet, scale: int) -> None:
    """Say where low resolution that is brought along does not lie where a bicubic one would."""
    found = misfit(images, scale).told if images.low else None
    if found and ranks.rank() == 0:
        so = ": it is moved back" if images.aligned else ""
        print(f"LR of {images.name} {found}, beside a bicubic one of its HR{so}")


def _check_components(config: TrainConfig, roots: tuple[str, ...] | None) -> None:
    keys = ("model", "loss", "optim", "schedule", "data", "testset")
    empty = [key for key in keys if not getattr(config, key)]
    if empty:
        raise ConfigError(f"{', '.join(empty)} left empty: choose an option, as in {empty[0]}=...")
    check_upsampler_used(config.model, config.upsampler)
    allowed = None if roots is None else (*roots, *TRAINING_PARTS)
    parts = {key: getattr(config, key) for key in ("upsampler", "degradation", "valset", *keys)}
    if config.upsampler:
        shared = {key: config.upsampler.get(key) for key in ("_target_", "_partial_")}
        parts["model"] = config.model | {"upsampler": shared}  # its faults are told once
    check(parts, allowed)
