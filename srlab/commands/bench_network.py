"""The network that a measurement of its use runs: a checkpoint's, or one as it is born."""

import torch

from srlab.commands.network import Network, check_network, load_network
from srlab.config.build import build
from srlab.config.check import check, check_upsampler_used
from srlab.config.schema import SEED_RANGE, BenchUseConfig, Colour, UseConfig, check_scale
from srlab.errors import UserError


def network_to_measure(config: BenchUseConfig, device: torch.device) -> Network:
    """Build the network that ``checkpoint`` or ``model`` asks for; the latter has random weights.

    Raises:
        UserError: Neither or both are given, or they do not fit the other keys.
    """
    if config.checkpoint is not None:
        asked = UseConfig(
            checkpoint=config.checkpoint, scale=config.scale, colour=config.colour,
            trust=config.trust, model=config.model, upsampler=config.upsampler,
        )  # fmt: skip
        return load_network(asked, device)
    if not config.model:
        raise UserError("give model=NAME scale=3, or checkpoint=FILE")
    scale = check_scale(config.scale)
    if not 0 <= config.seed < 2**63:
        raise UserError(SEED_RANGE)
    check({"model": config.model})
    check_upsampler_used(config.model, config.upsampler)
    colour = config.colour or Colour.y
    torch.manual_seed(config.seed)
    module = build(config.model, "model").eval()
    check_network(module, scale, colour)
    label = f"{type(module).__name__} with {type(module.upsampler).__name__} x{scale}"
    return Network(module.to(device), scale, colour, label, None, None)
