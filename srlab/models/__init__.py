"""Networks: one paper, one file.

A model maps ``lr (N, C, H, W)`` to ``sr (N, C, s H, s W)``, both in ``[0, 1]``, and has

- ``scale`` and ``channels`` (1 for Y, 3 for RGB);
- ``halo``: how many low-resolution pixels around a pixel its s x s output block depends on;
- ``forward(lr, halo=0)``: ``halo`` says how many pixels of real context ``lr`` already carries on
  each side. The frame is not part of the output; what it lacks is made up once, by mirroring.

So a patch drawn with its frame sees no artificial border in training, a tile cut with its frame
gives the pixels of the whole picture, and ``model(lr)`` just works.
"""

from collections.abc import Callable

from torch import nn

# Networks compute on pixels less this and add it again. No layer pads with zeros, so the biases of
# the papers' networks could absorb it: same functions, learnt in fewer steps.
MID_GREY = 0.5

UpsamplerFactory = Callable[[int, int, int], nn.Module]


class Model(nn.Module):
    """What every network says about itself."""

    scale: int
    channels: int
    halo: int


def halo_of(upsampler: nn.Module) -> int:
    """Return the frame, in low-resolution pixels, that an upsampler uses up.

    Raises:
        ValueError: It does not say.
    """
    halo = getattr(upsampler, "halo", None)
    if not isinstance(halo, int) or halo < 0:
        raise ValueError(
            f"the upsampler {type(upsampler).__name__} needs an attribute halo: how many pixels "
            f"of its input's frame it uses up on each side"
        )
    return halo
