"""Guards: what is drawn of an upsampler are the numbers that its formulas give."""

import math

import pytest
import torch
from common import for_all

from srlab.imaging.resample import enlarge, phase_taps
from srlab.reporting.responses import (
    DOT_REACH,
    FLAT_LEVELS,
    STEP_LEVELS,
    decibels,
    deviation,
    dot_responses,
    flat_response,
    frequency_response,
    overshoot,
    step_response,
    strongest,
)
from srlab.upsamplers.starts import bilinear_taps

SCALES = (2, 3, 4, 5)


def by(mode, scale):
    return lambda picture: enlarge(picture, scale, mode)


def box_gain(frequency, scale):
    """The gain of nearest-neighbour enlargement along one axis."""
    angle = math.pi * frequency.clamp(min=1e-12)
    return (torch.sin(angle * scale) / (scale * torch.sin(angle))).abs()


def along(gain):
    """A response from frequency 0 to 1/2 along the horizontal axis, and these frequencies."""
    half = len(gain) // 2
    return gain[0, : half + 1], torch.arange(half + 1, dtype=torch.float64) / len(gain)


def test_the_response_of_nearest_is_that_of_a_box():
    def check(scale):
        gain, frequency = along(frequency_response(torch.ones(1, 1, scale, scale), scale))
        torch.testing.assert_close(gain, box_gain(frequency, scale), rtol=0, atol=1e-12)

    for_all(SCALES, check)


def test_the_response_of_bilinear_is_that_of_a_box_squared():
    def check(scale):
        gain, frequency = along(frequency_response(bilinear_taps(scale)[None, None], scale))
        # At an even scale its samples lie between the pixels of two boxes.
        between = torch.cos(math.pi * frequency) if scale % 2 == 0 else 1.0
        expected = box_gain(frequency, scale) ** 2 * between
        torch.testing.assert_close(gain, expected, rtol=0, atol=1e-6)

    for_all(SCALES, check)


def test_an_interpolation_passes_flat_areas_and_leaks_none_into_a_checkerboard():
    def check(scale):
        gain = frequency_response(bilinear_taps(scale).double()[None, None], scale)
        step = len(gain) // scale
        at_multiples = gain[::step, ::step]
        assert at_multiples.shape == (scale, scale)
        expected = torch.zeros(scale, scale, dtype=torch.float64)
        expected[0, 0] = 1
        torch.testing.assert_close(at_multiples, expected, rtol=0, atol=1e-6)

    for_all(SCALES, check)


def test_the_leak_of_many_kernels_is_the_ripple_of_their_phases():
    def check(scale):
        kernel = torch.randn(5, 3, 2 * scale, 2 * scale, dtype=torch.float64)
        gain = frequency_response(kernel, scale)
        step = len(gain) // scale
        power = gain[::step, ::step].square()
        phases = kernel.view(5, 3, 2, scale, 2, scale).sum(dim=(2, 4))
        variance = phases.var(dim=(-2, -1), correction=0).sum()
        expected = variance / phases.mean(dim=(-2, -1)).square().sum()
        torch.testing.assert_close((power.sum() - power[0, 0]) / power[0, 0], expected)

    for_all(SCALES, check)


def test_decibels_are_against_flat_areas_or_the_peak_where_none_of_them_is_left():
    for flat, against in ((0.5, "flat areas"), (0.0, "the peak")):
        levels, said = decibels(torch.tensor([[flat, 5.0], [0.05, 0.5]], dtype=torch.float64))
        assert said == against
        zero = flat or 5.0
        assert levels[0, 1].item() == pytest.approx(20 * math.log10(5.0 / zero))
        assert levels[1, 0].item() == pytest.approx(20 * math.log10(0.05 / zero))


def test_a_kernel_larger_than_the_plane_is_not_cut():
    kernel = torch.zeros(1, 1, 301, 301)
    kernel[..., -1, -1] = 4
    torch.testing.assert_close(
        frequency_response(kernel, 2), torch.ones(304, 304, dtype=torch.float64)
    )


