"""One optimizer step, as it is or recorded as a CUDA graph.

A network as small as ESPCN is done with its arithmetic long before Python has launched the kernels
of a step. A CUDA graph launches all of them at once; what it computes is what was recorded, so the
batch and the learning rate are written into the tensors that it reads.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import reduce
from typing import Any

import torch
from torch import Tensor, nn

from srlab.training.parameters import set_learning_rate
from srlab.training.state import TrainingState

Terms = dict[str, Tensor]
Advance = Callable[[Tensor, Tensor], Terms]
Step = Callable[[Tensor, Tensor, float], Terms]

_WARM_UP = 3  # steps before recording: libraries choose their kernels and take their memory


class CannotRecord(Exception):
    """A step that cannot be recorded as a CUDA graph, and why."""


def make_advance(
    state: TrainingState,
    objective: nn.Module,
    halo: int,
    device: torch.device,
    clip: float = 0.0,
    precision: str = "fp32",
    compiled: bool = False,
) -> Advance:
    """Return the function that takes a step on a batch, at the optimizer's present rate.

    Args:
        state: Network and optimizer, changed by each call.
        objective: ``(sr, hr) -> dict`` of loss terms, whose sum is minimised.
        halo: Width of the frame that LR patches carry.
        device: Where all lies.
        clip: Largest norm of the gradient; 0 does not clip.
        precision: Type of autocast: fp32 (none), bf16 or fp16.
        compiled: Whether ``torch.compile`` fuses the forward pass and the loss.
    """

    def loss_terms(lr: Tensor, hr: Tensor) -> Terms:
        with _autocast(precision, device):
            sr = state.model(lr, halo=halo)
        return objective(sr.float(), hr)

    forward = torch.compile(loss_terms) if compiled else loss_terms

    def advance(lr: Tensor, hr: Tensor) -> Terms:
        terms = forward(lr, hr)
        state.optimizer.zero_grad(set_to_none=True)
        state.scaler.scale(reduce(torch.add, terms.values())).backward()
        if clip > 0:
            state.scaler.unscale_(state.optimizer)
            nn.utils.clip_grad_norm_(state.model.parameters(), clip)
        state.scaler.step(state.optimizer)
        state.scaler.update()
        return {name: term.detach() for name, term in terms.items()}

    return advance


def eager_step(advance: Advance, optimizer: torch.optim.Optimizer) -> Step:
    """Return ``(lr, hr, factor) -> loss terms``, factor being that on the learning rate."""
    for group in optimizer.param_groups:  # a run that was recorded may be resumed without
        group["lr"] = float(group["lr"])
        if "capturable" in group:
            group["capturable"] = False

    def step(lr: Tensor, hr: Tensor, factor: float) -> Terms:
        set_learning_rate(optimizer, factor)
        return advance(lr, hr)

    return step


def recorded_step(advance: Advance, state: TrainingState, lr: Tensor, hr: Tensor) -> Step:
    """Return the step that replays a recording on batches of the shapes of ``lr`` and ``hr``.

    Raises:
        CannotRecord: See ``record``.
    """
    lr, hr = lr.clone(), hr.clone()
    replay, terms = record(advance, state, lr, hr)

    def step(batch_lr: Tensor, batch_hr: Tensor, factor: float) -> Terms:
        set_learning_rate(state.optimizer, factor)
        lr.copy_(batch_lr)
        hr.copy_(batch_hr)
        replay()
        return {name: term.clone() for name, term in terms.items()}

    return step


def record(
    advance: Advance, state: TrainingState, lr: Tensor, hr: Tensor
) -> tuple[Callable[[], None], Terms]:
    """Record a step on a batch on CUDA; return what replays it, and the terms that it writes.

    Before it is trusted, a few steps are taken both ways from the same weights and their losses
    compared; the weights and the optimizer are then as they were. From here on the optimizer's
    rates are tensors, which the recording reads as it does the batch.

    Args:
        advance: The step, as it is.
        state: Network and optimizer.
        lr: LR of a batch; it must stay where it is.
        hr: HR of the batch; likewise.

    Raises:
        CannotRecord: Something in the step waits for the device or runs on the CPU, or the replay
            computes something else.
    """
    optimizer = state.optimizer
    if state.scaler.is_enabled():
        raise CannotRecord("fp16 decides on the CPU whether to skip a step")
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(float(group["lr"]), device=lr.device)
        if "capturable" in group:
            group["capturable"] = True
    before = _snapshot(state)
    try:
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            expected = [advance(lr, hr) for _ in range(_WARM_UP)]
        torch.cuda.current_stream().wait_stream(beside)
        _restore(state, before)
        optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            terms = advance(lr, hr)
        for wanted in expected:
            graph.replay()
            for name, term in terms.items():
                if not torch.allclose(term, wanted[name], rtol=1e-2, equal_nan=True):
                    raise CannotRecord(f"the replayed loss {name} differs from the eager one")
    except RuntimeError as error:
        raise CannotRecord(str(error).splitlines()[0]) from None
    finally:
        _restore(state, before)
    return graph.replay, terms


def _autocast(precision: str, device: torch.device):
    if precision == "fp32":
        return nullcontext()
    kind = torch.bfloat16 if precision == "bf16" else torch.float16
    # A cache of cast weights would outlive the recording of a graph; each is used once anyway.
    return torch.autocast(device.type, dtype=kind, cache_enabled=False)


def _snapshot(state: TrainingState) -> tuple[list[Tensor], dict[Any, dict[str, Tensor]]]:
    """Copy the weights, buffers and the optimizer's tensors."""
    tensors = [t.detach().clone() for t in _tensors(state.model)]
    kept = {
        parameter: {k: v.clone() for k, v in entry.items() if isinstance(v, Tensor)}
        for parameter, entry in state.optimizer.state.items()
    }
    return tensors, kept


@torch.no_grad()
def _restore(
    state: TrainingState, before: tuple[list[Tensor], dict[Any, dict[str, Tensor]]]
) -> None:
    """Put all back in place; what the optimizer had not yet made begins as zero."""
    tensors, kept = before
    for now, then in zip(_tensors(state.model), tensors, strict=True):
        now.copy_(then)
    for parameter, entry in state.optimizer.state.items():
        for key, value in entry.items():
            if isinstance(value, Tensor):
                old = kept.get(parameter, {}).get(key)
                value.zero_() if old is None else value.copy_(old)


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]
