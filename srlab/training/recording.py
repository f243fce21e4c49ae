"""A training step recorded as a CUDA graph.

A network as small as ESPCN is done with its arithmetic long before Python has launched the kernels
of a step. A CUDA graph launches all of them at once: forward, backward, optimizer and the average
of the weights. What it computes is what was recorded, on the memory that it was recorded on; so the
batch, the learning rates and the share of the average are written into tensors that it reads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from srlab.training.cuda_graph import capture, on_device, stream_beside, waiting_is_an_error
from srlab.training.parameters import begin_momentum, learning_rates
from srlab.training.state import TrainingState
from srlab.training.step import Advance, Step, Terms

_TRIALS = 3  # steps taken both ways; in the first, libraries choose their kernels
_AHEAD = 64  # steps whose rates go to the device together
_TRIAL_SHARE = 0.5  # of the way that the average goes in a trial

# Of modules, optimizer and scaler.
Snapshot = tuple[list[Tensor], dict[Any, dict[str, Tensor]], dict[str, Any]]


class CannotRecord(Exception):
    """A step that cannot be recorded as a CUDA graph, and why."""


@dataclass(frozen=True)
class Recording:
    """A recorded step.

    Args:
        replay: Launches it; holds all that it reads and writes.
        names: The loss terms.
        losses: Their values ``(terms,)``, written by each replay.
        controls: Rate of each parameter group and share of the average, ``(groups + 1,)``, read by
            each replay.
    """

    replay: Callable[[], None]
    names: list[str]
    losses: Tensor
    controls: Tensor


def recorded_step(
    advance: Advance, state: TrainingState, lr: Tensor, hr: Tensor, factor: Callable[[int], float]
) -> Step:
    """Return the step that replays a recording on batches of the shapes of ``lr`` and ``hr``.

    Between two replays the device gets two more things to do: to take the next batch with its
    rates, and to keep the losses.

    Args:
        advance: What it does to the network, at the optimizer's rate.
        state: Network, average and optimizer.
        lr: LR of a batch.
        hr: HR of the batch.
        factor: ``number -> factor`` on the learning rate.

    Raises:
        CannotRecord: See ``record``.
    """
    lr, hr = lr.clone(), hr.clone()
    recording = record(advance, state, lr, hr)
    inputs = [lr, hr, recording.controls]
    first, coming = 0, recording.controls.new_empty(0)

    def controls(number: int) -> list[float]:
        share = 0.0 if state.average is None else state.average.share(number)
        return [*learning_rates(state.optimizer, factor(number)), share]

    def step(batch_lr: Tensor, batch_hr: Tensor, number: int) -> Terms:
        nonlocal first, coming
        if not first <= number < first + len(coming):
            coming_up = [controls(number + k) for k in range(_AHEAD)]
            rows = torch.tensor(coming_up, pin_memory=lr.is_cuda)
            first, coming = number, rows.to(lr.device, non_blocking=True)
        torch._foreach_copy_(inputs, [batch_lr, batch_hr, coming[number - first]])
        recording.replay()
        return dict(zip(recording.names, recording.losses.clone().unbind(), strict=True))

    return step


def record(advance: Advance, state: TrainingState, lr: Tensor, hr: Tensor) -> Recording:
    """Record a step on a batch on CUDA.

    Before it is trusted, a few steps are taken both ways from the same weights, at several rates;
    losses, gradients and weights are compared. The weights, their average, the optimizer and the
    scaler are then as they were. From here on the optimizer's rates are tensors.

    Args:
        advance: What it does to the network, at the optimizer's rate.
        state: Network, average, optimizer and scaler.
        lr: LR of a batch, which replays read where it lies.
        hr: HR of the batch; likewise.

    Raises:
        CannotRecord: Something in the step waits for the device or runs on the CPU, or the replay
            computes something else.
        torch.OutOfMemoryError: The step by itself wants more memory than there is.
    """
    _check_recordable(state)
    device = lr.device
    names: list[str] = []
    with on_device(device):
        controls = _prepare(state, device)
        before, start = _snapshot(state), _moving(state)

        def work() -> Tensor:
            terms = advance(lr, hr)
            if state.average is not None:
                state.average.move(controls[-1])
            names[:] = terms
            return torch.stack(list(terms.values()))

        fault: str | None = None  # raised at the end: an error keeps alive what it came from
        try:
            with stream_beside(device):
                expected = _try_out(work, state, controls)
                with waiting_is_an_error(device):
                    work()
            _restore(state, before)
            state.optimizer.zero_grad(set_to_none=True)
            try:
                replay, losses = capture(work, device)
            except torch.OutOfMemoryError as error:  # the recording's own memory is one too many
                raise RuntimeError(str(error)) from None
            _restore(state, before)

            def again() -> Tensor:
                replay()
                return losses.clone()

            found = _try_out(again, state, controls)
            _check_alike(expected, found, start)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, AssertionError, TypeError, ValueError, CannotRecord) as error:
            fault = (str(error) or repr(error)).splitlines()[0]
        finally:
            _restore(state, before)
        if fault is not None:
            _forget_the_step(state, device)
            raise CannotRecord(fault)
    return Recording(replay, names, losses, controls)


def _check_recordable(state: TrainingState) -> None:
    """Refuse what decides on the CPU, or begins with anything but zeros.

    Raises:
        CannotRecord: Scaler or optimizer are of that kind.
    """
    kind, groups = type(state.optimizer), state.optimizer.param_groups
    if kind not in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD):
        raise CannotRecord(f"{kind.__name__} is not one of Adam, AdamW, SGD")
    if any(group.get("dampening") for group in groups):
        raise CannotRecord("SGD with dampening takes its first step in another way")
    if kind is torch.optim.SGD and not all(group.get("fused") for group in groups):
        raise CannotRecord("SGD that is not fused asks the CPU for its rate")
    if state.scaler.is_enabled() and not all(group.get("fused") for group in groups):
        raise CannotRecord("with fp16 only a fused optimizer skips steps without asking the CPU")


def _prepare(state: TrainingState, device: torch.device) -> Tensor:
    """Move to the device what the step decides by; return the controls, as of the present rates."""
    groups = state.optimizer.param_groups
    controls = torch.tensor([*(float(g["lr"]) for g in groups), _TRIAL_SHARE], device=device)
    for group, rate in zip(groups, controls, strict=False):
        group["lr"] = rate
        if "capturable" in group:
            group["capturable"] = True
    for parameter, entry in state.optimizer.state.items():
        for key, value in entry.items():
            if isinstance(value, Tensor):  # Adam's count of steps may lie on the CPU
                entry[key] = value.to(parameter.device)
    begin_momentum(state.optimizer)
    state.scaler.scale(torch.ones((), device=device))  # which makes its tensors
    return controls


@dataclass(frozen=True)
class _Trial:
    """What a few steps did: losses ``(steps, terms)``, first gradients, last weights."""

    losses: Tensor
    gradients: Tensor
    weights: Tensor


def _try_out(step: Callable[[], Tensor], state: TrainingState, controls: Tensor) -> _Trial:
    """Take a few steps, each at half the rate of the one before."""
    rates = controls[:-1]
    losses = [step()]
    slopes = [p.grad.flatten() for p in state.model.parameters() if p.grad is not None]
    gradients = torch.cat(slopes)
    for _ in range(_TRIALS - 1):
        rates.mul_(0.5)
        losses.append(step())
    rates.mul_(2.0 ** (_TRIALS - 1))
    return _Trial(torch.stack(losses), gradients, _moving(state))


def _moving(state: TrainingState) -> Tensor:
    """Return the weights and their averages in a row."""
    return torch.cat([p.detach().flatten() for m in _modules(state) for p in m.parameters()])


def _check_alike(expected: _Trial, found: _Trial, before: Tensor) -> None:
    """Compare steps that were taken with steps that were replayed.

    Gradients may differ by the order of sums, in half precision too. Where one is about zero, its
    sign may, and with it the whole first step of Adam: so weights are compared roughly, which still
    finds a rate that is not read, or a step that is not taken.

    Raises:
        CannotRecord: They differ by more than that.
    """
    if not torch.allclose(found.losses, expected.losses, rtol=1e-2, equal_nan=True):
        raise CannotRecord("the replayed losses differ from those of steps as they are")
    wanted, got = (trial.gradients.nan_to_num(0, 0, 0) for trial in (expected, found))
    if (got - wanted).norm() > 0.05 * wanted.norm():
        raise CannotRecord("the replayed gradient differs from that of a step as it is")
    if (found.weights - expected.weights).norm() > 0.3 * (expected.weights - before).norm():
        raise CannotRecord("the replayed steps lead to other weights than steps as they are")


def _snapshot(state: TrainingState) -> Snapshot:
    """Copy the weights, buffers, averages, and the tensors of the optimizer and the scaler."""
    tensors = [t.detach().clone() for t in _tensors(state)]
    kept = {
        parameter: {k: v.clone() for k, v in entry.items() if isinstance(v, Tensor)}
        for parameter, entry in state.optimizer.state.items()
    }
    return tensors, kept, state.scaler.state_dict()


@torch.no_grad()
def _restore(state: TrainingState, before: Snapshot) -> None:
    """Put all back in place; what the optimizer had not yet made begins as zero."""
    tensors, kept, scaler = before
    for now, then in zip(_tensors(state), tensors, strict=True):
        now.copy_(then)
    for parameter, entry in state.optimizer.state.items():
        for key, value in entry.items():
            if isinstance(value, Tensor):
                old = kept.get(parameter, {}).get(key)
                value.zero_() if old is None else value.copy_(old)
    state.scaler.load_state_dict(scaler)  # in place, too


def _tensors(state: TrainingState) -> list[Tensor]:
    return [t for m in _modules(state) for t in (*m.parameters(), *m.buffers())]


def _modules(state: TrainingState) -> list[nn.Module]:
    return [state.model, *([] if state.average is None else [state.average.module])]


def _forget_the_step(state: TrainingState, device: torch.device) -> None:
    """Let scaler and optimizer forget that a step was begun: fp16 refuses to begin another."""
    scale, enabled = state.scaler.state_dict(), state.scaler.is_enabled()
    state.scaler = torch.amp.GradScaler(device.type, enabled=enabled)
    state.scaler.load_state_dict(scale)
    for name in ("grad_scale", "found_inf"):
        if hasattr(state.optimizer, name):
            delattr(state.optimizer, name)
