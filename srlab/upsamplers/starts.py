"""How the weights of upsamplers start: as torch draws them, or as an interpolation."""

from typing import Literal

import torch
from torch import Tensor, nn

from srlab.upsamplers.shuffle import deconv_to_subpixel

Init = Literal["default", "icnr", "nearest", "bilinear"]
INITS = ("default", "icnr", "nearest", "bilinear")


def bilinear_taps(scale: int) -> Tensor:
    """Return bilinear interpolation as a transposed kernel ``(K, K)``, K = 2s - s mod 2.

    This is the `bilinear` filler of FCN (Long et al. 2015): ``1 - |m - (K-1)/2| / s`` on each axis.
    """
    size = 2 * scale - scale % 2
    line = 1 - (torch.arange(size) - (size - 1) / 2).abs() / scale
    return torch.outer(line, line)


def box_line(scale: int) -> Tensor:
    """Return the centred average of s pixels: s equal weights, or s + 1 with the ends halved.

    It turns nearest into bilinear interpolation, and whatever it smooths loses its checkerboard.
    """
    line = torch.ones(scale + 1 - scale % 2, dtype=torch.float64)
    if scale % 2 == 0:
        line[0] = line[-1] = 0.5
    return line / scale


def channel_match(in_channels: int, out_channels: int) -> Tensor:
    """Return the ``(o, i)`` matrix that hands input channel ``c mod i`` to output channel ``c``."""
    matched = torch.zeros(out_channels, in_channels)
    matched[torch.arange(out_channels), torch.arange(out_channels) % in_channels] = 1
    return matched


def interpolation_taps(scale: int, init: Init) -> tuple[Tensor, int]:
    """Return nearest or bilinear interpolation as a transposed kernel, and its padding."""
    taps = bilinear_taps(scale) if init == "bilinear" else torch.ones(scale, scale)
    return taps, (taps.shape[0] - scale + 1) // 2


def check_init(init: str) -> None:
    """Raise ValueError unless ``init`` is known."""
    if init not in INITS:
        raise ValueError(f"init must be {', '.join(INITS[:-1])} or {INITS[-1]}, got {init!r}")


def projection(in_channels: int, out_channels: int, init: str) -> nn.Conv2d:
    """Return a 3x3 convolution between channel counts; it pads nothing.

    Unless ``init`` is ``default``, torch's, output channel c starts as input channel c mod i.
    """
    conv = nn.Conv2d(in_channels, out_channels, 3)
    if init != "default":
        carry(conv, channel_match(in_channels, out_channels), torch.ones(1, 1))
    return conv


def leaky_carriers(
    in_channels: int, out_channels: int, slope: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return by which weights features carry a picture through LeakyReLUs unchanged.

    Each channel is carried twice, with either sign: ``x = (f(x) - f(-x)) / (1 + slope)``.

    Returns:
        The matrices of the first layer ``(2 o, i)``, which takes channels c mod i, of those between
        ``(2 o, 2 o)``, and of the last ``(o, 2 o)``.
    """
    signs = torch.cat([torch.eye(out_channels), -torch.eye(out_channels)])
    joined = signs.T / (1 + slope)
    return signs @ channel_match(in_channels, out_channels), signs @ joined, joined


@torch.no_grad()
def carry(conv: nn.Conv2d, matrix: Tensor, taps: Tensor) -> None:
    """Let the first outputs of a convolution be a matrix of its first inputs, under centred taps.

    Its other outputs keep their weights; all biases become zero.

    Args:
        conv: The convolution.
        matrix: ``(outputs, inputs)``.
        taps: ``(t, t)``, no larger than the kernel, and odd as that is.
    """
    outputs, inputs = matrix.shape
    margin = (conv.kernel_size[0] - len(taps)) // 2
    conv.weight[:outputs] = 0
    conv.weight[:outputs, :inputs] = matrix[:, :, None, None] * nn.functional.pad(
        taps, [margin] * 4
    )
    nn.init.zeros_(conv.get_parameter("bias"))


def initial_deconv(
    in_channels: int, out_channels: int, scale: int, size: int, padding: int, init: Init
) -> Tensor:
    """Draw a transposed kernel ``(i, o, size, size)`` for a deconvolution cut by ``padding``.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The stride s.
        size: Kernel size.
        padding: What is cut off the top and the left of the output.
        init: ``default`` is that of ``nn.ConvTranspose2d``; ``icnr`` (Aitken et al. 2017, arXiv
            1707.02937) repeats each weight of a small kernel over s x s, so that the layer starts
            as a convolution followed by nearest-neighbour resizing, free of checkerboard;
            ``nearest`` and ``bilinear`` (the filler of FCN and Caffe) make output channel c start
            as the interpolation of input channel ``c mod i``, the other weights as zeros.

    Raises:
        ValueError: The kernel cannot hold the start.
    """
    check_init(init)
    if init == "default":
        return nn.ConvTranspose2d(in_channels, out_channels, size, scale).weight.detach()
    if init == "icnr":
        if size % scale or padding % scale:
            raise ValueError(
                f"init=icnr needs a kernel_size and a padding of whole multiples of the scale, "
                f"got {size} and {padding} at scale {scale}"
            )
        shared = _conv_weight(in_channels, out_channels, size // scale)
        blocks = torch.ones(scale, scale)
        return torch.kron(shared.flip(-1, -2).transpose(0, 1).contiguous(), blocks)
    taps, cut = interpolation_taps(scale, init)
    before = padding - cut
    after = size - before - taps.shape[0]
    if before < 0 or after < 0:
        raise ValueError(
            f"init={init} at scale {scale} needs a kernel_size of at least {taps.shape[0]} with "
            f"{cut} of padding, or larger and centred; got {size} and {padding}"
        )
    padded = nn.functional.pad(taps, (before, after, before, after))
    return channel_match(in_channels, out_channels).T[:, :, None, None] * padded


def initial_kernel(
    in_channels: int, out_channels: int, scale: int, size: int, init: Init
) -> Tensor:
    """Draw a sub-pixel kernel ``(o s^2, i, size, size)``, size odd; see ``initial_deconv``.

    ``default`` is that of ``nn.Conv2d``.

    Raises:
        ValueError: The kernel cannot hold the start.
    """
    check_init(init)
    if init == "default":
        return _conv_weight(in_channels, out_channels * scale**2, size)
    if init == "bilinear" and size < 3:
        raise ValueError(
            f"init=bilinear needs a kernel of at least 3 low-resolution pixels, got {size}"
        )
    padding = scale * (size - 1) // 2
    kernel = initial_deconv(in_channels, out_channels, scale, size * scale, padding, init)
    return deconv_to_subpixel(kernel, scale)


def _conv_weight(in_channels: int, out_channels: int, size: int) -> Tensor:
    return nn.Conv2d(in_channels, out_channels, size, bias=False).weight.detach()
