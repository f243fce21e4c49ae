"""One optimizer step."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import reduce

import torch
from torch import Tensor, nn

from srlab.models import Model
from srlab.training.parameters import set_learning_rate
from srlab.training.ranks import parallel
from srlab.training.state import TrainingState

Terms = dict[str, Tensor]
Advance = Callable[[Tensor, Tensor], Terms]
Step = Callable[[Tensor, Tensor, float], Terms]


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

    Where several ranks train, each gives it its part of the batch.

    Args:
        state: Network and optimizer, changed by each call.
        objective: ``(sr, hr) -> dict`` of loss terms, whose sum is minimised.
        halo: Width of the frame that LR patches carry.
        device: Where all lies.
        clip: Largest norm of the gradient; 0 does not clip.
        precision: Type of autocast: fp32 (none), bf16 or fp16.
        compiled: Whether ``torch.compile`` fuses the forward pass and the loss.
    """
    model = parallel(state.model)

    def loss_terms(lr: Tensor, hr: Tensor) -> Terms:
        with autocast_to(precision, device):
            sr = model(lr, halo=halo)
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


def learning_step(model: Model) -> Step:
    """Return ``(lr, hr, factor) -> terms`` of a model that learns by itself, without a rate."""

    def step(lr: Tensor, hr: Tensor, factor: float) -> Terms:
        return model.learn(lr, hr)  # type: ignore[operator]

    return step


def eager_step(advance: Advance, optimizer: torch.optim.Optimizer) -> Step:
    """Return ``(lr, hr, factor) -> loss terms``, factor being that on the learning rate."""
    for group in optimizer.param_groups:  # a run that was recorded may be resumed without
        group["lr"] = float(group["lr"])
        if "capturable" in group:
            group["capturable"] = False
        for parameter in group["params"] if not group.get("fused") else ():
            entry = optimizer.state.get(parameter, {})
            if isinstance(entry.get("step"), Tensor):  # or each would be waited for
                entry["step"] = entry["step"].cpu()

    def step(lr: Tensor, hr: Tensor, factor: float) -> Terms:
        set_learning_rate(optimizer, factor)
        return advance(lr, hr)

    return step


def autocast_to(precision: str, device: torch.device):
    """Return a context in which layers compute in ``precision``: fp32 (as they are), bf16, fp16."""
    if precision == "fp32":
        return nullcontext()
    kind = torch.bfloat16 if precision == "bf16" else torch.float16
    # A cache of cast weights would outlive the recording of a graph; each is used once anyway.
    return torch.autocast(device.type, dtype=kind, cache_enabled=False)
