"""Guards: a resize-convolution is interpolation and then a convolution, merged into one."""

import numpy as np
import torch
import torch.nn.functional as F
from common import above, largest, picture
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from upsamplers.variants import SCALES, with_any_weights, zero_framed

from srlab.imaging.resample import REACH, crop, interpolate
from srlab.upsamplers.linear import subpixel_form, transposed_form
from srlab.upsamplers.resize_conv import ResizeConv

MODES = sorted(REACH)


@given(
    scale=st.sampled_from(SCALES),
    mode=st.sampled_from(MODES),
    size=st.none() | st.integers(0, 7).map(lambda n: 2 * n + 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_it_is_interpolation_and_then_convolution_in_any_frame(scale, mode, size, seed):
    layer = with_any_weights(ResizeConv(3, 2, scale, size, mode), seed)
    wide = 10
    framed = picture(2, 3, 4 + 2 * wide, 3 + 2 * wide, seed=seed)
    large = layer.conv(interpolate(framed, scale, mode))
    lost = scale * REACH[mode] + layer.conv.kernel_size[0] // 2
    apart = crop(large, scale * wide - lost)
    merged = layer(crop(framed, wide - layer.halo))
    assert merged.shape == apart.shape == (2, 2, 4 * scale, 3 * scale)
    assert largest(merged - apart) < 1e-12 * max(1, largest(apart))


def test_the_default_is_the_largest_that_needs_one_pixel_of_frame():
    for scale in SCALES:
        upsampler = ResizeConv(2, 3, scale)
        assert upsampler.conv.kernel_size == (2 * scale + 1, 2 * scale + 1)
        assert upsampler.halo == 1
        assert ResizeConv(2, 3, scale, kernel_size=2 * scale + 3).halo == 2


def test_it_keeps_a_flat_picture_flat_whatever_its_weights():
    for scale in SCALES:
        for mode in MODES:
            upsampler = with_any_weights(ResizeConv(3, 2, scale, mode=mode))
            flat = upsampler(torch.ones(1, 3, 9, 9, dtype=torch.float64))
            assert largest(flat - flat[..., :1, :1]) < 1e-12
            assert largest(flat) > 1e-3


def test_a_nearest_one_is_torchs_upsample_and_convolution_padded_with_zeros():
    errors = {}
    x = picture(2, 2, 5, 6)
    for scale in SCALES:
        for size in (1, 3, 5, 7):
            layer = ResizeConv(2, 3, scale, kernel_size=size).double()
            large = nn.Upsample(scale_factor=scale, mode="nearest")(x)
            apart = F.conv2d(large, layer.conv.weight, layer.conv.bias, padding=size // 2)
            errors[scale, size] = largest(layer(zero_framed(layer, x)) - apart)
    assert not above(errors, 1e-12)


def test_a_nearest_one_scatters_its_flipped_kernel_convolved_with_a_box():
    errors = {}
    for scale in SCALES:
        for size in (1, 3, 5):
            layer = with_any_weights(ResizeConv(2, 3, scale, kernel_size=size))
            weight = layer.conv.weight.numpy()
            kernel = np.zeros((2, 3, size + scale - 1, size + scale - 1))
            for m, n in np.ndindex(size, size):
                tap = weight[:, :, size - 1 - m, size - 1 - n].T
                kernel[:, :, m : m + scale, n : n + scale] += tap[:, :, None, None]
            form = transposed_form(subpixel_form(layer))
            assert (form.size, form.padding) == (size + scale - 1, size // 2)
            errors[scale, size] = largest(form.kernel - torch.from_numpy(kernel))
    assert not above(errors, 1e-12)
