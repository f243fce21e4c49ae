"""Guards: under a box filter no weights and no biases leave a checkerboard on flat areas."""

from functools import partial

import numpy as np
import pytest
from common import above, count, largest, picture
from upsamplers.variants import SCALES, framed_for, with_any_weights

from srlab.imaging.resample import enlarge, mirror_pad
from srlab.upsamplers.boxed import Boxed
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.linear import differences, subpixel_form, take_over
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.starts import box_line


def test_a_flat_picture_stays_flat_whatever_the_weights_and_biases():
    errors, bare = {}, {}
    inners = [
        PixelShuffle,
        partial(PixelShuffle, kernel_size=1),
        partial(Deconv, kernel_size=7, phase_bias=True),
        partial(Boxed, inner=PixelShuffle),
    ]
    for scale in SCALES:
        for case, inner in enumerate(inners):
            upsampler = with_any_weights(Boxed(3, 2, scale, inner))
            size = 3 + 2 * upsampler.halo
            flat = picture(1, 3, 1, 1).expand(1, 3, size, size)
            sr = upsampler(flat)
            errors[scale, case] = largest(sr - sr[..., :1, :1])
            assert largest(sr) > 1e-3
            if inner is PixelShuffle:
                rippled = upsampler.inner(flat)
                bare[scale] = largest(rippled - rippled[..., :1, :1])
    assert not above(errors, 1e-12)
    assert min(bare.values()) > 1e-1


def test_a_box_after_nearest_is_bilinear():
    image = picture(2, 3, 5, 6)
    errors = {}
    for scale in SCALES:
        bilinear = enlarge(image, scale, "bilinear")
        for inner in (
            partial(PixelShuffle, init="nearest"),
            partial(Deconv, init="nearest"),
            partial(Interpolate, mode="nearest"),
        ):
            upsampler = Boxed(3, 3, scale, inner).double()
            sr = upsampler(mirror_pad(image, upsampler.halo))
            errors[scale, inner.func.__name__] = largest(sr - bilinear)
    assert not above(errors, 1e-12)


def test_it_is_the_mean_of_s_pixels_and_for_even_s_of_two_neighbouring_means():
    for scale in SCALES:
        line = np.ones(scale) / scale
        if scale % 2 == 0:
            line = np.convolve(line, [0.5, 0.5])
        assert box_line(scale).numpy() == pytest.approx(line, abs=1e-12)
        upsampler = with_any_weights(Boxed(1, 1, scale, PixelShuffle))
        (framed,) = framed_for(upsampler, 4, 5)
        bare = upsampler.inner(framed)[0, 0].numpy()
        boxed = np.apply_along_axis(np.convolve, 0, bare, line, "valid")
        boxed = np.apply_along_axis(np.convolve, 1, boxed, line, "valid")
        surplus = scale - len(line) // 2
        boxed = boxed[surplus:-surplus, surplus:-surplus]
        assert np.abs(upsampler(framed)[0, 0].numpy() - boxed).max() < 1e-12


def test_it_costs_no_parameters_and_is_not_saved():
    upsampler = Boxed(3, 2, 4, PixelShuffle)
    assert count(upsampler) == count(PixelShuffle(3, 2, 4))
    assert sorted(upsampler.state_dict()) == ["inner.conv.bias", "inner.conv.weight"]


def test_it_takes_over_what_the_box_is_a_factor_of():
    errors, off = {}, {}
    for scale in SCALES:
        first = with_any_weights(Boxed(2, 2, scale, PixelShuffle))
        second = Boxed(2, 2, scale, PixelShuffle).double()
        take_over(second, subpixel_form(first))
        errors[scale] = largest(second.inner.conv.weight - first.inner.conv.weight)
        bilinear = subpixel_form(Interpolate(2, 2, scale, mode="bilinear"))
        take_over(second, bilinear)
        off[scale] = max(differences(subpixel_form(second), bilinear))
    assert not above(errors, 1e-9)
    assert not above(off, 1e-6)


def test_it_holds_its_own_form_whatever_the_kernel_of_its_deconv():
    for scale in (2, 3, 4):
        for size in range(scale, 3 * scale + 3):
            make = partial(Boxed, inner=partial(Deconv, kernel_size=size))
            take_over(make(3, 2, scale), subpixel_form(make(3, 2, scale)))
