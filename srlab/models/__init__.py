"""Networks: one paper, one file.

A model maps ``lr (N, C, H, W)`` to ``sr (N, C, s H, s W)``, both in ``[0, 1]``, and has

- ``scale`` and ``channels`` (1 for Y, 3 for RGB);
- ``halo``: how many low-resolution pixels around a pixel its s x s output block depends on;
- ``frame``: how many of these it wants to see around a patch, and makes up by mirroring at the
  border of a picture: all of ``halo`` in a shallow network, which convolves without padding; only
  what its upsampler wants in a deep one, whose convolutions pad with zeros;
- ``forward(lr, halo=0)``: ``halo`` says how many pixels of real context ``lr`` already carries on
  each side. The frame is not part of the output.

So a patch drawn with its frame sees no artificial border in training, a tile cut with its context
gives the pixels of the whole picture, and ``model(lr)`` just works.
"""

from srlab.models.base import MID_GREY, Model, UpsamplerFactory, misfit

__all__ = ["MID_GREY", "Model", "UpsamplerFactory", "misfit"]
