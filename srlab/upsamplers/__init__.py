"""Upsamplers: modules that change the size of an image.

A factory ``(in_channels, out_channels, scale) -> nn.Module`` makes one. The module has an attribute
``halo`` and maps a framed image ``(N, in_channels, H + 2 halo, W + 2 halo)`` to
``(N, out_channels, scale H, scale W)``: it never invents a border. Whoever calls it supplies the
frame, once, so that every upsampler sees the same border and equal kernels mean equal outputs.

Two kinds ask for something else and say so:

- ``guided``: ``forward(framed, guide)`` also takes an image of the size of the enlarged frame,
  ``(N, 1 or in_channels, scale (H + 2 halo), scale (W + 2 halo))``, that shows where detail lies;
- ``whole``: the output depends on the size of the picture, so that it takes no frame (``halo`` is
  0) and cannot be computed in tiles.
"""

from srlab.upsamplers.base import Factory, Upsampler, check_plain

__all__ = ["Factory", "Upsampler", "check_plain"]
