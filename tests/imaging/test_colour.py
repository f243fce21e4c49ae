"""Guards: colours are converted as MATLAB's rgb2ycbcr does, and rounded to 8 bits, halves up."""

import math

import pytest
import torch
from common import largest, picture
from hypothesis import given
from hypothesis import strategies as st

from srlab.imaging.colour import (
    CHANNELS,
    luma,
    quantise,
    rgb_to_ycbcr,
    to_channels,
    ycbcr_to_rgb,
)
from srlab.metrics.psnr import psnr

seeds = st.integers(0, 2**32 - 1)


def test_colours_have_their_bt601_studio_swing_values():
    known = {
        (1, 1, 1): (235, 128, 128),
        (0, 0, 0): (16, 128, 128),
        (0.5, 0.5, 0.5): (125.5, 128, 128),
        (1, 0, 0): (81.481, 90.203, 240),
        (0, 1, 0): (144.553, 53.797, 34.214),
        (0, 0, 1): (40.966, 240, 109.786),
    }
    rgb = torch.tensor(list(known), dtype=torch.float64)[..., None, None]
    expected = torch.tensor(list(known.values()), dtype=torch.float64)
    assert largest(rgb_to_ycbcr(rgb).flatten(1) * 255 - expected) < 1e-9
    assert largest(luma(rgb).flatten() * 255 - expected[:, 0]) < 1e-9


@given(seed=seeds)
def test_each_conversion_undoes_the_other_even_out_of_range(seed):
    colours = picture(2, 3, 4, 5, seed=seed) * 2 - 0.5
    assert largest(ycbcr_to_rgb(rgb_to_ycbcr(colours)) - colours) < 1e-12
    assert largest(rgb_to_ycbcr(ycbcr_to_rgb(colours)) - colours) < 1e-12


def test_colours_convert_pixel_by_pixel():
    rgb = picture(2, 3, 4, 5)
    single = rgb_to_ycbcr(rgb[1:, :, 2:3, 3:4])
    assert torch.allclose(rgb_to_ycbcr(rgb)[1:, :, 2:3, 3:4], single, rtol=0, atol=1e-15)
    assert luma(rgb).shape == (2, 1, 4, 5)
    assert largest(luma(rgb) - rgb_to_ycbcr(rgb)[:, :1]) < 1e-15


def test_colour_conversion_keeps_the_number_type():
    rgb = picture(1, 3, 2, 2).float()
    assert rgb_to_ycbcr(rgb).dtype == ycbcr_to_rgb(rgb).dtype == luma(rgb).dtype == torch.float32
    assert largest(ycbcr_to_rgb(rgb_to_ycbcr(rgb)) - rgb) < 1e-6


def test_quantising_rounds_halves_up():
    levels = torch.arange(255, dtype=torch.float64)
    halves = (levels + 0.5) / 255
    exact = halves * 255 == levels + 0.5  # where the half survives its own rounding
    assert exact[levels % 2 == 0].sum() > 50
    assert torch.equal(quantise(halves[exact]), (levels[exact] + 1) / 255)


@given(offset=st.floats(-0.499, 0.499) | st.just(0.0))
def test_quantising_takes_the_nearest_of_256_levels(offset):
    levels = torch.arange(256, dtype=torch.float64)
    assert torch.equal(quantise((levels + offset) / 255), levels / 255)


def test_quantising_clamps_to_the_range():
    values = torch.tensor([-1.0, -0.003, 1.003, 7.0], dtype=torch.float64)
    assert quantise(values).tolist() == [0, 0, 1, 1]


def test_a_network_for_luma_sees_luma_in_8_bits_and_grey_as_it_is():
    rgb, grey = quantise(picture(1, 3, 6, 7)), picture(2, 1, 4, 5)
    seen = to_channels(rgb, "y")
    assert seen.shape == (1, CHANNELS["y"], 6, 7)
    assert torch.equal(seen * 255, (seen * 255).round())
    assert largest(seen - luma(rgb)) <= 0.5 / 255 + 1e-12
    assert torch.equal(luma(grey), grey)
    assert torch.equal(to_channels(grey, "y"), grey)


def test_a_network_for_rgb_sees_grey_three_times_and_colour_as_it_is():
    grey, rgb = picture(2, 1, 4, 5), picture(2, 3, 4, 5)
    assert to_channels(grey, "rgb").shape == (2, CHANNELS["rgb"], 4, 5)
    assert all(torch.equal(to_channels(grey, "rgb")[:, c], grey[:, 0]) for c in range(3))
    assert torch.equal(to_channels(rgb, "rgb"), rgb)


@given(seed=seeds)
def test_studio_swing_luma_gives_a_psnr_1_3219_db_above_full_range(seed):
    a, b = picture(2, 3, 8, 8, seed=seed), picture(2, 3, 8, 8, seed=seed + 1)
    full_a, full_b = ((luma(x) - 16 / 255) * 255 / 219 for x in (a, b))
    gain = psnr(luma(a), luma(b)) - psnr(full_a, full_b)
    assert gain.tolist() == pytest.approx([20 * math.log10(255 / 219)] * 2, abs=1e-9)
    assert gain[0].item() == pytest.approx(1.3219, abs=1e-4)
