"""The network that a measurement of its use runs: a checkpoint's, or one as it is born."""

from dataclasses import replace

import torch

from srlab.commands.network import Network, load_network, named_network
from srlab.config.ranges import SEED_RANGE
from srlab.config.schema import BenchUseConfig
from srlab.errors import UserError


def network_to_measure(config: BenchUseConfig, device: torch.device) -> Network:
    """Build the network that ``checkpoint`` or ``model`` asks for; the latter has random weights.

    Raises:
        UserError: Neither or both are given, or they do not fit the other keys.
    """
    if config.checkpoint is not None and config.model:
        raise UserError("give model=NAME scale=3, or checkpoint=FILE, not both")
    if config.checkpoint is not None:
        return load_network(config, device)
    if not config.model:
        raise UserError("give model=NAME scale=3, or checkpoint=FILE")
    if not 0 <= config.seed < 2**63:
        raise UserError(SEED_RANGE)
    torch.manual_seed(config.seed)
    network = named_network(config, device)
    kind, upsampler = (type(m).__name__ for m in (network.module, network.module.upsampler))
    return replace(network, label=f"{kind} with {upsampler} x{network.scale}", method=None)
