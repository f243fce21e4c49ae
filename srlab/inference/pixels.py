"""Networks as maps of pixels: whole numbers in, whole numbers out, with colour and alpha."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

from srlab.imaging.resample import REACH
from srlab.inference.colour import enlarge_framed, upscale_colour
from srlab.inference.streams import Pixels
from srlab.inference.tiles import upscale_rows
from srlab.machine.precision import autocast_to, cast_layers
from srlab.models.base import Model
from srlab.words import Colour


class OnPixels(Model):
    """A network that is given pixels of any kind of picture and makes pixels of the same kind.

    The network makes the colours (``inference.colour``), bicubic the alpha channel; the rounding
    is to the nearest level, halves upward. Tiles of it are done with when they leave the cache.

    Args:
        network: The network, of luma or RGB in ``[0, 1]``.
        colour: What it sees.
        precision: Number type of the network's layers, whose weights are cast to it here, once; all
            else is in single precision.
    """

    def __init__(
        self,
        network: Model,
        colour: Colour,
        precision: torch.dtype = torch.float32,
    ):
        super().__init__()
        self.network = network
        cast_layers(network, precision, network.exact_layers)
        self.colour: Colour = colour
        self.precision = precision
        self.scale, self.channels = network.scale, network.channels
        self.grid, self.whole = network.grid, network.whole
        self.frame = max(network.frame, REACH["bicubic"])
        self.halo = self.frame + network.halo - network.frame

    def forward(self, lr: Tensor, halo: int = 0) -> Tensor:
        """Map levels ``(N, 1 to 4, H+2h, W+2h)``, framed by ``halo``, to ``(N, 1 to 4, sH, sW)``.

        Levels are 0 to 255 as uint8, or 0 to 65535 as int32.
        """
        top = 255 if lr.dtype == torch.uint8 else 65535
        x = lr.to(torch.float32).div_(top)
        colours = x.shape[1] - (x.shape[1] in (2, 4))
        once = partial(self._once, halo=halo)
        sr = upscale_colour(x[:, :colours], once, self.colour, self.scale, halo)
        if colours < x.shape[1]:
            sr = torch.cat([sr, enlarge_framed(x[:, colours:], self.scale, halo)], dim=1)
        return sr.mul_(top).add_(0.5).clamp_(0, top).to(lr.dtype)  # which rounds down

    def _once(self, x: Tensor, halo: int) -> Tensor:
        with autocast_to(self.precision, x.device):
            return self.network(x, halo=halo).to(x)


def upscale_pixels(
    model: OnPixels, pixels: Pixels, tile: int, at_once: int = 1
) -> Iterator[np.ndarray]:
    """Upscale pixels ``(H, W, 1 to 4)``, uint8 or uint16; yield the rows ``(h, s W, 1 to 4)``.

    They come from top to bottom, as many as a row of tiles has, each in memory of its own. For
    ``tile`` and ``at_once`` see ``inference.tiles``.
    """

    def read(first: int, last: int) -> Tensor:
        return to_levels(pixels[first:last])

    height, width = pixels.shape[:2]
    for rows in upscale_rows(model, read, height, width, tile, at_once):
        yield to_pixels(rows)


def to_levels(pixels: np.ndarray) -> Tensor:
    """Turn pixels ``(H, W, C)``, uint8 or uint16, into ``(1, C, H, W)``, uint8 or int32."""
    whole = pixels if pixels.dtype == np.uint8 else pixels.astype(np.int32)
    return torch.from_numpy(whole).permute(2, 0, 1).unsqueeze(0).contiguous()


def to_pixels(levels: Tensor) -> np.ndarray:
    """Turn ``(1, C, H, W)``, uint8 or int32, into pixels ``(H, W, C)``, uint8 or uint16."""
    whole = levels[0].permute(1, 2, 0).numpy()
    return whole if whole.dtype == np.uint8 else whole.astype(np.uint16)
