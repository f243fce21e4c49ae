"""A fixed box filter after any upsampler, against the checkerboard.

Sugawara, Shiota and Kiya (ICIP 2018, arXiv 1806.02658): an upsampler leaves no checkerboard on flat
areas if and only if its kernel contains the zero-order hold, a box as wide as the scale, as a
factor. Convolving its output with that box makes it so, whatever the weights are.
"""

import torch
from torch import Tensor

from srlab.imaging.resample import crop
from srlab.upsamplers.base import Factory, Upsampler, check_plain
from srlab.upsamplers.linear import SubPixel, shared_bias, take_over
from srlab.upsamplers.shuffle import deconv_to_subpixel, subpixel_to_deconv
from srlab.upsamplers.starts import box_line

_ZERO = 1e-12  # a weight this small, relative to the largest, is rounding error


class Boxed(Upsampler):
    """Average what an upsampler makes over a box of s x s pixels.

    For even s the box is s + 1 wide with its two ends halved, so that it is centred; it is the
    zero-order hold convolved with [1/2, 1/2]. The average comes after the biases and so evens them
    out, too. It costs nothing once the upsampler is simplified: it is part of the kernel.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The factor s.
        inner: Factory ``(in_channels, out_channels, scale) -> nn.Module`` of the upsampler.

    Shapes: ``(N, in, H + 2 halo, W + 2 halo) -> (N, out, s H, s W)``.

    Example:
        >>> upsampler = srlab.Boxed(32, 1, scale=2, inner=srlab.PixelShuffle)
        >>> srlab.kernel_ripple(srlab.subpixel_form(upsampler).kernel, 2) < 1e-12
        True
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        inner: Factory,
    ):
        module = inner(in_channels, out_channels, scale)
        check_plain(module, "put under a box filter")
        super().__init__(in_channels, out_channels, scale, module.halo + 1)
        self.inner = module
        self._line = box_line(scale).tolist()

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        sr = crop(self.inner(framed), self.scale - len(self._line) // 2)
        return _convolve(_convolve(sr, self._line, -2), self._line, -1)

    def hold(self, form: SubPixel) -> None:
        """Set the weights to a form of which the box is a factor; see ``linear.take_over``."""
        s, size = self.scale, 2 * self.halo + 1
        inverse = torch.linalg.pinv(_spreading(box_line(s), s, size - 2))
        kernel = inverse @ subpixel_to_deconv(form.padded(size), s) @ inverse.T
        kernel[kernel.abs() < _ZERO * kernel.abs().max()] = 0
        bias = shared_bias(form).repeat_interleave(s**2)
        take_over(self.inner, SubPixel(deconv_to_subpixel(kernel, s), bias, s))


def _convolve(x: Tensor, line: list[float], dim: int) -> Tensor:
    """Convolve one axis of ``x`` with a line; sums of slices are far quicker than a convolution."""
    size = x.shape[dim] - len(line) + 1
    total = line[0] * x.narrow(dim, 0, size)
    for place, weight in enumerate(line[1:], 1):
        total = total + weight * x.narrow(dim, place, size)
    return total


def _spreading(line: Tensor, scale: int, size: int) -> Tensor:
    """Return the matrix that convolves ``s size`` values with a line into ``s (size + 2)``."""
    values = scale * size
    matrix = line.new_zeros(values + 2 * scale, values)
    start = scale - len(line) // 2
    for value in range(values):
        matrix[start + value : start + value + len(line), value] = line
    return matrix
