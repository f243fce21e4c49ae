"""The one form that all linear upsamplers share, and what follows from it.

An upsampler by a whole factor s that is linear (up to a bias) and commutes with shifts is a
convolution at low resolution followed by PixelShuffle (Shi et al. 2016, arXiv 1609.07009). The s
x s pixels that it makes of one low-resolution pixel are a linear function of the frame around it,
so the kernel is read off by asking for a picture of one pixel whose frame is zero but for a single
one, wherever it is in turn. Nothing needs to be known of the module, and borders need no care: an
upsampler sees a frame, never an edge.
"""

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.upsamplers.shuffle import pixel_shuffle, subpixel_to_deconv

_EXACT = 1e-9  # how far a linear layer may be from its form, in float64, relative to its outputs


class NotLinear(ValueError):
    """An upsampler that is no fixed linear map, and so has no sub-pixel kernel."""


@dataclass(frozen=True)
class SubPixel:
    """A convolution at low resolution that PixelShuffle follows.

    Args:
        kernel: ``(o s^2, i, k, k)``, k odd, in PixelShuffle's channel order ``c s^2 + a s + b``.
        bias: ``(o s^2,)``.
        scale: The factor s.
    """

    kernel: Tensor
    bias: Tensor
    scale: int

    def __repr__(self) -> str:
        """Return its measures: the tensors would fill pages."""
        return f"SubPixel({self.in_channels} -> {self.out_channels}, x{self.scale}, k={self.size})"

    @property
    def size(self) -> int:
        """The kernel's size k."""
        return self.kernel.shape[-1]

    @property
    def in_channels(self) -> int:
        """Channels of the input."""
        return self.kernel.shape[1]

    @property
    def out_channels(self) -> int:
        """Channels of the output."""
        return self.kernel.shape[0] // self.scale**2

    def padded(self, size: int) -> Tensor:
        """Return the kernel with a margin of zeros, ``(o s^2, i, size, size)``.

        Raises:
            ValueError: It is larger than that.
        """
        if size < self.size:
            raise ValueError(
                f"it takes a {self.size}x{self.size} kernel at low resolution, "
                f"and there are {size}x{size}"
            )
        return F.pad(self.kernel, [(size - self.size) // 2] * 4)

    def __call__(self, framed: Tensor) -> Tensor:
        """Upsample ``(N, i, H + 2h, W + 2h)``, h = k // 2, to ``(N, o, s H, s W)``."""
        return pixel_shuffle(F.conv2d(framed, self.kernel, self.bias), self.scale)


@dataclass(frozen=True)
class Transposed:
    """A transposed convolution of stride s.

    Args:
        kernel: ``(i, o, K, K)``.
        bias: ``(o, s, s)``: one for each phase; equal ones where a single bias would do.
        padding: What is cut off the top and the left of what it scatters.
        scale: The stride s.
    """

    kernel: Tensor
    bias: Tensor
    padding: int
    scale: int

    def __repr__(self) -> str:
        """Return its measures: the tensors would fill pages."""
        inputs, outputs = self.kernel.shape[:2]
        measures = f"x{self.scale}, K={self.size}, padding={self.padding}"
        return f"Transposed({inputs} -> {outputs}, {measures})"

    @property
    def size(self) -> int:
        """The kernel's size K."""
        return self.kernel.shape[-1]

    @property
    def one_bias(self) -> bool:
        """Whether the phases of each output channel share their bias."""
        return bool((self.bias == self.bias[:, :1, :1]).all())


@torch.no_grad()
def subpixel_form(upsampler: nn.Module) -> SubPixel:
    """Return the smallest sub-pixel form of an upsampler, in float64, and make sure of it.

    Args:
        upsampler: It has ``in_channels``, ``out_channels``, ``scale`` and ``halo``.

    Raises:
        NotLinear: It has none: on a random picture its form and itself differ.

    Example:
        >>> srlab.subpixel_form(srlab.Interpolate(1, 1, scale=2, mode="bilinear"))
        SubPixel(1 -> 1, x2, k=3)
    """
    name = type(upsampler).__name__
    inputs, scale, halo = (_attribute(upsampler, k) for k in ("in_channels", "scale", "halo"))
    if getattr(upsampler, "guided", False):
        raise NotLinear(f"{name} is not linear: what it does depends on a guide")
    if getattr(upsampler, "whole", False):
        raise NotLinear(f"{name} is no convolution: its kernel drifts across the picture")
    double = copy.deepcopy(upsampler).double().cpu().eval()
    side = 2 * halo + 1
    count = inputs * side**2
    flat = double(torch.zeros(1, inputs, side, side, dtype=torch.float64))
    impulses = torch.eye(count, dtype=torch.float64).view(count, inputs, side, side)
    blocks = double(impulses) - flat  # (i k k, o, s, s)
    kernel = blocks.permute(1, 2, 3, 0).reshape(-1, inputs, side, side)
    form = SubPixel(kernel, flat.flatten(), scale)
    picture = torch.randn(
        2, inputs, side + 2, side + 3, generator=torch.Generator().manual_seed(0),
        dtype=torch.float64,
    )  # fmt: skip
    wanted = double(picture)
    if not (form(picture) - wanted).abs().max() <= _EXACT * wanted.abs().max().clamp(min=1):
        raise NotLinear(
            f"{name} is not linear: its kernel depends on the picture, or is not finite"
        )
    return _trimmed(form)


def transposed_form(form: SubPixel) -> Transposed:
    """Return the smallest transposed convolution that is equal to a sub-pixel form.

    Example:
        >>> bilinear = srlab.Interpolate(1, 1, scale=2, mode="bilinear")
        >>> srlab.transposed_form(srlab.subpixel_form(bilinear)).kernel[0, 0, 0] * 16
        tensor([1., 3., 3., 1.], dtype=torch.float64)
    """
    s = form.scale
    kernel = subpixel_to_deconv(form.kernel, s)
    padding = s * (form.size - 1) // 2
    used = kernel.abs().amax(dim=(0, 1)).nonzero()
    first = min(int(used.min()), padding) if len(used) else padding
    last = max(int(used.max()) if len(used) else 0, first + s - 1, padding)
    lines = slice(first, last + 1)
    return Transposed(kernel[..., lines, lines], form.bias.view(-1, s, s), padding - first, s)


def differences(first: SubPixel, second: SubPixel) -> tuple[float, float]:
    """Return the largest difference between two forms' kernels, and between their biases."""
    size = max(first.size, second.size)
    kernels = (first.padded(size) - second.padded(size)).abs().max()
    return float(kernels), float((first.bias - second.bias).abs().max())


@torch.no_grad()
def take_over(upsampler: nn.Module, form: SubPixel, tolerance: float = 1e-6) -> None:
    """Set the weights of an upsampler so that it computes a sub-pixel form.

    Where it cannot, its weights are lost.

    Args:
        upsampler: It has a method ``hold(form)``.
        form: What it is to compute; same channels and scale.
        tolerance: How much it may be off, relative to the form's largest weight.

    Raises:
        ValueError: It cannot represent the form.
    """
    name = type(upsampler).__name__
    hold = getattr(upsampler, "hold", None)
    if hold is None:
        raise ValueError(f"{name} cannot take over another upsampler's kernel")
    own = tuple(_attribute(upsampler, k) for k in ("in_channels", "out_channels", "scale"))
    if own != (form.in_channels, form.out_channels, form.scale):
        raise ValueError(
            f"{name} cannot represent it: it maps {own[0]} to {own[1]} channels x{own[2]}, not "
            f"{form.in_channels} to {form.out_channels} x{form.scale}"
        )
    try:
        hold(form)
    except ValueError as error:
        raise ValueError(f"{name} cannot represent it: {error}") from None
    kernel, bias = differences(subpixel_form(upsampler), form)
    largest = float(form.kernel.abs().max())
    if not kernel <= tolerance * largest:
        raise ValueError(f"{name} cannot represent it: its kernel would be off by {kernel:.2g}")
    if not bias <= tolerance * max(largest, float(form.bias.abs().max())):
        raise ValueError(f"{name} cannot represent it: its biases would be off by {bias:.2g}")


def fit_separable(form: SubPixel, merge: Tensor) -> Tensor:
    """Solve for the kernel that a fixed separable map turns into a sub-pixel form.

    Args:
        form: The form.
        merge: ``(s, k, m)``: how the m lines of the kernel become the k lines of each phase.

    Returns:
        The kernel ``(o, i, m, m)`` that comes nearest, by least squares.

    Raises:
        ValueError: The form is larger than the map's k.
    """
    s, size, _ = merge.shape
    taps = form.padded(size).unflatten(0, (-1, s, s)).permute(0, 3, 1, 4, 2, 5)  # o i a u b v
    inverse = torch.linalg.pinv(merge.flatten(0, 1).to(form.kernel))
    return inverse @ taps.flatten(2, 3).flatten(3, 4) @ inverse.T


def shared_bias(form: SubPixel) -> Tensor:
    """Return the mean bias of each output channel's phases, ``(o,)``."""
    return form.bias.view(-1, form.scale**2).mean(dim=1)


def _attribute(upsampler: nn.Module, name: str) -> int:
    value = getattr(upsampler, name, None)
    if not isinstance(value, int):
        raise ValueError(f"the upsampler {type(upsampler).__name__} needs an attribute {name}")
    return value


def _trimmed(form: SubPixel) -> SubPixel:
    """Drop the outer rings of the kernel that hold nothing but zeros."""
    kernel = form.kernel
    while kernel.shape[-1] > 1:
        if kernel[..., [0, -1], :].any() or kernel[..., [0, -1]].any():
            break
        kernel = kernel[..., 1:-1, 1:-1]
    return SubPixel(kernel.contiguous(), form.bias, form.scale)
