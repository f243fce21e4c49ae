"""One optimizer step."""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import torch
from torch import Tensor, nn

from srlab.machine.precision import autocast_to, layer_type
from srlab.machine.ranks import parallel
from srlab.models.base import Model
from srlab.training.optimizer import take_step
from srlab.training.parameters import begin_momentum, set_learning_rate
from srlab.training.parts import Parts, Terms, alone
from srlab.training.state import TrainingState
from srlab.words import Precision

Advance = Callable[[Tensor, Tensor], Terms]

# ``(lr, hr, number) -> loss terms``: the step of this number, counted from 0, on a batch. It moves
# the weights and their average; the terms lie on the device, and nothing waits for them.
Step = Callable[[Tensor, Tensor, int], Terms]


def make_advance(
    state: TrainingState,
    objective: nn.Module,
    halo: int,
    device: torch.device,
    clip: float = 0.0,
    precision: Precision = Precision.fp32,
    compiled: bool = False,
    parts: int = 1,
    turns: int = 1,
) -> Advance:
    """Return the function that takes a step on a rank's batch, at the optimizer's present rate.

    Args:
        state: Network and optimizer, changed by each call.
        objective: ``(sr, hr) -> dict`` of loss terms, whose sum is minimised.
        halo: Width of the frame that LR patches carry.
        device: Where all lies.
        clip: Largest norm of the gradient; 0 does not clip.
        precision: Number type of the layers.
        compiled: Whether ``torch.compile`` fuses the forward pass and the loss.
        parts: Into how many a batch is cut, each for a thread (see ``parts_of``).
        turns: Into how many it is cut that are computed one after the other; not with ``parts``.
    """
    model, kind = parallel(state.model), layer_type(precision)

    def loss_terms(lr: Tensor, hr: Tensor) -> Terms:
        with autocast_to(kind, device):
            sr = model(lr, halo=halo)
        return objective(sr.float(), hr)

    # A function for each shape: how it was made may not depend on what shapes came before.
    forward = torch.compile(loss_terms, dynamic=False) if compiled else loss_terms
    whole = partial(_in_turns, state, forward, turns)
    gradients = whole if parts == 1 else Parts(forward, state.model, parts)

    def advance(lr: Tensor, hr: Tensor) -> Terms:
        terms = gradients(lr, hr)
        if clip > 0:
            state.scaler.unscale_(state.optimizer)
            nn.utils.clip_grad_norm_(state.model.parameters(), clip)
        take_step(state.optimizer, state.scaler)
        return terms

    return advance if parts == 1 else alone()(advance)


def _in_turns(state: TrainingState, forward: Advance, turns: int, lr: Tensor, hr: Tensor) -> Terms:
    """Set the gradients of a batch, a part in each turn, and return its loss terms, detached."""
    done: list[Terms] = []
    for share in zip(lr.tensor_split(turns), hr.tensor_split(turns), strict=True):
        terms = forward(*share)
        if turns > 1:  # each is the mean of its part
            terms = {name: len(share[0]) / len(lr) * term for name, term in terms.items()}
        if not done:
            state.optimizer.zero_grad(set_to_none=True)
        state.scaler.scale(reduce(torch.add, terms.values())).backward()
        done.append({name: term.detach() for name, term in terms.items()})
    return {name: reduce(torch.add, [terms[name] for terms in done]) for name in done[0]}


def learning_step(model: Model) -> Step:
    """Return the step of a model that learns by itself, without a rate."""
    learn: Any = model.learn

    def step(lr: Tensor, hr: Tensor, number: int) -> Terms:
        return learn(lr, hr)

    return step


def eager_step(advance: Advance, state: TrainingState, factor: Callable[[int], float]) -> Step:
    """Return the step that launches its parts one by one.

    Args:
        advance: What it does to the network, at the optimizer's rate.
        state: Network, average and optimizer.
        factor: ``number -> factor`` on the learning rate.
    """
    if state.scaler.is_enabled():
        begin_momentum(state.optimizer)
    for group in state.optimizer.param_groups:  # a run that was recorded may be resumed without
        group["lr"] = float(group["lr"])
        if "capturable" in group:
            group["capturable"] = False
        for parameter in group["params"] if not group.get("fused") else ():
            entry = state.optimizer.state.get(parameter, {})
            if isinstance(entry.get("step"), Tensor):  # or each would be waited for
                entry["step"] = entry["step"].cpu()

    def step(lr: Tensor, hr: Tensor, number: int) -> Terms:
        set_learning_rate(state.optimizer, factor(number))
        terms = advance(lr, hr)
        if state.average is not None:
            state.average.update(number)
        return terms

    return step
