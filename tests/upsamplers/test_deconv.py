"""Guards: a deconv is a transposed convolution, of any kernel, padding, start and bias."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from common import above, count, largest, picture
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from upsamplers.variants import SCALES, blocks, framed_for, with_any_weights, zero_framed

from srlab.errors import CheckerboardWarning
from srlab.imaging.resample import crop, enlarge, mirror_pad
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.linear import subpixel_form, transposed_form
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.shuffle import subpixel_to_deconv

seeds = st.integers(0, 2**32 - 1)


@given(data=st.data(), scale=st.integers(1, 5), phases=st.booleans(), seed=seeds)
def test_a_deconv_scatters_its_kernel_cut_by_its_padding_or_about_the_centre_of_each_block(
    data, scale, phases, seed
):
    size = data.draw(st.integers(scale, 4 * scale), label="size")
    padding = data.draw(st.none() | st.integers(0, size - 1), label="padding")
    deconv = with_any_weights(Deconv(2, 3, scale, size, padding, phase_bias=phases), seed)
    # By how much the kernel begins before the block; centred, it is even or one more.
    lead = -(-(size - scale) // 2) if padding is None else padding
    beyond = 1
    framed = picture(1, 2, *(n + 2 * (deconv.halo + beyond) for n in (2, 3)), seed=seed)
    height, width = framed.shape[-2:]

    weight = deconv.deconv.weight.numpy()
    canvas = np.zeros((3, scale * height + 2 * size, scale * width + 2 * size))
    for y in range(height):
        for x in range(width):
            spread = np.einsum("i,iokl->okl", framed[0, :, y, x].numpy(), weight)
            top, left = size + scale * y - lead, size + scale * x - lead
            canvas[:, top : top + size, left : left + size] += spread
    border = size + scale * (deconv.halo + beyond)
    expected = canvas[:, border:-border, border:-border]
    if phases:
        expected += np.tile(deconv.phase_bias.numpy(), (1, 2, 3))
    else:
        expected += deconv.deconv.bias.numpy()[:, None, None]

    result = deconv(crop(framed, beyond)).numpy()[0]
    assert result.shape == expected.shape == (3, 2 * scale, 3 * scale)
    assert np.abs(result - expected).max() < 1e-12


def test_torchs_transposed_convolution_is_a_deconv_in_a_frame_of_zeros():
    x = picture(2, 2, 5, 6)
    errors, sizes = {}, {}
    expected = {
        (2, 9, 4): 5, (3, 9, 4): 5, (4, 9, 4): 3, (2, 4, 1): 3, (4, 8, 2): 3, (2, 6, 2): 3,
        (3, 7, 2): 3,
    }  # fmt: skip
    for scale, size, padding in expected:
        surplus = scale - size + 2 * padding
        torchs = nn.ConvTranspose2d(
            2, 3, size, stride=scale, padding=padding, output_padding=surplus
        ).double()
        deconv = Deconv(2, 3, scale, kernel_size=size, padding=padding).double()
        deconv.deconv.load_state_dict(torchs.state_dict())
        case = scale, size, padding
        errors[case] = largest(deconv(zero_framed(deconv, x)) - torchs(x))
        sizes[case] = subpixel_form(deconv).size
    assert not above(errors, 1e-12)
    assert sizes == expected


@given(scale=st.sampled_from(SCALES), size=st.sampled_from([1, 3, 5]), seed=seeds)
def test_pixel_shuffle_is_the_deconv_that_holds_its_kernel(scale, size, seed):
    shuffle = with_any_weights(PixelShuffle(3, 2, scale, kernel_size=size), seed)
    deconv = Deconv(3, 2, scale, kernel_size=size * scale).double()
    deconv.deconv.weight.data = subpixel_to_deconv(shuffle.conv.weight.data, scale)
    deconv.deconv.bias.data = picture(2, seed=seed) - 0.5
    shuffle.conv.bias.data = deconv.deconv.bias.data.repeat_interleave(scale**2)
    assert deconv.halo == shuffle.halo == size // 2
    framed = mirror_pad(picture(2, 3, 5, 6), shuffle.halo)
    assert largest(shuffle(framed) - deconv(framed)) < 1e-12


def test_a_symmetric_kernel_commutes_with_flips():
    errors = {}
    for scale in SCALES:
        for size in (scale, scale + 2, 2 * scale + scale % 2, 3 * scale, 4 * scale):
            if (size - scale) % 2 == 0:  # it can be centred
                deconv = with_any_weights(Deconv(2, 2, scale, kernel_size=size))
                kernel = deconv.deconv.weight.data
                kernel = kernel + kernel.flip(-1)
                deconv.deconv.weight.data = kernel + kernel.flip(-2)
                (framed,) = framed_for(deconv, 5, 6)
                errors |= {
                    (scale, size, axes): largest(
                        deconv(framed.flip(axes)) - deconv(framed).flip(axes)
                    )
                    for axes in ((-1,), (-2,))
                }
    assert len(errors) > 20
    assert not above(errors, 1e-12)


def test_a_kernel_that_the_scale_does_not_divide_overlaps_unevenly():
    table = {
        (2, 3): ({1, 2, 4}, 0.484),
        (2, 9): ({16, 20, 25}, 0.158),
        (3, 4): ({1, 2, 4}, 0.515),
        (3, 5): ({1, 2, 4}, 0.408),
        (4, 7): ({1, 2, 4}, 0.355),
        (4, 9): ({4, 6, 9}, 0.275),
        (2, 4): ({4}, 0),
        (3, 9): ({9}, 0),
        (4, 12): ({9}, 0),
    }
    measured = {}
    for scale, size in table:
        deconv = Deconv(1, 1, scale, kernel_size=size).double()
        nn.init.ones_(deconv.deconv.weight)
        nn.init.zeros_(deconv.deconv.bias)
        overlaps = deconv(torch.ones(1, 1, 9, 9, dtype=torch.float64)).numpy()
        ripple = pytest.approx(overlaps.std() / overlaps.mean(), abs=5e-4)
        measured[scale, size] = (set(overlaps.round(9).flat), ripple)
    assert table == measured


def test_a_kernel_that_the_scale_does_not_divide_is_warned_of_with_two_that_it_does():
    cases = [(2, 3, 2, 4), (2, 9, 8, 10), (3, 4, 3, 6), (3, 8, 6, 9), (4, 9, 8, 12), (4, 5, 4, 8)]
    for scale, size, less, more in cases:
        advice = f"kernel_size={less} or {more} would not"
        message = f"kernel size {size} .* of the scale {scale} .*{advice}"
        with pytest.warns(CheckerboardWarning, match=message):
            Deconv(2, 1, scale, kernel_size=size)


@given(scale=st.integers(1, 5), times=st.integers(1, 4), data=st.data())
def test_a_kernel_that_the_scale_divides_is_not_warned_of(scale, times, data):
    padding = data.draw(st.none() | st.integers(0, scale * times - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Deconv(2, 1, scale, kernel_size=scale * times, padding=padding)
        Deconv(2, 1, scale)


def test_a_frozen_deconv_interpolates_and_only_what_maps_the_channels_is_trained():
    errors = {}
    image = picture(2, 4, 5, 6)
    for scale in SCALES:
        for mode in ("nearest", "bilinear"):
            for inputs, outputs in [(1, 1), (3, 3), (4, 2), (2, 4)]:
                upsampler = Deconv(inputs, outputs, scale, init=mode, frozen=True).double()
                sr = upsampler(mirror_pad(image[:, :inputs], upsampler.halo))
                expected = enlarge(image, scale, mode)[:, torch.arange(outputs) % inputs]
                errors[scale, mode, inputs, outputs] = largest(sr - expected)
                weights = {
                    name: tuple(p.shape)
                    for name, p in upsampler.named_parameters()
                    if p.requires_grad
                }
                projection = {
                    "project.weight": (outputs, inputs, 3, 3),
                    "project.bias": (outputs,),
                }
                assert weights == ({} if inputs == outputs else projection)
                assert upsampler.deconv.bias is None
    assert not above(errors, 1e-6)


@torch.enable_grad()
@pytest.mark.parametrize("phase_bias", [False, True])
def test_training_leaves_a_frozen_kernel_as_it_was(phase_bias):
    upsampler = Deconv(3, 2, 2, init="bilinear", frozen=True, phase_bias=phase_bias)
    before = upsampler.deconv.weight.clone()
    first = upsampler.project.weight.clone()
    optimiser = torch.optim.Adam(upsampler.parameters(), lr=0.1)
    for _ in range(3):
        framed = framed_for(upsampler, 4, 4)[0].float()
        (upsampler(framed) - 1).square().mean().backward()
        optimiser.step()
    assert torch.equal(upsampler.deconv.weight, before)
    assert not torch.equal(upsampler.project.weight, first)
    if phase_bias:
        assert largest(upsampler.phase_bias) > 0


@pytest.mark.parametrize("scale", SCALES)
def test_a_phase_bias_is_added_to_its_phase_and_starts_at_nought(scale):
    plain = Deconv(2, 3, scale, phase_bias=True).double()
    assert plain.deconv.bias is None
    assert largest(plain.phase_bias) == 0
    assert count(plain) == 2 * 3 * (3 * scale) ** 2 + 3 * scale**2
    (framed,) = framed_for(plain, 3, 4)
    before = plain(framed)
    plain.phase_bias.data = picture(3, scale, scale)
    added = blocks(plain(framed) - before, scale)
    assert largest(added - plain.phase_bias[None, :, None, None]) < 1e-12


@pytest.mark.parametrize("init", ["nearest", "bilinear"])
def test_an_interpolating_start_fits_any_kernel_and_padding_that_hold_it(init):
    image = picture(1, 2, 4, 5)
    errors = {}
    for scale in SCALES:
        taps = transposed_form(subpixel_form(Interpolate(1, 1, scale, mode=init)))
        for before in (0, 1, 3):
            for after in (0, 2):
                size, padding = taps.size + before + after, taps.padding + before
                upsampler = Deconv(2, 2, scale, size, padding, init=init).double()
                sr = upsampler(mirror_pad(image, upsampler.halo))
                errors[scale, before, after] = largest(sr - enlarge(image, scale, init))
        with pytest.raises(ValueError, match=f"init={init}"):
            Deconv(2, 2, scale, taps.size + 1, taps.padding + 2, init=init)
    assert not above(errors, 1e-6)


def test_a_frozen_bicubic_form_enlarges_as_bicubic_does():
    x = picture(1, 1, 6, 5)
    errors = {}
    for scale in SCALES:
        form = subpixel_form(Interpolate(1, 1, scale))
        deconv = Deconv(1, 1, scale, **Deconv.options_for(form)).double()
        deconv.hold(form)
        sr = deconv(mirror_pad(x, deconv.halo))
        errors[scale] = largest(sr - enlarge(x, scale))
        # torch's antialiased bicubic is the same kernel, but for the border.
        by_torch = F.interpolate(x, scale_factor=scale, mode="bicubic", antialias=True)
        errors[scale, "torch"] = largest(crop(sr - by_torch, 2 * scale))
    assert not above(errors, 1e-12)
