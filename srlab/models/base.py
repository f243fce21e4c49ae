"""What every network is."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

# Networks compute on pixels less this and add it again. Where no layer pads with zeros, the biases
# of the papers' networks could absorb it: same functions, learnt in fewer steps.
MID_GREY = 0.5


UpsamplerFactory = Callable[[int, int, int], nn.Module]


class Model(nn.Module):
    """What every network says about itself.

    ``grid``: a tile must begin at multiples of so many pixels (networks that pool).
    ``whole``: the output depends on the size of the picture, so that tiles would not fit.
    ``learns``: it is not trained by gradients but by its own method ``learn(lr, hr)``, which takes
    a batch, framed by ``frame`` pixels, for one step and returns what it lowers, by name; its
    method ``check_learning()`` raises a ValueError if its parts do not allow that. Its methods
    ``gauges()`` and ``pictures()`` return numbers and ``(1, C, H, W)`` to be watched, by name.
    """

    scale: int
    channels: int
    halo: int
    frame: int
    grid: int = 1
    whole: bool = False
    learns: bool = False

    @property
    def exact_layers(self) -> nn.Module:
        """What stays in single precision where others are in bf16: what writes the picture."""
        return getattr(self, "upsampler", self)

    def start_from(self, weights: dict[str, Tensor]) -> None:
        """Take the weights of another network, to be trained further.

        Raises:
            ValueError: They do not fit.
        """
        try:
            self.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(misfit(error)) from None


def set_mean(model: Any, mean: float | Sequence[float]) -> None:
    """Let a network have what it subtracts from the picture as ``model.mean``.

    Args:
        model: The network, whose ``channels`` are set.
        mean: A number, or one for each channel.

    Raises:
        ValueError: It has another number of channels.
    """
    if isinstance(mean, int | float):
        model.mean = mean
    elif len(mean) == model.channels:
        model.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1), persistent=False)
    else:
        raise ValueError(f"mean must be a number or {model.channels}, got {list(mean)}")


def misfit(error: RuntimeError) -> str:
    """Return the first reason that ``load_state_dict`` gives."""
    lines = str(error).splitlines()
    return " ".join(line.strip() for line in lines[1:2] or lines)
