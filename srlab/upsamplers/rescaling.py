"""A sub-pixel kernel at another scale: its phases resampled."""

import torch
from torch import Tensor

from srlab.imaging.resample import weights
from srlab.upsamplers.linear import SubPixel
from srlab.upsamplers.shuffle import deconv_to_subpixel, subpixel_to_deconv


def rescaled(form: SubPixel, scale: int) -> SubPixel:
    """Return a sub-pixel form that enlarges by another factor as much alike as it can.

    What a low-resolution pixel adds to the picture is a function of the distance from its centre.
    A kernel holds it at steps of 1 / s; the one of another scale is interpolated from that, by
    bicubic, and each of its phases answers a flat picture as the phases of the first do on average.

    Example:
        >>> from srlab.upsamplers.rescaling import rescaled
        >>> bilinear = srlab.subpixel_form(srlab.Interpolate(1, 1, scale=2, mode="bilinear"))
        >>> rescaled(bilinear, 4)
        SubPixel(1 -> 1, x4, k=3)
    """
    if scale == form.scale:
        return form
    line = _line(form.size, form.scale, scale).to(form.kernel)
    transposed = subpixel_to_deconv(form.kernel, form.scale)
    kernel = torch.einsum("mu,iouv,nv->iomn", line, transposed, line)
    made = deconv_to_subpixel(kernel, scale)
    outputs = form.out_channels
    gain = form.kernel.sum(dim=(2, 3)).unflatten(0, (outputs, -1)).mean(dim=1, keepdim=True)
    lacking = gain - made.sum(dim=(2, 3)).unflatten(0, (outputs, -1))
    made = made + lacking.flatten(0, 1)[:, :, None, None] / form.size**2
    bias = form.bias.unflatten(0, (outputs, -1)).mean(dim=1).repeat_interleave(scale**2)
    return SubPixel(made, bias, scale)


def _line(size: int, scale: int, new: int) -> Tensor:
    """Return ``(size new, size scale)``, float64: how samples at 1 / new are made of old ones."""
    place = (torch.arange(size * new, dtype=torch.float64) + 0.5) * scale / new - 0.5
    return weights(torch.arange(size * scale) - place[:, None], "bicubic")
