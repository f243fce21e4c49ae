"""Optimizers of torch without its compiler, whose import takes as long as that of torch itself."""

import inspect
import sys
from typing import Any

import torch
from torch.optim import Optimizer

# At the first call of each, torch imports its compiler, and asks it for a function that is like
# this one but is not looked into; it keeps that under this name.
_NOT_LOOKED_INTO = (
    Optimizer.add_param_group, Optimizer.load_state_dict, Optimizer.state_dict, Optimizer.zero_grad,
)  # fmt: skip
_KEPT = "__dynamo_disable"
_HOOKS = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
_EVERYBODYS_HOOKS = ("_global_optimizer_pre_hooks", "_global_optimizer_post_hooks")


def leave_compiler_out() -> None:
    """Let optimizers be built, saved and loaded without the import of torch's compiler.

    It holds for all of the process: what is compiled later looks into these functions if it calls
    them, which changes no result. Nothing that srlab compiles does. A torch that keeps them
    elsewhere is left as it is, and so is one that has imported its compiler.
    """
    if "torch._dynamo" in sys.modules:
        return
    for method in _NOT_LOOKED_INTO:
        function = getattr(method, "__wrapped__", None)
        if function is not None and not hasattr(function, _KEPT):
            setattr(function, _KEPT, function)


def take_step(optimizer: Optimizer, scaler: torch.amp.GradScaler) -> None:
    """Let an optimizer take its step; of one of torch's run the part that needs no compiler.

    Args:
        optimizer: Whose parameters have gradients.
        scaler: What these are scaled by, where it is enabled.
    """
    if scaler.is_enabled():
        scaler.step(optimizer)
        scaler.update()
        return
    kind: Any = type(optimizer)
    own = kind.__module__.startswith("torch.optim.") and "torch._dynamo" not in sys.modules
    if not own or _is_watched(optimizer):
        optimizer.step()
        return
    with torch.set_grad_enabled(optimizer.defaults.get("differentiable", False)):
        inspect.unwrap(kind.step, stop=_is_of_others)(optimizer)


def _is_of_others(function: Any) -> bool:
    """Tell whether a function is none of those that torch puts around every step."""
    return getattr(function, "__globals__", {}).get("__name__") != Optimizer.__module__


def _is_watched(optimizer: Optimizer) -> bool:
    """Tell whether functions are to be called before, after or instead of each step, or may be."""
    if "step" in vars(optimizer):
        return True
    everybodys = sys.modules[Optimizer.__module__]
    found = [getattr(optimizer, name, True) for name in _HOOKS]
    return any(found + [getattr(everybodys, name, True) for name in _EVERYBODYS_HOOKS])
