"""What the networks of a report cost, and what they leave on flat pictures."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from srlab.assembly.network import Network
from srlab.commands.report.results import Choice
from srlab.evaluation.network import costs_of, ripple_on_flats
from srlab.inference.fast_copy import fast_copy
from srlab.machine.device import wait_for
from srlab.measuring.cost import parameter_count, tensor_memory
from srlab.measuring.timing import interleaved
from srlab.models.base import Model
from srlab.upsamplers.simplify import simplify


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Args:
        parameters: How many numbers it learnt.
        multiply_adds: Per pixel of its output, or None where they cannot be counted.
        seconds: For the picture that all are measured on: the median.
        memory: The most bytes of tensors alive at once for it.
        training: Seconds of training, the median over seeds, or None.
    """

    parameters: int
    multiply_adds: float | None
    seconds: float
    memory: int
    training: float | None


def measure_costs(
    choices: Sequence[Choice],
    networks: dict[str, Network],
    device: torch.device,
    size: tuple[int, int],
    repeats: int,
) -> dict[str, Cost]:
    """Measure what one network of each choice costs, in turn, as ``srlab upscale`` would run it."""
    firsts = {choice.label: networks[choice.runs[0].name] for choice in choices}
    runs: dict[str, Callable[[], object]] = {}
    memory = {}
    for label, network in firsts.items():
        module: Model = fast_copy(simplify(network.module))
        lr = torch.rand(1, network.module.channels, *size, device=device)
        runs[label] = partial(_upscale, module, lr, device)
        memory[label] = tensor_memory(runs[label])
    seconds = interleaved(runs, repeats)
    costs = {}
    for choice in choices:
        module = firsts[choice.label].module
        known = [run.seconds for run in choice.runs if run.seconds is not None]
        costs[choice.label] = Cost(
            parameter_count(module),
            None if module.whole else costs_of(module).get(""),
            statistics.median(seconds[choice.label]),
            memory[choice.label],
            statistics.median(known) if known else None,
        )
    return costs


@torch.inference_mode()
def _upscale(module: Model, lr: Tensor, device: torch.device) -> None:
    module(lr)
    wait_for(device)


def flat_ripples(choices: Sequence[Choice], networks: dict[str, Network]) -> dict[str, list[float]]:
    """Return the ripple of flat pictures, for each seed of each choice, in grey levels."""
    return {
        choice.label: [_flat_ripple(networks[run.name]) for run in choice.runs]
        for choice in choices
    }


def _flat_ripple(network: Network) -> float:
    return ripple_on_flats(network.upscaler("auto", False), network.module)
