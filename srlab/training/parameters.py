"""Parameter groups with learning-rate factors of their own."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Optimizer

from srlab.errors import UserError


def parameter_groups(model: nn.Module, factors: Mapping[str, float]) -> list[dict[str, Any]]:
    """Split a model's parameters into groups by the longest prefix of their name in ``factors``.

    The papers' recipes need it: SRCNN's last layer learns at a tenth of the rate (``body.4: 0.1``).
    Each group carries its ``lr_factor``.

    Raises:
        UserError: A prefix matches no parameter.
    """
    groups: dict[str, list[nn.Parameter]] = {prefix: [] for prefix in ("", *factors)}
    names = [name for name, _ in model.named_parameters()]
    for prefix in factors:
        if not any(_matches(name, prefix) for name in names):
            raise UserError(
                f"trainer.lr_factors: no parameter is called {prefix!r}; there are "
                f"{', '.join(names)}"
            )
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            prefix = max((p for p in factors if _matches(name, p)), key=len, default="")
            groups[prefix].append(parameter)
    rates = {"": 1.0} | dict(factors)
    return [
        {"params": parameters, "lr_factor": rates[prefix]}
        for prefix, parameters in groups.items()
        if parameters
    ]


def learning_rates(optimizer: Optimizer, factor: float) -> list[float]:
    """Return the rate of each group: ``factor`` times its own factor times the optimizer's."""
    base = optimizer.defaults["lr"]
    return [base * factor * group["lr_factor"] for group in optimizer.param_groups]


def set_learning_rate(optimizer: Optimizer, factor: float) -> None:
    """Give each group its rate (``learning_rates``)."""
    for group, rate in zip(optimizer.param_groups, learning_rates(optimizer, factor), strict=True):
        group["lr"] = rate


def begin_momentum(optimizer: Optimizer) -> None:
    """Let the momentum of SGD begin as zeros: where fp16 skips the first step, torch's would not.

    Its fused step takes memory for it as it comes, and fills it only if the step is not skipped.
    """
    for group in optimizer.param_groups if isinstance(optimizer, SGD) else ():
        for parameter in group["params"] if group["momentum"] and not group["dampening"] else ():
            if optimizer.state[parameter].get("momentum_buffer") is None:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def _matches(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")
