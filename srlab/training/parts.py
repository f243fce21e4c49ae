"""A step whose batch is cut into parts, each computed by a thread of its own.

Threads that share a layer wait for each other after each of them, and a thread that the system
takes away for another program lets all wait; threads that share the batch meet once a step.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from srlab.machine import ranks

Terms = dict[str, Tensor]

_LEAST = 4  # samples of a part: below it the layers are too small for what surrounds them

# Layers whose output for a sample depends on the others, or on chance, or that count what they saw.
_TOGETHER = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.modules.dropout._DropoutNd,
    nn.RReLU,
)


def parts_of(
    batch_size: int, device: torch.device, model: nn.Module, objective: nn.Module, compiled: bool
) -> int:
    """Return into how many parts a batch is cut: as many as torch has threads, if it may be cut.

    It may on the CPU; ranks and compiled layers have ways of their own.

    Args:
        batch_size: Samples of a batch.
        device: Where they lie.
        model: The network.
        objective: What it is trained for.
        compiled: Whether ``torch.compile`` makes one function of both.
    """
    if device.type != "cpu" or compiled or ranks.count() > 1 or not may_be_cut(model, objective):
        return 1
    return max(1, min(torch.get_num_threads(), batch_size // _LEAST))


def may_be_cut(model: nn.Module, objective: nn.Module) -> bool:
    """Tell whether the parts of a batch add up to it.

    They do where all modules are srlab's or torch's and treat each sample by itself, and losses are
    means.
    """
    if getattr(model, "learns", False):
        return False
    for layer in (*model.modules(), *objective.modules()):
        ours = type(layer).__module__.startswith(("srlab.", "torch.nn."))
        chance = getattr(layer, "dropout", 0.0)
        together = isinstance(layer, _TOGETHER) or bool(chance) or is_parametrized(layer)
        if not ours or together or getattr(layer, "reduction", "") == "sum":
            return False
    return True


@contextmanager
def alone() -> Iterator[None]:
    """Let this thread compute without helpers, who would wait, busily, for what it does next."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Parts:
    """Gradients of a mean over a batch, by threads.

    Their bits depend on the number of parts, and on nothing else of the hour: the parts are added
    up in order.

    Args:
        loss_terms: ``(lr, hr) -> terms``, each a mean over the batch; several threads call it.
        model: Whose parameters the gradients are with respect to.
        count: The parts.
    """

    def __init__(
        self,
        loss_terms: Callable[[Tensor, Tensor], Terms],
        model: nn.Module,
        count: int,
    ):
        self._loss_terms = loss_terms
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._count = count
        threads = max(1, torch.get_num_threads() // count)
        self._pool = ThreadPoolExecutor(count, "srlab", torch.set_num_threads, (threads,))

    def __call__(self, lr: Tensor, hr: Tensor) -> Terms:
        """Set the gradients of all parameters, and return the loss terms, detached."""
        shares = zip(lr.tensor_split(self._count), hr.tensor_split(self._count), strict=True)
        work = [self._pool.submit(self._part, *share, len(lr)) for share in shares]
        done = [part.result() for part in work]
        for k, parameter in enumerate(self._parameters):
            given = [gradients[k] for _, gradients in done]
            present = [gradient for gradient in given if gradient is not None]
            parameter.grad = reduce(torch.add, present) if present else None
        return {name: reduce(torch.add, [terms[name] for terms, _ in done]) for name in done[0][0]}

    def _part(self, lr: Tensor, hr: Tensor, whole: int) -> tuple[Terms, tuple[Tensor | None, ...]]:
        share = len(lr) / whole
        terms = {name: share * term for name, term in self._loss_terms(lr, hr).items()}
        loss = reduce(torch.add, terms.values())
        gradients = torch.autograd.grad(loss, self._parameters, allow_unused=True)
        return {name: term.detach() for name, term in terms.items()}, gradients
