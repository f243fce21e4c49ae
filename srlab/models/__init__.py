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

from collections.abc import Callable

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

    def start_from(self, weights: dict[str, Tensor]) -> None:
        """Take the weights of another network, to be trained further.

        Raises:
            ValueError: They do not fit.
        """
        try:
            self.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(misfit(error)) from None


def misfit(error: RuntimeError) -> str:
    """Return the first reason that ``load_state_dict`` gives."""
    lines = str(error).splitlines()
    return " ".join(line.strip() for line in lines[1:2] or lines)
