"""What learns in a training: the network with its optimizer, and what it minimises."""

import torch
from torch import nn

from srlab.assembly.checkpoints import check_network
from srlab.assembly.scales import parts_by_scale
from srlab.assembly.training_checks import check_learning
from srlab.config.build import build
from srlab.config.schema import TrainConfig
from srlab.errors import ConfigError
from srlab.training.average import average_of
from srlab.training.optimizer import leave_compiler_out
from srlab.training.parameters import freeze, parameter_groups
from srlab.training.parts import may_be_cut
from srlab.training.state import TrainingState
from srlab.words import Precision


def build_state(config: TrainConfig, device: torch.device) -> tuple[TrainingState, nn.Module]:
    """Build the network with its optimizer, and the objective, from a checked config.

    Raises:
        UserError: They do not fit together.
    """
    trainer = config.trainer
    torch.manual_seed(config.seed)
    model = build(config.model, "model")
    check_network(model, config.scale, config.colour)
    scales = parts_by_scale(model, config.model, trainer.scales, config.colour)
    model.to(device, memory_format=torch.channels_last)
    if not any(p.requires_grad for p in model.parameters()):
        raise ConfigError("this model has no weights to train; use it with srlab evaluate")
    check_learning(model, trainer.devices)
    freeze(model, trainer.freeze)
    objective = build(config.loss, "loss").to(device)
    if trainer.accumulate > 1 and not may_be_cut(model, objective):
        raise ConfigError(
            "trainer.accumulate wants a network that treats each sample by itself, of layers of "
            "srlab or torch, and a loss that is a mean: parts of a batch add up to it then"
        )
    groups = parameter_groups(model, trainer.lr_factors, trainer.even_steps)
    leave_compiler_out()
    try:
        optimizer = build(config.optim, "optim")(groups)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(f"optim: {error}") from None
    scaler = torch.amp.GradScaler(device.type, enabled=trainer.precision == Precision.fp16)
    average = None if model.learns else average_of(model, trainer.ema)
    return TrainingState(model, optimizer, average, scaler, scales=scales), objective
