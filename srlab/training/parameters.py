"""Parameter groups with learning-rate factors of their own."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Optimizer

from srlab.errors import UserError


def parameter_groups(
    model: nn.Module, factors: Mapping[str, float], even: bool = False
) -> list[dict[str, Any]]:
    """Split a model's parameters into groups that learn at rates of their own.

    Each group carries its ``lr_factor``: that of the longest prefix of the parameters' names in
    ``factors``, as the papers' recipes need it (SRCNN's last layer learns at a tenth of the rate,
    ``body.4: 0.1``), and with ``even`` one over the pixels that share a weight: Adam moves each
    weight by the rate, and with it all these pixels at once.

    Raises:
        UserError: A prefix matches no parameter.
    """
    for prefix in factors:
        _named(model, prefix, "lr_factors")
    shared = _shared(model) if even else {}
    kinds = product(("", *factors), (1, *sorted(set(shared.values()))))
    groups: dict[tuple[str, int], list[nn.Parameter]] = {kind: [] for kind in kinds}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            prefix = max((p for p in factors if _matches(name, p)), key=len, default="")
            groups[prefix, shared.get(name, 1)].append(parameter)
    rates = {"": 1.0} | dict(factors)
    return [
        {"params": parameters, "lr_factor": rates[prefix] / count}
        for (prefix, count), parameters in groups.items()
        if parameters
    ]


def freeze(model: nn.Module, prefixes: Sequence[str]) -> None:
    """Let parameters keep their values, those whose names begin with one of the prefixes.

    Raises:
        UserError: A prefix matches no parameter, or nothing is left to learn.
    """
    for prefix in prefixes:
        for parameter in _named(model, prefix, "freeze"):
            parameter.requires_grad_(False)
    if prefixes and not any(p.requires_grad for p in model.parameters()):
        raise UserError(f"trainer.freeze={list(prefixes)} leaves no weights to train")


def _named(model: nn.Module, prefix: str, key: str) -> list[nn.Parameter]:
    """Return the parameters that a prefix of their names means.

    Raises:
        UserError: There is none.
    """
    found = [p for name, p in model.named_parameters() if _matches(name, prefix)]
    if not found:
        names = ", ".join(name for name, _ in model.named_parameters())
        raise UserError(f"trainer.{key}: no parameter is called {prefix!r}; there are {names}")
    return found


def _shared(model: nn.Module) -> dict[str, int]:
    """Return by how many pixels of a block weights are shared, of modules that say ``sharing``."""
    counts = {prefix: getattr(module, "sharing", 1) for prefix, module in model.named_modules()}
    return {
        f"{prefix}.{name}".lstrip("."): count
        for prefix, count in counts.items()
        if isinstance(count, int) and count > 1
        for name, _ in model.get_submodule(prefix).named_parameters()
    }


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
