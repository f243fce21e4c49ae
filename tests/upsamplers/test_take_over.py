"""Guards: an upsampler takes over the kernel of another exactly, or says why it cannot."""

from functools import partial

import pytest
import torch
from common import above, largest, picture
from hypothesis import given
from hypothesis import strategies as st
from upsamplers.variants import CHANNELS, SCALES, linear_ones, off, with_any_weights

from srlab.imaging.resample import REACH, crop
from srlab.upsamplers.boxed import Boxed
from srlab.upsamplers.carafe import CARAFE
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.linear import SubPixel, differences, subpixel_form, take_over
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv
from srlab.upsamplers.unpool import Unpool

MODES = sorted(REACH)

seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from(SCALES)
channels = st.sampled_from(CHANNELS)


@pytest.mark.parametrize("target", [PixelShuffle, Deconv])
def test_pixel_shuffle_and_deconv_can_take_over_every_linear_upsampler(target):
    errors = {}
    for case, single in linear_ones():
        source = single.double()
        form = subpixel_form(source)
        layer = target(
            source.in_channels, source.out_channels, source.scale, **target.options_for(form)
        ).double()
        take_over(layer, form)
        widest = max(layer.halo, source.halo)
        framed = picture(2, source.in_channels, 3 + 2 * widest, 4 + 2 * widest)
        expected = source(crop(framed, widest - source.halo))
        errors[case] = off(layer(crop(framed, widest - layer.halo)), expected)
    assert not above(errors, 1e-12)


@given(data=st.data(), scale=scales, io=channels, seed=seeds)
def test_a_deconv_goes_to_pixel_shuffle_and_back_bit_for_bit(data, scale, io, seed):
    size = data.draw(st.integers(scale, 3 * scale))
    padding = data.draw(st.integers(0, size - 1))
    first = with_any_weights(Deconv(*io, scale, size, padding), seed, torch.float32)
    form = subpixel_form(first)
    shuffle = PixelShuffle(*io, scale, **PixelShuffle.options_for(form))
    take_over(shuffle, form)
    there = subpixel_form(shuffle)
    options = Deconv.options_for(there)
    assert options == {"kernel_size": size, "padding": padding, "phase_bias": False}
    second = Deconv(*io, scale, **options)
    take_over(second, there)
    assert torch.equal(second.deconv.weight, first.deconv.weight)
    assert torch.equal(second.deconv.bias, first.deconv.bias)


@given(size=st.sampled_from([1, 3, 5]), scale=scales, io=channels, seed=seeds)
def test_pixel_shuffle_goes_to_a_deconv_with_phase_biases_and_back_bit_for_bit(
    size, scale, io, seed
):
    first = with_any_weights(PixelShuffle(*io, scale, kernel_size=size), seed, torch.float32)
    form = subpixel_form(first)
    assert torch.equal(form.kernel.float(), first.conv.weight)
    assert torch.equal(form.bias.float(), first.conv.bias)
    deconv = Deconv(*io, scale, **Deconv.options_for(form))
    assert deconv.deconv.bias is None
    take_over(deconv, form)
    assert deconv.deconv.weight.numel() == first.conv.weight.numel()
    assert deconv.phase_bias.numel() == first.conv.bias.numel()
    second = PixelShuffle(*io, scale, kernel_size=size)
    take_over(second, subpixel_form(deconv))
    assert torch.equal(second.conv.weight, first.conv.weight)
    assert torch.equal(second.conv.bias, first.conv.bias)


