"""Transposed convolution, the 'deconvolution' of FSRCNN (Dong et al., ECCV 2016) and FCN."""

import warnings
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.errors import CheckerboardWarning
from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.linear import SubPixel, shared_bias, transposed_form
from srlab.upsamplers.shuffle import deconv_to_subpixel, pixel_shuffle
from srlab.upsamplers.starts import Init, initial_deconv, projection


class Deconv(Upsampler):
    """Scatter a kernel of size K at stride s.

    With K = k s, k odd, this is the same layer as a sub-pixel convolution of kernel k (arXiv
    1609.07009): same numbers, same multiply-adds, one bias per output channel where that has s^2.
    A K that s does not divide covers some output pixels more often than others and so leaves a
    checkerboard (Odena et al., Distill 2016); it is allowed, with a warning.

    It is computed as that sub-pixel convolution; any other kernel is padded with zeros to the next
    odd k, and costs as much. The same function, and on a CPU, at the end of a network with its few
    channels, several times faster than torch's (``scripts/measure/time_deconv.py``).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The stride s.
        kernel_size: K, at least s; by default 3 s, the capacity of a 3x3 sub-pixel convolution.
        padding: How many rows and columns are cut off the top and the left of what is scattered, as
            in ``nn.ConvTranspose2d``; by default ``(K - s + 1) // 2``, which centres the kernel on
            its pixel. At the other end the output is cut to s times the input.
        init: ``default`` is that of ``nn.ConvTranspose2d``; ``icnr``, ``bilinear`` (the filler of
            FCN and Caffe) and ``nearest`` are those of ``starts.initial_kernel``.
        frozen: Keep the kernel as it starts. Where the channels differ a trained 3x3 convolution
            at low resolution then maps one to the other first, as in ``Interpolate``.
        phase_bias: A bias for each of the s^2 phases of an output channel, as a sub-pixel
            convolution has it, instead of one for all.

    Shapes: ``(N, in, H + 2 halo, W + 2 halo) -> (N, out, s H, s W)``.

    Example:
        >>> upsampler = srlab.Deconv(32, 1, scale=2, init="bilinear")
        >>> tuple(upsampler(torch.rand(1, 32, 10 + 2, 8 + 2)).shape)
        (1, 1, 20, 16)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        kernel_size: int | None = None,
        padding: int | None = None,
        init: Init = "default",
        frozen: bool = False,
        phase_bias: bool = False,
    ):
        size = 3 * scale if kernel_size is None else kernel_size
        if size < scale:
            raise ValueError(f"kernel_size must be at least the scale {scale}, got {size}")
        cut = (size - scale + 1) // 2 if padding is None else padding
        if not 0 <= cut < size:
            raise ValueError(f"padding must be at least 0 and under {size}, got {cut}")
        if size % scale:
            warnings.warn(
                f"a transposed convolution whose kernel size {size} is not a multiple of the scale "
                f"{scale} tends to leave a checkerboard; kernel_size={size - size % scale} or "
                f"{size + scale - size % scale} would not",
                CheckerboardWarning,
                stacklevel=2,
            )
        projected = frozen and in_channels != out_channels
        # The furthest pixels above and below that reach into one block of s output pixels.
        reach = max((size - 1 - cut) // scale, (cut + scale - 1) // scale)
        super().__init__(in_channels, out_channels, scale, reach + int(projected))
        self.padding = cut
        self._reach = reach
        self.project = projection(in_channels, out_channels, init) if projected else nn.Identity()
        inputs = out_channels if projected else in_channels
        self.deconv = nn.ConvTranspose2d(
            inputs, out_channels, size, stride=scale, bias=not (frozen or phase_bias)
        )
        if init != "default":
            kernel = initial_deconv(inputs, out_channels, scale, size, cut, init)
            self.deconv.weight.data.copy_(kernel)
            if self.deconv.bias is not None:
                nn.init.zeros_(self.deconv.bias)
        self.deconv.requires_grad_(not frozen)
        biases = torch.zeros(out_channels, scale, scale)
        self.phase_bias = nn.Parameter(biases) if phase_bias else None

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        s, weight = self.scale, self.deconv.weight
        before = s * self._reach - self.padding
        after = s * (2 * self._reach + 1) - weight.shape[-1] - before
        kernel = deconv_to_subpixel(F.pad(weight, [before, after] * 2), s)
        bias = self.deconv.bias
        if bias is not None:
            bias = bias.repeat_interleave(s**2)
        elif self.phase_bias is not None:
            bias = self.phase_bias.flatten()
        return pixel_shuffle(F.conv2d(self.project(framed), kernel, bias), s)

    @staticmethod
    def options_for(form: SubPixel) -> dict[str, Any]:
        """Return the options that a layer needs to hold a form; see ``linear.take_over``."""
        smallest = transposed_form(form)
        return {
            "kernel_size": smallest.size,
            "padding": smallest.padding,
            "phase_bias": not smallest.one_bias,
        }

    def hold(self, form: SubPixel) -> None:
        """Set the weights to a form; see ``linear.take_over``.

        Raises:
            ValueError: The kernel is too small or frozen.
        """
        if not self.deconv.weight.requires_grad:
            raise ValueError("its kernel is frozen")
        kernel, size = transposed_form(form), self.deconv.kernel_size[0]
        before = self.padding - kernel.padding
        after = size - before - kernel.size
        if before < 0 or after < 0:
            raise ValueError(
                f"it takes a kernel_size of {kernel.size} with padding {kernel.padding}, and "
                f"there are {size} and {self.padding}"
            )
        self.deconv.weight.data.copy_(F.pad(kernel.kernel, [before, after] * 2))
        if self.phase_bias is not None:
            self.phase_bias.data.copy_(kernel.bias)
        elif self.deconv.bias is not None:
            self.deconv.bias.data.copy_(shared_bias(form))
