"""Every upsampler with the options that change what it computes, and how it is called."""

import functools
from functools import partial

import torch
import torch.nn.functional as F
from common import largest, picture
from torch import nn

from srlab.config.build import build
from srlab.config.compose import option_node
from srlab.testing import upsampler_configs
from srlab.upsamplers.boxed import Boxed
from srlab.upsamplers.carafe import CARAFE
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.dysample import DySample
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.liif import LIIF
from srlab.upsamplers.meta import MetaShuffle
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.rep_shuffle import RepShuffle
from srlab.upsamplers.resize_conv import ResizeConv
from srlab.upsamplers.shuffle_tail import ShuffleTail
from srlab.upsamplers.staged import Staged
from srlab.upsamplers.tail import Tail
from srlab.upsamplers.unpool import Unpool

SCALES = (2, 3, 4, 5)
CHANNELS = ((1, 1), (2, 2), (3, 1), (1, 3))


def of_config(name):
    """Return the factory of ``upsampler=NAME``, which reads the config once for each scale."""

    @functools.cache
    def at(scale):
        return build(option_node("upsampler", name, "upsampler", scale), "upsampler")

    return lambda inputs, outputs, scale: at(scale)(inputs, outputs, scale)


def one_block(inputs, outputs, scale):
    return Deconv(inputs, outputs, scale, kernel_size=scale)


VARIANTS = {name: of_config(name) for name, _ in upsampler_configs()} | {
    "pixel_shuffle 1x1": partial(PixelShuffle, kernel_size=1),
    "pixel_shuffle 5x5": partial(PixelShuffle, kernel_size=5, init="icnr"),
    "deconv of one block": one_block,
    "deconv 5x5": partial(Deconv, kernel_size=5),
    "deconv 6x6": partial(Deconv, kernel_size=6),
    "deconv 16x16": partial(Deconv, kernel_size=16),
    "deconv padding 0": partial(Deconv, padding=0),
    "deconv off centre": partial(Deconv, kernel_size=9, padding=1),
    "deconv padding 8": partial(Deconv, kernel_size=10, padding=8),
    "deconv frozen": partial(Deconv, init="bilinear", frozen=True),
    "deconv phase_bias": partial(Deconv, phase_bias=True),
    "deconv frozen phase_bias": partial(Deconv, init="nearest", frozen=True, phase_bias=True),
    "resize_conv 1x1": partial(ResizeConv, kernel_size=1),
    "resize_conv 3x3": partial(ResizeConv, kernel_size=3),
    "resize_conv 11x11": partial(ResizeConv, kernel_size=11),
    "resize_conv bilinear": partial(ResizeConv, mode="bilinear"),
    "resize_conv bicubic": partial(ResizeConv, mode="bicubic"),
    "resize_conv bicubic 3x3": partial(ResizeConv, mode="bicubic", kernel_size=3),
    "bilinear aligned": partial(Interpolate, mode="bilinear", align_corners=True),
    "bicubic aligned": partial(Interpolate, mode="bicubic", align_corners=True),
    "carafe default": partial(CARAFE, compressed=4),
    "carafe 3, 5": partial(CARAFE, compressed=4, kernel_size=3, encoder_size=5),
    "carafe 3, 1": partial(CARAFE, compressed=4, kernel_size=3, encoder_size=1),
    "dysample default": DySample,
    "dysample dynamic": partial(DySample, groups=2, dynamic=True),
    "dysample reach 2": partial(DySample, reach=2, init="bilinear"),
    "tail default": Tail,
    "tail attention": partial(Tail, features=6, attention=True, init="bilinear"),
    "shuffle_tail default": ShuffleTail,
    "rep default": RepShuffle,
    "meta default": MetaShuffle,
    "meta 5x5": partial(MetaShuffle, kernel_size=5, hidden=7, init="bilinear"),
    "liif default": partial(LIIF, hidden=5, depth=3),
    "liif of one layer": partial(LIIF, hidden=16, depth=1, init="bilinear"),
    "unpool 3x3": partial(Unpool, kernel_size=3),
    "unpool 9x9": partial(Unpool, kernel_size=9),
    "staged 5x5": partial(Staged, stage=partial(PixelShuffle, kernel_size=5)),
    "staged deconv": partial(Staged, stage=partial(Deconv, kernel_size=5)),
    "staged carafe": partial(Staged, stage=partial(CARAFE, compressed=4)),
    "staged boxed": partial(Staged, stage=partial(Boxed, inner=PixelShuffle)),
    "boxed deconv": partial(Boxed, inner=partial(Deconv, kernel_size=5, phase_bias=True)),
    "boxed carafe": partial(Boxed, inner=partial(CARAFE, compressed=4)),
    "boxed twice": partial(Boxed, inner=partial(Boxed, inner=Deconv)),
}
NOT_LINEAR = ("carafe", "unpool", "aligned", "dysample", "tail", "liif")
LINEAR = [name for name in VARIANTS if not any(word in name for word in NOT_LINEAR)]


def is_staged(name):
    """Tell whether a variant has stages of 2 and 3, and so makes no 5."""
    return name.startswith(("staged", "tail", "shuffle_tail"))


def made(name, inputs, outputs, scale, seed=0, dtype=torch.float64):
    """Make a variant with random weights; stages, which cannot make 5, make 6."""
    scale = 6 if is_staged(name) and scale == 5 else scale
    return with_any_weights(VARIANTS[name](inputs, outputs, scale), seed, dtype)


def linear_ones():
    """Every linear variant at every scale, and with each pair of channel counts once."""
    for row, name in enumerate(LINEAR):
        for column, scale in enumerate(SCALES):
            io = CHANNELS[(row + column) % len(CHANNELS)]
            single = made(name, *io, scale, seed=row, dtype=torch.float32)
            yield (name, single.scale, *io), single


def with_any_weights(module, seed=0, dtype=torch.float64):
    """Replace the start, which may be sparse or symmetric, by random numbers."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.to(dtype).parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    return module


def framed_for(upsampler, height, width, seed=0, n=1):
    """Return the arguments of an upsampler: a framed picture, and a guide if it takes one."""
    h, s = upsampler.halo, upsampler.scale
    rows, columns = height + 2 * h, width + 2 * h
    framed = picture(n, upsampler.in_channels, rows, columns, seed=seed)
    if not upsampler.guided:
        return [framed]
    return [framed, picture(n, 1, s * rows, s * columns, seed=seed + 1)]


def zero_framed(upsampler, x):
    return F.pad(x, [upsampler.halo] * 4)


def blocks(x, scale):
    """Split the last two axes into the s x s blocks that each input pixel became."""
    return x.unflatten(-1, (-1, scale)).unflatten(-3, (-1, scale)).transpose(-3, -2)


def spread_within_blocks(x, scale):
    return largest(blocks(x, scale).amax((-1, -2)) - blocks(x, scale).amin((-1, -2)))


def off(got, expected):
    """Return the largest difference, as a fraction of what is expected where that is over 1."""
    return largest(got - expected) / max(1, largest(expected))