def test_the_strongest_kernels_come_first_and_empty_ones_not_at_all():
    kernel = torch.zeros(3, 2, 4, 4)
    kernel[2, 0, 1, 1], kernel[0, 1, 0, 0], kernel[1, 1, 2, 2] = 0.5, -2.0, 1.0
    assert strongest(kernel) == [(0, 1), (1, 1), (2, 0)]
    assert strongest(torch.zeros(1, 1, 3, 3)) == []


def test_interpolations_keep_flat_pictures():
    def check(mode):
        flats = flat_response(by(mode, 3), 3, 1, 2)
        assert flats.shape == (len(FLAT_LEVELS), 12, 12)
        levels = torch.tensor(FLAT_LEVELS, dtype=torch.float64)
        torch.testing.assert_close(flats.mean(dim=(-2, -1)), levels, rtol=0, atol=1e-4)
        assert deviation(flats).abs().max() < 1e-4

    for_all(("nearest", "bilinear", "bicubic"), check)


def test_the_deviation_from_flat_is_that_of_the_worst_channel_in_grey_levels():
    pattern = torch.tensor([[3.0, -1.0], [-1.0, -1.0]])

    def respond(picture):
        height, width = picture.shape[-2:]
        sr = enlarge(picture, 2, "nearest")
        sr[:, 1] += pattern.repeat(height, width) / 255
        return sr

    off = deviation(flat_response(respond, 2, 3, 5))
    expected = pattern.repeat(4, 4).double().expand(len(FLAT_LEVELS), -1, -1)
    torch.testing.assert_close(off, expected, rtol=0, atol=1e-4)


def test_nearest_keeps_a_step_and_bilinear_makes_a_ramp_of_one_pixel():
    low, high = STEP_LEVELS
    profiles = step_response(by("nearest", 3), 3, 1, 0)
    centre = profiles.shape[-1] // 2
    assert profiles.shape[0] == 3
    torch.testing.assert_close(
        profiles[:, [0, centre - 1, centre, -1]],
        torch.tensor([low, low, high, high], dtype=torch.float64).expand(3, -1),
    )
    ramp = step_response(by("bilinear", 4), 4, 1, 1)[0]
    centre = len(ramp) // 2
    place = (torch.arange(-2, 2) + 0.5) / 4 + 0.5
    expected = low + (high - low) * place.double()
    torch.testing.assert_close(ramp[centre - 2 : centre + 2], expected, rtol=0, atol=1e-4)


def test_bicubic_overshoots_by_two_parts_in_27():
    # Keys' cubic weighs the far side of an edge by -u (1 - u)^2 / 2; its extreme is at u = 1/3,
    # where a pixel of scale 3 lies.
    over, height, ripple = overshoot(step_response(by("bicubic", 3), 3, 3, 2), 3)
    assert height == pytest.approx(128, abs=1e-3)
    assert over == pytest.approx(128 * 2 / 27, abs=1e-3)
    assert ripple < 1e-3


def test_a_checkerboard_is_ripple_and_no_overshoot():
    def respond(picture):
        sr = enlarge(picture, 2, "nearest")
        sr[..., ::2] += 10 / 255
        return sr

    over, height, ripple = overshoot(step_response(respond, 2, 1, 0), 2)
    assert over <= 1e-3
    assert height == pytest.approx(128, abs=1e-3)
    assert ripple == pytest.approx(10, abs=1e-3)


def test_a_dot_draws_the_kernel_of_what_is_linear():
    dots = dot_responses(by("bicubic", 2), 2, 1, 2)
    side = 2 * (2 * DOT_REACH + 1)
    assert dots.shape == (4, side, side)
    # Phase a weighs pixel -m away by its tap m: reversed, the taps of a column of pixels.
    line = phase_taps(2, "bicubic").flip(1).T.flatten()
    line = torch.nn.functional.pad(line, [(side - len(line)) // 2] * 2)
    expected = torch.outer(line, line).expand(4, -1, -1)
    torch.testing.assert_close(dots, expected, rtol=0, atol=1e-4)
