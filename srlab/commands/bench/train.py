"""``srlab bench train``: what a training step costs, beside the bare limit."""

import math
import time
from collections.abc import Iterator
from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor

from srlab.assembly.learner import build_state
from srlab.assembly.testsets import build_degradation
from srlab.assembly.training_checks import check_degradable
from srlab.command_line.invocation import Invocation
from srlab.commands.bench.bare_step import bare_candidates, seconds_a_step, seconds_when_warm
from srlab.config.build import build
from srlab.config.check import check, check_upsampler_used
from srlab.config.plain import plain_settings
from srlab.config.ranges import check_ranges, check_scale
from srlab.config.schema import BenchTrainConfig, TrainConfig, TrainerConfig
from srlab.data.feed import feed
from srlab.data.pack import open_pack
from srlab.data.patches import PatchBatches
from srlab.errors import UserError
from srlab.machine.device import check_precision, choose_device
from srlab.machine.facts import describe_device
from srlab.machine.memory import peak_on
from srlab.machine.precision import autocast_to, layer_type, training_arithmetic
from srlab.machine.shortage import enough_memory
from srlab.measuring.cost import parameter_count
from srlab.measuring.measurement import Figure, Measurement, begin_measuring, report
from srlab.training.loop import Callbacks, Diverged, LoopSettings, fit
from srlab.training.parts import parts_of
from srlab.training.schedule import constant
from srlab.training.step import Terms, learning_step


def run(call: Invocation[BenchTrainConfig]) -> float:
    """Print what a step costs, and return the ratio to the bare limit."""
    config = call.config
    begin_measuring(config.repeats, config.threads, config.output)
    if not 0 < config.seconds < math.inf:
        raise UserError(f"seconds must be positive, got {config.seconds}")
    device = choose_device(config.device)
    check_precision("precision", config.precision, device)
    training = _as_training(config)
    with training_arithmetic(config.precision), enough_memory("batch_size or patch_size"):
        measurement = _measure(training, config, device)
    report(measurement, config.output, device)
    if measurement.figures[0].note.endswith("1 thread") and torch.get_num_threads() > 1:
        print("one thread is quickest here, as on a machine that is busy: trainer.threads=1")
    return measurement.ratio


def _as_training(config: BenchTrainConfig) -> TrainConfig:
    """Return the config of a training that computes the same.

    Raises:
        UserError: It does not fit.
    """
    check_scale(config.scale)
    trainer = TrainerConfig(
        batch_size=config.batch_size, patch_size=config.patch_size, ema=config.ema,
        precision=config.precision, compile=config.compile, graph=config.graph,
        workers=config.workers, threads=config.threads,
    )  # fmt: skip
    keys = ("model", "upsampler", "loss", "optim", "data", "degradation")
    parts = {key: getattr(config, key) for key in keys}
    training = TrainConfig(
        scale=config.scale, colour=config.colour, seed=config.seed, trainer=trainer, **parts
    )
    check_ranges(training)
    check_upsampler_used(config.model, config.upsampler)
    check(parts)
    return training


def _measure(training: TrainConfig, config: BenchTrainConfig, device: torch.device) -> Measurement:
    threads = torch.get_num_threads()
    state, objective = build_state(training, device)
    images, degradation = build(config.data, "data"), build_degradation(config.degradation)
    check_degradable(images, degradation, config.scale)
    pack = open_pack(images, config.scale, config.colour, config.patch_size, degradation)
    frame = state.model.frame
    batches = PatchBatches(pack, config.batch_size, config.patch_size, frame, config.seed)
    lr, hr = next(feed(batches, 0, 1, device))

    brief = min(0.3, config.seconds)
    limits = bare_candidates(lr, hr, training, device)
    seconds = {
        name: seconds_when_warm(step, device, brief, n) for name, (step, n) in limits.items()
    }
    best = min(seconds, key=lambda name: seconds[name])
    bare, bare_threads = limits[best]
    steps = max(1, round(config.seconds / seconds[best]))
    names = ["bare limit", "srlab train"]
    taken: dict[str, list[float]] = {name: [] for name in names}
    start = 0.0

    def log(step: int, terms: dict[str, float], rate: float) -> None:
        """Note what the steps since the last call took; then give the bare limit its turn."""
        nonlocal start
        ours = (time.perf_counter() - start) / steps
        torch.set_num_threads(bare_threads)
        alone = seconds_a_step(bare, device, steps)
        if step > steps:  # the first repetition is a warm-up
            taken["srlab train"].append(ours)
            taken["bare limit"].append(alone)
        torch.set_num_threads(threads)
        start = time.perf_counter()

    total = steps * (config.repeats + 1)
    settings = LoopSettings(
        total, steps, total + 1, total + 1, precision=config.precision,
        compile=config.compile, graph=config.graph,
        parts=parts_of(config.batch_size, device, state.model, objective, config.compile),
    )  # fmt: skip
    callbacks = Callbacks(
        log, evaluate=float, save_last=_nothing, save_best=_nothing, stop=lambda _: False,
        note=print,
    )  # fmt: skip
    start = time.perf_counter()
    try:
        fit(
            state, objective, feed(batches, 0, total, device, config.workers), constant, settings,
            callbacks, device, frame,
        )  # fmt: skip
    except Diverged as error:
        raise UserError(f"{error}; try a lower optim.lr") from None
    memory = peak_on(device)
    split = _split(training, batches, lr, hr, config, device)
    count = parameter_count(state.model)
    title = (
        f"training {type(state.model).__name__} with {type(state.model.upsampler).__name__} "
        f"x{config.scale}, {count:,} parameters, batches of {config.batch_size} low-resolution "
        f"patches of {config.patch_size}x{config.patch_size}, {config.precision}, "
        f"on {describe_device(device)}, torch {torch.__version__}"
    )
    figures = [Figure("bare limit", taken["bare limit"], best)]
    figures.append(Figure("srlab train", taken["srlab train"]))
    return Measurement(title, "step", figures, split, memory, plain_settings(config))


def _split(
    training: TrainConfig,
    batches: PatchBatches,
    lr: Tensor,
    hr: Tensor,
    config: BenchTrainConfig,
    device: torch.device,
) -> dict[str, float]:
    """Return the seconds of each part of an eager step."""
    state, objective = build_state(training, device)
    model, average = state.model.train(), state.average
    layers = layer_type(config.precision)
    terms: Terms = {}

    def forward() -> None:
        nonlocal terms
        with autocast_to(layers, device):
            sr = model(lr, halo=model.frame)
        terms = objective(sr.float(), hr)

    def forward_and_backward() -> None:
        forward()
        state.optimizer.zero_grad()
        reduce(torch.add, terms.values()).backward()

    def average_weights() -> None:
        if average is not None:
            average.update(1)

    threads = torch.get_num_threads()
    brief = min(0.3, config.seconds)
    measure = partial(seconds_when_warm, device=device, at_least=brief, threads=threads)
    stream: Iterator[Any] = feed(batches, 0, 10**9, device, config.workers)
    batch = {"batch": measure(lambda: next(stream))}
    if model.learns:
        return batch | {"learning": measure(partial(learning_step(model), lr, hr, 0))}
    seconds = batch | {"forward": measure(forward)}
    seconds["backward"] = measure(forward_and_backward) - seconds["forward"]
    return seconds | {
        "optimizer": measure(state.optimizer.step),
        "average": measure(average_weights),
    }


def _nothing() -> None:
    pass
