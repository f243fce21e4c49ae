"""A training step recorded as a CUDA graph.

A network as small as ESPCN is done with its arithmetic long before Python has launched the kernels
of a step. A CUDA graph launches all of them at once; what it computes is what was recorded, so the
batch and the learning rate are written into the tensors that it reads.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from srlab.training.parameters import set_learning_rate
from srlab.training.state import TrainingState
from srlab.training.step import Advance, Step, Terms

_WARM_UP = 3  # steps before recording: libraries choose their kernels and take their memory


class CannotRecord(Exception):
    """A step that cannot be recorded as a CUDA graph, and why."""


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

    Before it is trusted, a few steps are taken both ways from the same weights, at several rates;
    losses and weights are compared. The weights and the optimizer are then as they were. From here
    on the optimizer's rates are tensors, which the recording reads as it does the batch.

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
    _check_recordable(state)
    with torch.cuda.device(lr.device):
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(float(group["lr"]), device=lr.device)
            if "capturable" in group:
                group["capturable"] = True
        for parameter, entry in optimizer.state.items():
            for key, value in entry.items():
                if isinstance(value, Tensor):  # Adam's count of steps may lie on the CPU
                    entry[key] = value.to(parameter.device)
        before = _snapshot(state)
        try:
            beside = torch.cuda.Stream()
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                expected = _steps_and_weights(advance, state, lr, hr)
            torch.cuda.current_stream().wait_stream(beside)
            _restore(state, before)
            optimizer.zero_grad(set_to_none=True)
            graph = torch.cuda.CUDAGraph()
            # A loader's thread may take pinned memory meanwhile, which "global" would not allow.
            with (
                torch.cuda.stream(torch.cuda.current_stream()),
                torch.cuda.graph(graph, capture_error_mode="thread_local"),
            ):
                terms = advance(lr, hr)

            def replayed(*_: Tensor) -> Terms:
                graph.replay()
                return {name: term.clone() for name, term in terms.items()}

            found = _steps_and_weights(replayed, state, lr, hr)
            _restore(state, before)
            _check_alike(expected, found, _weights(state))
        except (RuntimeError, AssertionError, TypeError, ValueError) as error:
            raise CannotRecord((str(error) or repr(error)).splitlines()[0]) from None
        finally:
            _restore(state, before)
    return graph.replay, terms


def _check_recordable(state: TrainingState) -> None:
    """Refuse what decides on the CPU, or begins with anything but zeros.

    Raises:
        CannotRecord: Scaler or optimizer are of that kind.
    """
    if state.scaler.is_enabled():
        raise CannotRecord("fp16 decides on the CPU whether to skip a step")
    kind = type(state.optimizer)
    if kind not in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD):
        raise CannotRecord(f"{kind.__name__} is not one of Adam, AdamW, SGD")
    if any(group.get("dampening") for group in state.optimizer.param_groups):
        raise CannotRecord("SGD with dampening takes its first step in another way")


def _steps_and_weights(
    advance: Advance, state: TrainingState, lr: Tensor, hr: Tensor
) -> tuple[list[Terms], Tensor]:
    """Take a few steps, each at half the rate of the one before; return losses and weights."""
    terms = []
    for _ in range(_WARM_UP):
        terms.append(advance(lr, hr))
        for group in state.optimizer.param_groups:
            group["lr"].mul_(0.5)
    for group in state.optimizer.param_groups:
        group["lr"].mul_(2.0**_WARM_UP)
    return terms, _weights(state)


def _weights(state: TrainingState) -> Tensor:
    return torch.cat([p.detach().flatten() for p in state.model.parameters()])


def _check_alike(
    expected: tuple[list[Terms], Tensor], found: tuple[list[Terms], Tensor], before: Tensor
) -> None:
    """Compare losses and weights of steps that were taken and of steps that were replayed.

    Raises:
        CannotRecord: They differ by more than the order of a summation explains.
    """
    for wanted, got in zip(expected[0], found[0], strict=True):
        for name in wanted:
            if not torch.allclose(got[name], wanted[name], rtol=1e-2, equal_nan=True):
                raise CannotRecord(f"the replayed loss {name} differs from the eager one")
    moved = (expected[1] - before).norm()
    if (found[1] - expected[1]).norm() > 0.05 * moved:
        raise CannotRecord("the replayed steps lead to other weights than the eager ones")


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
