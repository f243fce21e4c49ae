"""The typed part of each config: what a verb is told besides its components.

Components (model, upsampler, loss, optim, schedule, data, testset) are open dicts with a
``_target_``; ``config.check`` holds them against the signature of what they name.
"""

import math
import os
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from srlab.errors import UserError


class Colour(Enum):
    """What a network sees: luma, or all three channels."""

    y = "y"
    rgb = "rgb"


class Precision(Enum):
    """Number type of the forward pass."""

    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


class UpscalePrecision(Enum):
    """Number type of the layers of a network that is used: half precision on CUDA if ``auto``."""

    auto = "auto"
    fp32 = "fp32"
    fp16 = "fp16"
    bf16 = "bf16"


SEED_RANGE = "seed must be at least 0 and under 2**63"


@dataclass
class TrainerConfig:
    """How long, on how much, and what happens when; all counts are optimizer steps."""

    steps: int = 10_000
    batch_size: int = 32
    patch_size: int = 16
    lr_factors: dict[str, float] = field(default_factory=dict)
    clip: float = 0.0
    ema: float = 0.999
    patience: int = 0
    precision: Precision = Precision.fp32
    compile: bool = False
    graph: bool = True
    log_every: int = 100
    eval_every: int = 1000
    save_every: int = 500
    workers: int = 0
    threads: int = 0


@dataclass
class TrainConfig:
    """A training run."""

    name: str | None = None
    scale: int = 3
    colour: Colour = Colour.y
    seed: int = 0
    device: str = "auto"
    run_dir: str | None = None
    resume: str | None = None
    start: str | None = None
    trust: list[str] = field(default_factory=list)
    model: dict[str, Any] = field(default_factory=dict)
    upsampler: dict[str, Any] = field(default_factory=dict)
    loss: dict[str, Any] = field(default_factory=dict)
    optim: dict[str, Any] = field(default_factory=dict)
    schedule: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    testset: dict[str, Any] = field(default_factory=dict)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)


@dataclass
class SweepConfig(TrainConfig):
    """A training for every combination of the axes."""

    sweep_dir: str | None = None


@dataclass
class NetworkConfig:
    """A network: from a checkpoint, or as a model that is named."""

    checkpoint: str | None = None
    scale: int | None = None
    colour: Colour | None = None
    trust: list[str] = field(default_factory=list)
    model: dict[str, Any] = field(default_factory=dict)
    upsampler: dict[str, Any] = field(default_factory=dict)


@dataclass
class UseConfig(NetworkConfig):
    """What evaluating and upscaling share.

    ``tile``: LR pixels a side, 0 for the whole picture, or ``auto``.
    """

    device: str = "auto"
    tile: int | str = "auto"
    ensemble: bool = False


@dataclass
class EvaluateConfig(UseConfig):
    """An evaluation on test sets."""

    testset: dict[str, Any] = field(default_factory=dict)
    output: str | None = None


@dataclass
class UpscaleConfig(UseConfig):
    """An upscaling of a picture, a folder of pictures or a video."""

    precision: UpscalePrecision = UpscalePrecision.auto
    input: str = MISSING
    output: str = MISSING


@dataclass
class DescribeConfig(NetworkConfig):
    """A description of a network, in words and as a picture."""

    seed: int = 0
    plot: str | None = None


@dataclass
class ConvertConfig:
    """A conversion of a checkpoint to another upsampler."""

    checkpoint: str = MISSING
    output: str | None = None
    trust: list[str] = field(default_factory=list)
    upsampler: dict[str, Any] = field(default_factory=dict)


@dataclass
class BenchTrainConfig:
    """A measurement of how fast training is."""

    scale: int = 3
    colour: Colour = Colour.y
    seed: int = 0
    device: str = "auto"
    batch_size: int = 16
    patch_size: int = 17
    ema: float = 0.999
    precision: Precision = Precision.fp32
    compile: bool = False
    graph: bool = True
    workers: int = 0
    threads: int = 0
    repeats: int = 7
    seconds: float = 1.0
    output: str | None = None
    model: dict[str, Any] = field(default_factory=dict)
    upsampler: dict[str, Any] = field(default_factory=dict)
    loss: dict[str, Any] = field(default_factory=dict)
    optim: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)


@dataclass
class BenchUseConfig(NetworkConfig):
    """What measurements of upscaling and of evaluating share."""

    seed: int = 0
    device: str = "auto"
    tile: int | str = "auto"
    threads: int = 0
    repeats: int = 7
    output: str | None = None


@dataclass
class BenchUpscaleConfig(BenchUseConfig):
    """A measurement of how fast a network upscales."""

    width: int = 640
    height: int = 360
    precision: UpscalePrecision = UpscalePrecision.auto


@dataclass
class BenchEvaluateConfig(BenchUseConfig):
    """A measurement of how fast a network is judged."""

    testset: dict[str, Any] = field(default_factory=dict)


@dataclass
class ReportConfig:
    """A report on the runs of a sweep."""

    sweep: str = MISSING
    output: str | None = None
    device: str = "auto"
    threads: int = 0
    width: int = 320
    height: int = 180
    trust: list[str] = field(default_factory=list)


# The primary configs, by their names, and what each consists of.
SCHEMAS: dict[str, type] = {
    "train": TrainConfig,
    "sweep": SweepConfig,
    "report": ReportConfig,
    "evaluate": EvaluateConfig,
    "upscale": UpscaleConfig,
    "describe": DescribeConfig,
    "convert": ConvertConfig,
    "bench_train": BenchTrainConfig,
    "bench_upscale": BenchUpscaleConfig,
    "bench_evaluate": BenchEvaluateConfig,
}


def register() -> None:
    """Make the schemas and the resolvers known to Hydra."""
    store = ConfigStore.instance()
    for name, schema in SCHEMAS.items():
        store.store(name=f"{name}_schema", node=schema)
    OmegaConf.register_new_resolver(
        "channels", lambda colour: 3 if colour in (Colour.rgb, "rgb") else 1, replace=True
    )
    OmegaConf.register_new_resolver("times", lambda a, b: a * b, replace=True)


def check_ranges(config: TrainConfig) -> None:
    """Check the numbers of a training config that are not those of its components.

    Raises:
        UserError: One is out of range; all are named.
    """
    trainer = config.trainer
    positive = ("steps", "batch_size", "patch_size", "log_every", "eval_every", "save_every")
    faults = [f"trainer.{k} must be at least 1" for k in positive if getattr(trainer, k) < 1]
    if trainer.threads > (os.cpu_count() or 1):
        faults.append(f"trainer.threads must be at most {os.cpu_count()}, the processors here")
    for key in ("clip", "patience", "workers", "threads"):
        if not 0 <= getattr(trainer, key) < math.inf:
            faults.append(f"trainer.{key} must not be negative")
    if not 0 <= config.seed < 2**63:
        faults.append(SEED_RANGE)
    if not 0 <= trainer.ema < 1:
        faults.append("trainer.ema must be at least 0 and under 1")
    faults += [f"trainer.lr_factors.{k} must not be negative"
               for k, v in trainer.lr_factors.items() if v < 0]  # fmt: skip
    if faults:
        raise UserError("; ".join(faults))


def check_scale(scale: int | None) -> int:
    """Return the scale.

    Raises:
        UserError: It is missing or under 2.
    """
    if scale is None:
        raise UserError("scale is missing: add scale=2, 3 or 4")
    if scale < 2:
        raise UserError(f"scale must be a whole number of at least 2, got {scale}")
    return scale
