"""The training loop, on one page."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from srlab.machine import ranks
from srlab.machine.precision import single_precision, training_arithmetic
from srlab.training.recording import CannotRecord, recorded_step
from srlab.training.schedule import Schedule
from srlab.training.state import TrainingState
from srlab.training.step import Advance, Step, Terms, eager_step, learning_step, make_advance
from srlab.words import Precision

Ending = Literal["finished", "patience", "signal"]


class Diverged(Exception):
    """The loss or the weights stopped being finite."""


@dataclass(frozen=True)
class LoopSettings:
    """What the loop does when.

    Args:
        steps: Optimizer steps in all.
        log_every: Steps between two reports; the loss is read back from the device only then.
        eval_every: Steps between two evaluations.
        save_every: Steps between two checkpoints.
        clip: Largest norm of the gradient; 0 does not clip.
        patience: Evaluations without a better score after which training stops; 0 never stops.
        precision: Number type of the layers.
        compile: Whether ``torch.compile`` fuses the forward pass and the loss.
        graph: Whether a step is recorded as a CUDA graph, where there is CUDA and one rank.
        parts: Into how many a batch is cut on the CPU, each for a thread.
        turns: Into how many it is cut that are computed one after the other.
    """

    steps: int
    log_every: int
    eval_every: int
    save_every: int
    clip: float = 0.0
    patience: int = 0
    precision: Precision = Precision.fp32
    compile: bool = False
    graph: bool = True
    parts: int = 1
    turns: int = 1


@dataclass(frozen=True)
class Callbacks:
    """What the loop calls.

    Args:
        log: ``(step, mean of each loss term since the last report, learning rate)``.
        evaluate: ``() -> score``, higher is better; called with ``state.step`` steps done.
        save_last: Called when the state should be kept.
        save_best: Called when an evaluation was the best so far.
        stop: ``(steps done) -> True`` once a signal asks to leave, on all ranks alike.
        note: Called with a line for the user.
        beat: ``(steps done, loss terms of the last one)``, after every step; to read the terms is
            to wait for the device.
    """

    log: Callable[[int, dict[str, float], float], None]
    evaluate: Callable[[], float]
    save_last: Callable[[], None]
    save_best: Callable[[], None]
    stop: Callable[[int], bool]
    note: Callable[[str], None]
    beat: Callable[[int, Terms], None] = lambda *_: None


def fit(
    state: TrainingState,
    objective: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    schedule: Schedule,
    settings: LoopSettings,
    callbacks: Callbacks,
    device: torch.device,
    halo: int,
) -> Ending:
    """Train from ``state.step`` to ``settings.steps``.

    Args:
        state: Network, optimizer and position; changed in place.
        objective: ``(sr, hr) -> dict`` of loss terms, whose sum is minimised.
        batches: Pairs in ``[0, 1]`` on the device: LR ``(N, C, H+2h, W+2h)`` framed by h =
            ``halo`` and HR ``(N, C, sH, sW)``, whose N, H and W may change, and s, to one of
            ``state.scales``; the first is that of step ``state.step``.
        schedule: ``(step, steps) -> factor`` on the optimizer's learning rate.
        settings: What happens when.
        callbacks: What is called then.
        device: Where the network lies.
        halo: Width of the frame that the LR patches carry.

    Raises:
        Diverged: The loss or the weights stopped being finite.
    """
    advance = make_advance(
        state, objective, halo, device, settings.clip, settings.precision, settings.compile,
        settings.parts, settings.turns,
    )  # fmt: skip

    def factor(number: int) -> float:
        return schedule(min(number, settings.steps - 1), settings.steps)

    steps = _Steps(advance, state, factor, settings, callbacks)
    pending: list[Terms] = []
    state.model.train()
    with training_arithmetic(settings.precision):
        for lr, hr in batches:
            with state.at(hr.shape[-1] // (lr.shape[-1] - 2 * halo)):
                pending.append(steps.of(lr, hr)(lr, hr, state.step))
            state.step += 1
            callbacks.beat(state.step, pending[-1])

            last = state.step == settings.steps
            evaluating = last or state.step % settings.eval_every == 0
            leaving = callbacks.stop(state.step)
            saving = last or leaving or state.step % settings.save_every == 0
            if evaluating or saving or state.step % settings.log_every == 0:
                means = _read_back(pending, state)
                pending.clear()
                rate = factor(state.step - 1) * state.optimizer.defaults["lr"]
                callbacks.log(state.step, means, rate)
            out_of_patience = False
            if evaluating:
                _note_score(state, callbacks)
                state.model.train()
                out_of_patience = 0 < settings.patience <= state.stale
            if saving or out_of_patience:
                callbacks.save_last()
            if leaving:
                return "signal"
            if out_of_patience and not last:
                return "patience"
    return "finished"


class _Steps:
    """The ways to take a step, one for each scale; they are made anew where LR has another shape.

    All are recorded, or none: what one way makes of the optimizer's numbers the other changes.
    """

    def __init__(
        self,
        advance: Advance,
        state: TrainingState,
        factor: Callable[[int], float],
        settings: LoopSettings,
        callbacks: Callbacks,
    ):
        self._advance, self._state, self._factor = advance, state, factor
        self._settings, self._note = settings, callbacks.note
        self._made: dict[torch.Size, Step] = {}
        self._shape: torch.Size | None = None
        self._graph = settings.graph

    def of(self, lr: Tensor, hr: Tensor) -> Step:
        """Return the step for batches of the shapes of these."""
        if lr.shape != self._shape:
            self._made.clear()  # what was recorded of another is freed before
            self._shape, self._graph = lr.shape, self._settings.graph
        if hr.shape not in self._made:
            self._made[hr.shape] = self._make(lr, hr)
        return self._made[hr.shape]

    def _make(self, lr: Tensor, hr: Tensor) -> Step:
        parts = self._advance, self._state, lr, hr, self._factor
        try:
            return _make_step(*parts, self._graph)
        except CannotRecord as reason:
            self._note(f"no CUDA graph, each step is launched anew: {reason}")
        self._made.clear()
        self._graph = False
        return _make_step(*parts, self._graph)


def _make_step(
    advance: Advance,
    state: TrainingState,
    lr: Tensor,
    hr: Tensor,
    factor: Callable[[int], float],
    graph: bool,
) -> Step:
    """Return the quickest way to take a step that works here.

    Raises:
        CannotRecord: It is to be recorded, and cannot.
    """
    if state.model.learns:
        return learning_step(state.model)
    if graph and lr.is_cuda and ranks.count() == 1:
        return recorded_step(advance, state, lr, hr, factor)
    return eager_step(advance, state, factor)


def _read_back(pending: list[Terms], state: TrainingState) -> dict[str, float]:
    """Return the mean of each pending loss term; the one place where the loop waits for the device.

    Raises:
        Diverged: A loss or a weight is not finite.
    """
    names = list(pending[0])
    values = torch.stack([row[name] for row in pending for name in names])
    values = ranks.mean(values.view(len(pending), len(names)).cpu())
    bad = (~values.isfinite()).any(dim=1).nonzero()
    if len(bad):
        raise Diverged(f"the loss is not finite at step {state.step - len(pending) + int(bad[0])}")
    if not torch.stack([p.isfinite().all() for p in state.model.parameters()]).all():
        raise Diverged(f"the weights are not finite after step {state.step}")
    return dict(zip(names, values.double().mean(dim=0).tolist(), strict=True))


def _note_score(state: TrainingState, callbacks: Callbacks) -> None:
    state.model.eval()
    with single_precision():
        score = callbacks.evaluate()
    if state.best is None or score > state.best:
        state.best, state.stale = score, 0
        callbacks.save_best()
    else:
        state.stale += 1
