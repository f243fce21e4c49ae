"""Geometric self-ensemble (EDSR: Lim et al., CVPRW 2017, section 3.4)."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from srlab.inference.tiles import upscale_tiled
from srlab.models.base import Model


def self_ensemble(upscale: Callable[[Tensor], Tensor], lr: Tensor) -> Tensor:
    """Average the upscaled images of all eight flips and rotations of ``(N, C, H, W)``."""
    total = torch.zeros(())
    for transposed in (False, True):
        for flips in ([], [-1], [-2], [-2, -1]):
            turned = lr.transpose(-2, -1) if transposed else lr
            sr = upscale(turned.flip(flips) if flips else turned)
            sr = sr.flip(flips) if flips else sr
            total = total.to(sr) + (sr.transpose(-2, -1) if transposed else sr)
    return total / 8


class SelfEnsemble(Model):
    """The self-ensemble of a network, as a network that tiles can be made of.

    A network that pools does so from the picture's first pixel; of a turned tile that is another
    place than of the turned picture. It is given the whole picture, which it cuts itself: the
    finished picture is then held in memory, as floats.

    Args:
        network: The network.
        tile: The size of the tiles that one that pools is run in (see ``inference.tiles``).
    """

    def __init__(self, network: Model, tile: int):
        super().__init__()
        self.network = network
        self.tile = tile
        self.scale, self.channels = network.scale, network.channels
        self.halo, self.frame = network.halo, network.frame
        self.whole = network.whole or network.grid > 1

    @property
    def exact_layers(self) -> nn.Module:
        """What writes the picture."""
        return self.network.exact_layers

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        """Map ``(N, C, H+2h, W+2h)``, framed by h = ``halo`` pixels, to ``(N, C, sH, sW)``."""
        if self.whole and halo == 0:
            return self_ensemble(partial(upscale_tiled, self.network, tile=self.tile), lr)
        return self_ensemble(partial(self.network, halo=halo), lr)
