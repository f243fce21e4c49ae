"""A training step of a plain script, beside which srlab's is measured."""

import itertools
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from srlab.assembly.learner import build_state
from srlab.config.schema import TrainConfig
from srlab.machine.device import wait_for
from srlab.machine.precision import autocast_to, layer_type
from srlab.training.recording import CannotRecord, record
from srlab.training.step import learning_step, make_advance


def bare_candidates(
    lr: Tensor, hr: Tensor, training: TrainConfig, device: torch.device
) -> dict[str, tuple[Callable[[], object], int]]:
    """Return the ways to step on one batch, each with its number of threads.

    Both memory formats: on the CPU with one thread and with all, on CUDA launched and, where it
    can be, recorded.
    """
    formats = {"channels last": torch.channels_last, "channels first": torch.contiguous_format}
    counts = [torch.get_num_threads()]
    if device.type == "cpu" and counts != [1]:
        counts.insert(0, 1)
    ways: dict[str, tuple[Callable[[], object], int]] = {}
    for (name, kind), threads in itertools.product(formats.items(), counts):
        how = "eager" if device.type == "cuda" else f"{threads} thread{'s' * (threads > 1)}"
        ways[f"{name}, {how}"] = (_bare(training, device, lr, hr, kind), threads)
    if device.type != "cuda":
        return ways
    try:
        ways["channels last, CUDA graph"] = (_recorded(training, device, lr, hr), counts[0])
    except CannotRecord as reason:
        print(f"the bare step cannot be recorded as a CUDA graph: {reason}")
    return ways


def _bare(
    training: TrainConfig, device: torch.device, lr: Tensor, hr: Tensor, kind: torch.memory_format
) -> Callable[[], object]:
    """Return a plain training step on one batch, as a script would have it."""
    state, objective = build_state(training, device)
    lr, hr = (x.contiguous(memory_format=kind) for x in (lr, hr))
    model, optimizer = state.model.to(memory_format=kind).train(), state.optimizer
    if model.learns:
        return partial(learning_step(model), lr, hr, 0)
    forward = torch.compile(model) if training.trainer.compile else model
    layers = layer_type(training.trainer.precision)

    def step() -> None:
        with autocast_to(layers, device):
            sr = forward(lr, halo=model.frame)
        loss = sum(objective(sr.float(), hr).values())
        optimizer.zero_grad()
        state.scaler.scale(loss).backward()
        state.scaler.step(optimizer)
        state.scaler.update()

    return step


def _recorded(
    training: TrainConfig, device: torch.device, lr: Tensor, hr: Tensor
) -> Callable[[], object]:
    """Return the replay of a training step on one batch, and of nothing else.

    Raises:
        CannotRecord: It cannot be recorded.
    """
    state, objective = build_state(training, device)
    if state.model.learns:
        raise CannotRecord(f"{type(state.model).__name__} is not trained by gradients")
    state.average = None
    state.model.train()
    trainer, frame = training.trainer, state.model.frame
    advance = make_advance(state, objective, frame, device, 0.0, trainer.precision, trainer.compile)
    return record(advance, state, lr, hr).replay


def seconds_a_step(step: Callable[[], object], device: torch.device, steps: int) -> float:
    """Return the seconds of a step, the mean of ``steps``."""
    wait_for(device)
    start = time.perf_counter()
    for _ in range(steps):
        step()
    wait_for(device)
    return (time.perf_counter() - start) / steps


def seconds_when_warm(
    step: Callable[[], object], device: torch.device, at_least: float, threads: int
) -> float:
    """Return the seconds of a step after a warm-up, of as many as take ``at_least`` seconds."""
    torch.set_num_threads(threads)
    seconds_a_step(step, device, 3)
    steps = 1
    while (seconds := seconds_a_step(step, device, steps)) * steps < at_least:
        steps *= 2
    return seconds
