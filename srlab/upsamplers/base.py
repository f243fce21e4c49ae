"""What every upsampler is."""

import copy
from collections.abc import Callable
from typing import Self

from torch import Tensor, nn

from srlab.upsamplers.linear import SubPixel, take_over


class Upsampler(nn.Module):
    """What every upsampler says about itself.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s.
        halo: The frame, in low-resolution pixels, that it uses up on each side.

    ``sharing``: by how many of the s^2 pixels of a block each of its weights is shared; or what it
    has that makes the weights of a kernel: how many times as far a step of it moves the picture.
    ``any_scale``: its weights are of no scale: whenever it is called, it enlarges by ``scale``.
    """

    guided = False
    whole = False
    sharing = 1
    any_scale = False

    def __init__(self, in_channels: int, out_channels: int, scale: int, halo: int):
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.scale = scale
        self.halo = halo

    def at(self, scale: int) -> Self:
        """Return one of another scale that has the same weights, not copies of them.

        Raises:
            ValueError: They are of one scale.
        """
        if scale != self.scale and not self.any_scale:
            raise ValueError(f"{type(self).__name__} is of scale {self.scale} alone")
        other = copy.copy(self)
        other.scale = scale
        return other

    def become(self, kernel: Tensor) -> None:
        """Set the weights so that it computes a sub-pixel convolution without bias.

        Where it cannot, its weights are lost.

        Args:
            kernel: ``(out s^2, in, k, k)``, k odd; see ``linear.SubPixel``.

        Raises:
            ValueError: It cannot represent the kernel.
        """
        exact = kernel.double().cpu()  # as forms are
        take_over(self, SubPixel(exact, exact.new_zeros(len(exact)), self.scale))


Factory = Callable[[int, int, int], Upsampler]


def check_plain(upsampler: nn.Module, role: str) -> None:
    """Check that an upsampler can be a part of another, which hands it a frame and nothing else.

    Raises:
        ValueError: It is guided or whole; ``role`` says what it cannot be.
    """
    if getattr(upsampler, "guided", False) or getattr(upsampler, "whole", False):
        raise ValueError(f"{type(upsampler).__name__} cannot be {role}")
