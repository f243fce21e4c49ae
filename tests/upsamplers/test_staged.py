"""Guards: stages of 2 and 3 are what their stages make one after the other."""

from functools import partial

import pytest
from common import largest, picture
from hypothesis import given
from hypothesis import strategies as st
from upsamplers.variants import with_any_weights

from srlab.imaging.resample import crop, enlarge, mirror_pad
from srlab.upsamplers.linear import subpixel_form, take_over
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.staged import Staged, stage_factors


def test_stages_are_twos_and_then_threes():
    expected = {2: [2], 3: [3], 4: [2, 2], 6: [2, 3], 8: [2, 2, 2], 9: [3, 3]}
    for scale, factors in expected.items():
        assert stage_factors(scale) == factors
        upsampler = Staged(2, 1, scale, PixelShuffle)
        assert [stage.scale for stage in upsampler.stages] == factors
        assert [stage.out_channels for stage in upsampler.stages] == [2] * (len(factors) - 1) + [1]


def test_stages_cannot_make_a_scale_that_has_another_prime_factor():
    for scale in (1, 5, 7, 10):
        with pytest.raises(ValueError, match=f"scale {scale} is no product of these"):
            Staged(2, 1, scale, PixelShuffle)


@given(
    scale=st.sampled_from([2, 3, 4, 6, 8, 9]),
    size=st.sampled_from([1, 3, 5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_they_are_what_their_stages_make_one_after_the_other(scale, size, seed):
    make = partial(PixelShuffle, kernel_size=size)
    upsampler = with_any_weights(Staged(2, 3, scale, make), seed)
    beyond = upsampler.halo + 6
    image = picture(1, 2, 2 * beyond + 3, 2 * beyond + 4, seed=seed)
    x, made = image, 1
    for stage in upsampler.stages:  # each without a frame, so that the border is lost
        x, made = stage(x), made * stage.scale
    lost = (scale * image.shape[-1] - x.shape[-1]) // 2
    expected = crop(x, scale * beyond - lost)
    got = upsampler(crop(image, beyond - upsampler.halo))
    assert got.shape == expected.shape == (1, 3, 3 * scale, 4 * scale)
    assert largest(got - expected) < 1e-12 * max(1, largest(expected))


def test_two_stages_of_3x3_kernels_need_two_pixels_of_frame():
    # The second needs one pixel of the first's output, half a pixel of the input.
    assert Staged(2, 2, 2, PixelShuffle).halo == 1
    assert Staged(2, 2, 4, PixelShuffle).halo == 2
    assert Staged(2, 2, 8, PixelShuffle).halo == 2


def test_bilinear_stages_start_as_bilinear_twice():
    image = picture(1, 2, 7, 8)
    for scale in (4, 6):
        upsampler = Staged(2, 2, scale, partial(PixelShuffle, init="bilinear")).double()
        twice = enlarge(enlarge(image, 2, "bilinear"), scale // 2, "bilinear")
        error = upsampler(mirror_pad(image, upsampler.halo)) - twice
        assert largest(error) < 1e-6  # mirrored borders are mirrored after enlarging, too


def test_a_single_stage_holds_what_it_is_made_of_and_several_hold_nothing():
    make = partial(Staged, stage=PixelShuffle)
    take_over(make(3, 2, 3), subpixel_form(PixelShuffle(3, 2, 3)))
    with pytest.raises(ValueError, match="no kernel is split into 2 stages"):
        take_over(make(3, 2, 4), subpixel_form(PixelShuffle(3, 2, 4)))