@pytest.mark.parametrize("mode", MODES)
def test_a_resize_conv_finds_its_weights_again_in_the_form_it_became(mode):
    weights, biases = {}, {}
    for scale in SCALES:
        for io in [(1, 1), (3, 2)]:
            first = with_any_weights(ResizeConv(*io, scale, mode=mode))
            shuffle = PixelShuffle(*io, scale, kernel_size=2 * first.halo + 1).double()
            take_over(shuffle, subpixel_form(first))
            second = ResizeConv(*io, scale, mode=mode).double()
            take_over(second, subpixel_form(shuffle))
            weights[scale, io] = largest(second.conv.weight - first.conv.weight)
            biases[scale, io] = largest(second.conv.bias - first.conv.bias)
    assert not above(weights, 1e-9)
    assert not above(biases, 1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_nearest_resizing_and_a_convolution_can_be_any_interpolation(mode):
    errors = {}
    for scale in SCALES:
        for io in [(1, 1), (3, 2)]:
            form = subpixel_form(with_any_weights(Interpolate(*io, scale, mode=mode)))
            layer = ResizeConv(*io, scale, **ResizeConv.options_for(form)).double()
            take_over(layer, form)
            errors[scale, io] = max(differences(subpixel_form(layer), form))
    assert not above(errors, 1e-10)


def test_interpolation_takes_over_what_is_a_convolution_and_that_interpolation():
    errors = {}
    for scale in SCALES:
        for mode in MODES:
            first = with_any_weights(Interpolate(3, 2, scale, mode=mode))
            second = Interpolate(3, 2, scale, mode=mode).double()
            take_over(second, subpixel_form(first))
            errors[scale, mode] = largest(second.project.weight - first.project.weight)
            other = next(m for m in MODES if m != mode)
            with pytest.raises(ValueError, match=r"^Interpolate cannot represent it: "):
                take_over(Interpolate(3, 2, scale, mode=other), subpixel_form(first))
    assert not above(errors, 1e-10)


def random_form(inputs=2, outputs=2, scale=3, **options):
    return subpixel_form(with_any_weights(PixelShuffle(inputs, outputs, scale, **options)))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (ResizeConv, "ResizeConv cannot represent it: its kernel would be off by [0-9.]+$"),
        (Interpolate, "Interpolate cannot represent it: its kernel would be off by [0-9.]+$"),
        (partial(Boxed, inner=PixelShuffle), "Boxed cannot represent it: its kernel would be off"),
        (Deconv, "Deconv cannot represent it: its biases would be off by [0-9.]+$"),  # one bias
        (
            partial(PixelShuffle, kernel_size=1),
            "PixelShuffle cannot represent it: it takes a 3x3 kernel .*, and there are 1x1$",
        ),
        (
            partial(Deconv, kernel_size=6),
            "Deconv cannot represent it: it takes a kernel_size of 9 with padding 3, and there are "
            "6 and 2$",
        ),
        (
            partial(Deconv, padding=4),
            "Deconv cannot represent it: it takes a kernel_size of 9 with padding 3, and there are "
            "9 and 4$",
        ),
        (partial(Deconv, frozen=True), "Deconv cannot represent it: its kernel is frozen$"),
        (CARAFE, "CARAFE cannot take over another upsampler's kernel$"),
        (Unpool, "Unpool cannot take over another upsampler's kernel$"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_in_a_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        take_over(make(2, 2, 3), random_form())


def test_a_form_of_other_channels_or_another_scale_is_refused():
    for theirs, ours in [
        ((1, 1, 2), (3, 1, 2)),  # which would be spread over three channels
        ((1, 9, 2), (1, 4, 3)),  # which has as many numbers
        ((2, 2, 2), (3, 2, 2)),
        ((2, 2, 2), (2, 3, 2)),
        ((2, 2, 2), (2, 2, 3)),
    ]:
        for make in (PixelShuffle, partial(Deconv, phase_bias=True)):
            sentence = r"cannot represent it: it maps {} to {} channels x{}, ".format(*ours)
            with pytest.raises(ValueError, match=sentence):
                take_over(make(*ours), random_form(*theirs))


def test_a_form_as_good_as_representable_is_taken_over_if_the_tolerance_says_so():
    form = subpixel_form(with_any_weights(ResizeConv(1, 1, 2)))
    form.kernel[0, 0, 0, 0] += 1e-3
    with pytest.raises(ValueError, match="off by"):
        take_over(ResizeConv(1, 1, 2), form)
    take_over(ResizeConv(1, 1, 2), form, tolerance=1e-2)


def test_what_is_held_is_held_against_its_own_size():
    tiny = subpixel_form(PixelShuffle(2, 1, 2))
    tiny = SubPixel(tiny.kernel * 1e-7, tiny.bias * 1e-7, 2)
    with pytest.raises(ValueError, match="kernel would be off"):
        take_over(ResizeConv(2, 1, 2), tiny)
