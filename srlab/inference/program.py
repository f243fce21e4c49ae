"""A network as it leaves: one module that needs nothing but pixels."""

from torch import Tensor, nn

from srlab.inference.colour import upscale_colour
from srlab.models.base import Model
from srlab.words import Colour


class Program(nn.Module):
    """A network as it is exported: float32 in and out, in ``[0, 1]``.

    Args:
        network: The network, in evaluation mode.
        colour: What the network sees.
        face: What the program takes and gives: the network's own ``y``, not clamped, or ``rgb``.
            Chroma then follows the luma of a network that sees that alone.
        half: Whether the network's layers compute in half precision.
    """

    def __init__(self, network: Model, colour: Colour, face: Colour, half: bool = False):
        super().__init__()
        self.network = network.half() if half else network
        self.colour: Colour = colour
        self.face: Colour = face
        self.half_precision = half

    def forward(self, lr: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to ``(N, C, s H, s W)``; C is 1 for ``y`` and 3 for ``rgb``."""
        if self.face == "y":
            return self._network(lr)
        return upscale_colour(lr, self._network, self.colour, self.network.scale)

    def _network(self, x: Tensor) -> Tensor:
        return self.network(x.half()).float() if self.half_precision else self.network(x)
