"""Guards: every linear upsampler is a sub-pixel and a transposed convolution, read off exactly."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from common import above, largest, picture
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from upsamplers.variants import (
    CHANNELS,
    SCALES,
    VARIANTS,
    framed_for,
    linear_ones,
    off,
    with_any_weights,
    zero_framed,
)

from srlab.imaging.resample import crop
from srlab.upsamplers.carafe import CARAFE
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.linear import (
    NotLinear,
    SubPixel,
    subpixel_form,
    take_over,
    transposed_form,
)
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.unpool import Unpool

seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from(SCALES)
channels = st.sampled_from(CHANNELS)


def scattered(framed, halo, kernel, padding, scale):
    """Scatter by torch's transposed convolution and cut out what lies over the framed picture."""
    rows, columns = (scale * (n - 2 * halo) for n in framed.shape[-2:])
    start = scale * halo + padding
    canvas = F.pad(F.conv_transpose2d(framed, kernel, stride=scale), [0, start, 0, start])
    return canvas[..., start : start + rows, start : start + columns]


# The form


def test_a_linear_upsampler_is_a_convolution_at_low_resolution_and_pixel_shuffle():
    single_precision, double_precision = {}, {}
    for case, single in linear_ones():
        form = subpixel_form(single)
        assert (form.scale, form.in_channels, form.out_channels) == case[1:]
        assert form.size <= 2 * single.halo + 1
        framed = framed_for(single, 3, 2, n=2)[0] - 0.5
        by_form = form(crop(framed, single.halo - form.size // 2))
        single_precision[case] = off(single(framed.float()), by_form)
        double_precision[case] = off(single.double()(framed), by_form)
    assert not above(single_precision, 1e-5)
    assert not above(double_precision, 1e-12)


def test_a_linear_upsampler_is_a_transposed_convolution_in_any_frame_and_in_one_of_zeros():
    errors, zeros = {}, {}
    for case, single in linear_ones():
        layer, scale = single.double(), single.scale
        form = transposed_form(subpixel_form(layer))
        assert form.kernel.shape == (*case[2:], form.size, form.size)
        assert form.bias.shape == (layer.out_channels, scale, scale)
        assert 0 <= form.padding < form.size >= scale
        framed = framed_for(layer, 3, 2)[0] - 0.5
        bias = form.bias.repeat(1, 3, 2)
        expected = scattered(framed, layer.halo, form.kernel, form.padding, scale) + bias
        errors[case] = off(layer(framed), expected)

        x = crop(framed, layer.halo)
        expected = scattered(x, 0, form.kernel, form.padding, scale) + bias
        zeros[case] = off(layer(zero_framed(layer, x)), expected)
    assert not above(errors, 1e-12)
    assert not above(zeros, 1e-12)


def test_reading_off_the_form_changes_nothing():
    layer = with_any_weights(VARIANTS["boxed deconv"](2, 1, 3), dtype=torch.float32)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.train()
    subpixel_form(layer)
    assert layer.training
    assert all(value.dtype == torch.float32 for value in layer.state_dict().values())
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


@given(size=st.sampled_from([1, 3, 5]), margin=st.integers(1, 2), scale=scales, seed=seeds)
def test_the_form_is_the_smallest_one(size, margin, scale, seed):
    layer = PixelShuffle(2, 2, scale, kernel_size=size + 2 * margin)
    inner = picture(2 * scale**2, 2, size, size, seed=seed) - 0.5
    layer.conv.weight.data = F.pad(inner, [margin] * 4)
    layer.double()
    assert subpixel_form(layer).size == size


def test_a_single_tiny_weight_in_the_outer_ring_counts():
    for where in [(0, 0), (0, 2), (4, 3), (2, 4), (3, 0)]:
        layer = PixelShuffle(1, 1, 2, kernel_size=5)
        nn.init.zeros_(layer.conv.weight)
        nn.init.zeros_(layer.conv.bias)
        layer.conv.weight.data[:, :, 2, 2] = 1e4
        layer.conv.weight.data[3, 0, *where] = 1e-9
        assert subpixel_form(layer).size == 5


@pytest.mark.parametrize(
    "make",
    [
        CARAFE,
        partial(CARAFE, init="bilinear"),
        Unpool,
        partial(Interpolate, mode="bilinear", align_corners=True),
    ],
)
def test_what_is_no_fixed_convolution_has_no_form(make):
    layer = make(2, 2, 2)
    with pytest.raises(NotLinear, match=f"^{type(layer).__name__} is no"):
        subpixel_form(layer)


def test_an_upsampler_from_elsewhere_has_a_form_only_if_it_is_linear():
    def elsewhere(*middle):
        layer = nn.Sequential(nn.Conv2d(2, 12, 3), *middle, nn.PixelShuffle(2))
        layer.in_channels, layer.scale, layer.halo = 2, 2, 1
        return layer

    layer = elsewhere()
    assert torch.equal(subpixel_form(layer).kernel.float(), layer[0].weight)
    with pytest.raises(NotLinear, match="Sequential is not linear"):
        subpixel_form(elsewhere(nn.Tanh()))
    with pytest.raises(ValueError, match="Sequential needs an attribute in_channels"):
        subpixel_form(nn.Sequential(nn.Upsample(scale_factor=2)))


# The transposed form


@given(data=st.data(), scale=scales, io=channels, phases=st.booleans(), seed=seeds)
def test_the_transposed_form_of_a_deconv_is_its_own_kernel_bit_for_bit(
    data, scale, io, phases, seed
):
    size = data.draw(st.integers(scale, 4 * scale))
    padding = data.draw(st.integers(0, size - 1))
    layer = with_any_weights(
        Deconv(*io, scale, size, padding, phase_bias=phases), seed, torch.float32
    )
    form = transposed_form(subpixel_form(layer))
    assert (form.size, form.padding) == (size, padding)
    assert torch.equal(form.kernel.float(), layer.deconv.weight)
    if phases:
        assert torch.equal(form.bias.float(), layer.phase_bias)
    else:
        assert form.one_bias
        assert torch.equal(form.bias[:, 0, 0].float(), layer.deconv.bias)


def test_phases_share_a_bias_only_if_all_of_them_do():
    bias = torch.zeros(2, 3, 3)
    bias[0] = 5
    kernel = torch.ones(18, 1, 1, 1, dtype=torch.float64)
    assert transposed_form(SubPixel(kernel, bias.flatten(), 3)).one_bias
    bias[1, 2, 2] = 1e-9
    assert not transposed_form(SubPixel(kernel, bias.flatten(), 3)).one_bias


def test_a_kernel_of_a_single_tap_wherever_it_lies_is_a_transposed_convolution():
    framed = picture(1, 1, 6, 7)
    errors, by_torch = {}, {}
    for scale in SCALES:
        for phase in [(0, 0), (1, 0), (-1, -1)]:
            for tap in [(0, 0), (2, 2), (0, 2), (1, 1), (2, 1)]:
                layer = PixelShuffle(1, 1, scale).double()
                nn.init.zeros_(layer.conv.weight)
                layer.conv.weight.data.view(scale, scale, 3, 3)[*phase, *tap] = 1
                form = subpixel_form(layer)
                deconv = Deconv(1, 1, scale, **Deconv.options_for(form)).double()
                take_over(deconv, form)
                expected = layer(framed)
                case = scale, phase, tap
                errors[case] = largest(deconv(crop(framed, 1 - deconv.halo)) - expected)
                spread = transposed_form(form)
                expected = expected - spread.bias.repeat(1, 4, 5)
                got = scattered(framed, 1, spread.kernel, spread.padding, scale)
                by_torch[case] = largest(got - expected)
    assert not above(errors, 1e-12)
    assert not above(by_torch, 1e-12)


@pytest.mark.parametrize("scale", SCALES)
def test_a_kernel_of_zeros_still_has_a_transposed_form(scale):
    layer = PixelShuffle(2, 1, scale)
    nn.init.zeros_(layer.conv.weight)
    form = transposed_form(subpixel_form(layer))
    assert (form.size, form.padding, largest(form.kernel)) == (scale, 0, 0)
    deconv = Deconv(2, 1, scale, **Deconv.options_for(subpixel_form(layer)))
    take_over(deconv, subpixel_form(layer))
    assert largest(deconv.deconv.weight) == 0
    assert torch.equal(deconv.phase_bias.flatten(), layer.conv.bias)
