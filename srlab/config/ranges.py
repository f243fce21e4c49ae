"""Which numbers a config may hold."""

import math
import os
from collections.abc import Iterable
from fractions import Fraction
from functools import partial
from typing import Any

from srlab.config.phases import phase_faults
from srlab.config.schema import TrainConfig
from srlab.errors import ConfigError, UserError

LARGEST_SCALE = 64


SEED_RANGE = "seed must be at least 0 and under 2**63"


def check_ranges(config: TrainConfig) -> None:
    """Check the numbers of a training config that are not those of its components.

    Raises:
        UserError: One is out of range; all are named.
    """
    trainer = config.trainer
    positive = (
        "steps", "batch_size", "patch_size", "log_every", "eval_every", "save_every", "devices",
        "accumulate",
    )  # fmt: skip
    faults = [f"trainer.{k} must be at least 1" for k in positive if getattr(trainer, k) < 1]
    if trainer.threads > (os.cpu_count() or 1):
        faults.append(f"trainer.threads must be at most {os.cpu_count()}, the processors here")
    if trainer.workers > (os.cpu_count() or 1):
        faults.append(f"trainer.workers must be at most {os.cpu_count()}, the processors here")
    for key in ("clip", "patience", "workers", "threads"):
        if not 0 <= getattr(trainer, key) < math.inf:
            faults.append(f"trainer.{key} must not be negative")
    faults += phase_faults(trainer)
    faults += _faults_of_scales(config)
    if not 0 <= config.seed < 2**63:
        faults.append(SEED_RANGE)
    if not 0 <= trainer.ema < 1:
        faults.append("trainer.ema must be at least 0 and under 1")
    faults += [f"trainer.lr_factors.{k} must not be negative"
               for k, v in trainer.lr_factors.items() if v < 0]  # fmt: skip
    if faults:
        raise UserError("; ".join(faults))


def _faults_of_scales(config: TrainConfig) -> list[str]:
    """Return a sentence if several scales make no sense."""
    scales = config.trainer.scales
    if not scales:
        return []
    if not all(1 <= scale <= LARGEST_SCALE for scale in scales):
        return [f"trainer.scales are from 1 to {LARGEST_SCALE}, got {scales}"]
    if len(set(scales)) < len(scales):
        return [f"trainer.scales names a scale twice: {scales}"]
    if config.scale not in scales:
        said = " or ".join(map(str, scales))
        return [f"scale={config.scale} is what the run is judged at: it must be one of "
                f"trainer.scales, {said}"]  # fmt: skip
    return []


# What is judged by looking at more than its number.
_NOT_ALONE = {"trainer.precision", "trainer.devices"}


def check_numbers_alone(config: TrainConfig, overrides: Iterable[str]) -> None:
    """Check the numbers where nothing else can be at fault, which needs no torch.

    Otherwise all faults of a config are told at once, of which most are found by importing what it
    names.

    Raises:
        UserError: One is out of range.
    """
    keys = {override.lstrip("+").partition("=")[0] for override in overrides}
    if all(
        k in ("scale", "seed") or (k.startswith("trainer.") and k not in _NOT_ALONE) for k in keys
    ):
        check_training_numbers(config)


def check_training_numbers(config: TrainConfig) -> None:
    """Check the scale and the ranges of a training.

    Raises:
        UserError: With a line for each fault.
    """
    faults = []
    for check in (partial(check_scale, config.scale), partial(check_ranges, config)):
        try:
            check()
        except UserError as error:
            faults.append(str(error))
    if faults:
        raise ConfigError("\n".join(faults))


def check_rates(config: TrainConfig) -> None:
    """Check the numbers that make the learning rate, whatever the schedule and the optimizer.

    Raises:
        UserError: One makes no sense; all are named.
    """
    rate, schedule = config.optim.get("lr"), config.schedule
    faults = []
    if isinstance(rate, int | float) and not 0 < rate < math.inf:
        faults.append(f"optim.lr must be above 0 and finite, got {rate}")
    if _number(schedule.get("warmup"), 0) < 0:
        faults.append(f"schedule.warmup must not be negative, got {schedule['warmup']}")
    if not 0 <= _number(schedule.get("final"), 0) <= 1:
        faults.append(f"schedule.final must be from 0 to 1, got {schedule['final']}")
    if not 0 < _number(schedule.get("gamma"), 1) <= 1:
        faults.append(f"schedule.gamma must be above 0 and at most 1, got {schedule['gamma']}")
    if not all(0 <= _number(m, 0) <= 1 for m in schedule.get("milestones") or ()):
        faults.append("schedule.milestones are fractions of all steps, from 0 to 1")
    if faults:
        raise UserError("; ".join(faults))


def _number(value: Any, otherwise: float) -> float:
    return value if isinstance(value, int | float) else otherwise


def check_scale(scale: int | None) -> int:
    """Return the scale.

    Raises:
        UserError: It is missing, under 1, or absurd: a file could fill the memory by it.
    """
    if scale is None:
        raise UserError("scale is missing: add scale=2, 3 or 4")
    if scale < 1:
        raise UserError(f"scale must be a whole number of at least 1, got {scale}")
    if scale > LARGEST_SCALE:
        raise UserError(f"scale must be at most {LARGEST_SCALE}, got {scale}")
    return scale


def check_factor(factor: Any) -> int | float:
    """Return a factor by which pictures are judged: a scale, or one that is not whole.

    Raises:
        UserError: It is no number, out of range, or no quotient of small numbers.
    """
    if isinstance(factor, bool) or not isinstance(factor, int | float):
        raise UserError(f"scale takes a number, or several as [2,2.5,3], got {factor}")
    if math.isfinite(factor) and factor == int(factor):
        return check_scale(int(factor))
    if not 1 <= factor <= LARGEST_SCALE:
        raise UserError(f"scale lies from 1 to {LARGEST_SCALE}, got {factor}")
    over = Fraction(str(factor))
    if over.numerator > LARGEST_SCALE:
        raise UserError(
            f"scale={factor} is {over}, whose pattern of pixels repeats only every "
            f"{over.numerator}; srlab judges by quotients of whole numbers up to {LARGEST_SCALE}, "
            f"as 2.5 = 5/2"
        )
    return factor
