"""Everything that changes during a training."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from srlab.models.base import Model
from srlab.training.average import Average

# What a file may hold of what is neither a tensor nor checked by who takes it.
_KINDS = {"step": int, "best": float | int | None, "stale": int, "history": list}


@dataclass
class TrainingState:
    """A network, its optimizer, and where the training stands.

    Args:
        model: The network that the optimizer steps.
        optimizer: Its parameter groups carry ``lr_factor``.
        average: Exponential moving average of the weights, or None.
        scaler: Gradient scaler for fp16, disabled otherwise.
        step: Steps done.
        best: Best score so far, or None.
        stale: Evaluations since the best one.
        history: One record for each evaluation.
        scales: Where it trains for several scales, by scale: the parts of the network whose scale
            is another one then, each with its own and with that.
    """

    model: Model
    optimizer: torch.optim.Optimizer
    average: Average | None
    scaler: torch.amp.GradScaler
    step: int = 0
    best: float | None = None
    stale: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    scales: dict[int, list[tuple[Any, int, int]]] = field(default_factory=dict)

    @property
    def network(self) -> Model:
        """The network to judge and to keep: the average where there is one."""
        return self.model if self.average is None else self.average.module

    @contextmanager
    def at(self, scale: int) -> Iterator[None]:
        """Let the network enlarge by one of its scales, and afterwards by its own again."""
        parts = self.scales.get(scale, ())
        for module, _, there in parts:
            module.scale = there
        try:
            yield
        finally:
            for module, own, _ in parts:
                module.scale = own

    def state_dict(self) -> dict[str, Any]:
        """Return all that resuming needs, as plain data and tensors."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "best": self.best,
            "stale": self.stale,
            "history": self.history,
            "rng": torch.get_rng_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up where ``state`` was saved.

        Raises:
            KeyError, TypeError, ValueError, AttributeError, RuntimeError: It is not that of such a
                training.
        """
        for key, kind in _KINDS.items():
            if not isinstance(state[key], kind):
                raise TypeError(f"{key} cannot be {state[key]!r}")
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.best, self.stale = state["step"], state["best"], state["stale"]
        self.history = list(state["history"])
        torch.set_rng_state(state["rng"])
