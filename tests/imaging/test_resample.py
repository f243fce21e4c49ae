"""Guards: pictures shrink and grow as MATLAB's imresize does it, also at their border."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from common import for_all, largest, picture
from hypothesis import given
from hypothesis import strategies as st

from srlab.imaging.resample import (
    REACH,
    crop,
    crop_to_multiple,
    enlarge,
    interpolate,
    mirror_pad,
    reframe,
    resize,
    shrink,
)

MODES = sorted(REACH)
seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from([2, 3, 4])
sizes = st.integers(1, 12)


def cubic(t):
    t = np.abs(t)
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def imresize_matrix(size, numerator, denominator):
    """MATLAB's imresize along one axis, as its ``contributions`` function builds it."""
    factor = numerator / denominator
    out_size = -(-size * numerator // denominator)
    squeeze = min(factor, 1.0)
    width = 4 / squeeze
    position = np.arange(1, out_size + 1) / factor + 0.5 * (1 - 1 / factor)
    left = np.floor(position - width / 2)
    index = left[:, None] + np.arange(int(np.ceil(width)) + 2)
    weights = squeeze * cubic(squeeze * (position[:, None] - index))
    weights /= weights.sum(axis=1, keepdims=True)
    mirrored = np.concatenate([np.arange(size), np.arange(size)[::-1]])
    columns = mirrored[np.mod(index.astype(int) - 1, 2 * size)]
    matrix = np.zeros((out_size, size))
    np.add.at(matrix, (np.arange(out_size)[:, None], columns), weights)
    return matrix


def imresize(image, numerator, denominator):
    rows = imresize_matrix(image.shape[-2], numerator, denominator)
    columns = imresize_matrix(image.shape[-1], numerator, denominator)
    return torch.from_numpy(rows @ image.numpy() @ columns.T)


def ramp(size, axis):
    values = torch.arange(size, dtype=torch.float64)
    across = values.view(1, 1, size, 1).expand(1, 1, size, 12).contiguous()
    return across if axis == -2 else across.transpose(-1, -2).contiguous()


def profile(image, axis):
    return image[0, 0, :, 1] if axis == -2 else image[0, 0, 1, :]


def responses(resample, size):
    """The matrix of a resampling along rows: column j is its response to an impulse at j."""
    impulses = torch.eye(size, dtype=torch.float64).view(size, 1, size, 1).repeat(1, 1, 1, 12)
    return resample(impulses)[:, 0, :, 0].T.numpy()


def mirrored(*half):
    return [*half, *half[::-1]]


def test_shrinking_a_ramp_gives_the_known_values():
    known = {
        2: (8, [0.449219, 2.488281, 4.511719, 6.550781]),
        3: (9, [0.901235, 4.0, 7.098765]),
        4: (8, [1.375977, 5.624023]),
    }
    for scale, (size, expected) in known.items():
        for axis in (-2, -1):
            found = profile(shrink(ramp(size, axis), scale), axis).tolist()
            assert found == pytest.approx(expected, abs=1e-6)


def test_enlarging_a_ramp_gives_the_known_values():
    known = {
        2: [-0.09375, 0.179688, 0.726562, 1.25, 1.75, 2.273438, 2.820312, 3.09375],
        3: [
            *[-0.111111, 0, 0.259259, 0.62963, 1, 1.333333],
            *[1.666667, 2, 2.37037, 2.740741, 3, 3.111111],
        ],
    }
    for scale, expected in known.items():
        for axis in (-2, -1):
            found = profile(enlarge(ramp(4, axis), scale), axis).tolist()
            assert found == pytest.approx(expected, abs=1e-6)


def test_shrinking_weighs_pixels_by_the_stretched_cubic():
    known = {
        2: mirrored(-0.011719, -0.035156, 0.113281, 0.433594),
        3: [
            *[-0.012346, -0.024691, 0, 0.111111, 0.259259, 0.333333],
            *[0.259259, 0.111111, 0, -0.024691, -0.012346],
        ],
        4: mirrored(
            *[-0.001709, -0.010986, -0.018311, -0.011963],
            *[0.022705, 0.097412, 0.181885, 0.240967],
        ),
    }
    for scale, taps in known.items():
        row = responses(lambda x, scale=scale: shrink(x, scale), 12 * scale)[6]
        used = np.flatnonzero(np.abs(row) > 1e-9)
        centre = 6 * scale + (scale - 1) / 2
        assert used[0] + used[-1] == 2 * centre
        assert row[used[0] : used[-1] + 1] == pytest.approx(taps, abs=1e-6)


def test_enlarging_weighs_the_pixels_of_each_phase_by_the_cubic():
    known = {
        2: [[-0.023438, 0.226562, 0.867188, -0.070312, 0]],
        3: [[-0.037037, 0.333333, 0.777778, -0.074074, 0], [0, 0, 1, 0, 0]],
        4: [
            [-0.043945, 0.389648, 0.727539, -0.073242, 0],
            [-0.006836, 0.09082, 0.963867, -0.047852, 0],
        ],
    }
    for scale, phases in known.items():
        matrix = responses(lambda x, scale=scale: enlarge(x, scale), 9)
        block = matrix[4 * scale : 5 * scale]
        every = [*phases, *(phase[::-1] for phase in phases[::-1])]
        for phase, taps in zip([*range(len(phases)), *range(-len(phases), 0)], every, strict=True):
            assert block[phase, 2:7] == pytest.approx(taps, abs=1e-6)
        assert np.abs(block[:, [0, 1, 7, 8]]).max() < 1e-9


@given(scale=scales, height=sizes, width=sizes, seed=seeds)
def test_shrinking_is_imresize_up_to_the_border(scale, height, width, seed):
    image = picture(1, 2, height * scale, width * scale, seed=seed)
    assert shrink(image, scale).shape == (1, 2, height, width)
    assert largest(shrink(image, scale) - imresize(image, 1, scale)) < 1e-10


@pytest.mark.parametrize("scale", [Fraction(3, 2), Fraction(5, 2), Fraction(7, 3), Fraction(17, 5)])
def test_shrinking_by_a_quotient_is_imresize_up_to_the_border(scale):
    p, q = scale.numerator, scale.denominator
    for height, width in ((1, 2), (2, 5), (4, 3)):
        image = picture(1, 2, height * p, width * p)
        assert shrink(image, scale).shape == (1, 2, height * q, width * q)
        assert largest(shrink(image, scale) - imresize(image, q, p)) < 1e-10


@given(scale=scales, height=sizes, width=sizes, seed=seeds)
def test_bicubic_enlarging_is_imresize_up_to_the_border(scale, height, width, seed):
    image = picture(1, 2, height, width, seed=seed)
    assert enlarge(image, scale).shape == (1, 2, height * scale, width * scale)
    assert largest(enlarge(image, scale) - imresize(image, scale, 1)) < 1e-10


def test_float32_resampling_is_imresize_to_single_precision():
    image = picture(1, 3, 24, 36)
    assert largest(shrink(image.float(), 3) - imresize(image, 1, 3)) < 1e-6
    assert largest(enlarge(image.float(), 3) - imresize(image, 3, 1)) < 1e-5
    assert shrink(image.float(), 3).dtype == enlarge(image.float(), 3).dtype == torch.float32


@given(height=st.integers(1, 6), width=st.integers(1, 6), halo=st.integers(0, 20), seed=seeds)
def test_mirror_pad_is_numpys_symmetric_pad(height, width, halo, seed):
    image = picture(2, 1, height, width, seed=seed)
    expected = np.pad(image.numpy(), [(0, 0), (0, 0), (halo, halo), (halo, halo)], mode="symmetric")
    assert np.array_equal(mirror_pad(image, halo).numpy(), expected)


@given(height=sizes, width=sizes, have=st.integers(0, 4), need=st.integers(0, 4), seed=seeds)
def test_reframing_crops_a_frame_too_wide_and_mirrors_one_too_narrow(
    height, width, have, need, seed
):
    framed = picture(1, 1, height + 2 * have, width + 2 * have, seed=seed)
    reframed = reframe(framed, have, need)
    assert reframed.shape == (1, 1, height + 2 * need, width + 2 * need)
    if need > have:
        missing = [(0, 0), (0, 0), (need - have,) * 2, (need - have,) * 2]
        assert np.array_equal(reframed.numpy(), np.pad(framed.numpy(), missing, mode="symmetric"))
    else:
        assert torch.equal(F.pad(reframed, [have - need] * 4), framed * inside(framed, have - need))


def inside(image, border):
    mask = torch.zeros_like(image)
    mask[..., border : image.shape[-2] - border, border : image.shape[-1] - border] = 1
    return mask


def test_cropping_cuts_the_border_off_all_four_sides():
    image = torch.arange(30).view(1, 1, 5, 6)
    assert crop(image, 2).tolist() == [[[[14, 15]]]]
    assert torch.equal(crop(image, 0), image)


def test_shrinking_refuses_a_size_that_the_scale_does_not_divide():
    def check(height, width):
        with pytest.raises(ValueError, match=f"{height}x{width} is not a multiple of the scale 4"):
            shrink(picture(1, 1, height, width), 4)

    for_all([(9, 8), (8, 9), (7, 7)], check)
    with pytest.raises(ValueError, match="10x12 is not a multiple of the scale 5/2"):
        shrink(picture(1, 1, 10, 12), Fraction(5, 2))


@given(scale=scales, height=st.integers(1, 9), width=st.integers(1, 9))
def test_cropping_to_a_multiple_keeps_the_top_left_corner_and_as_much_as_fits(scale, height, width):
    image = picture(1, 1, height, width)
    cut = crop_to_multiple(image, scale)
    rows, columns = cut.shape[-2:]
    assert rows % scale == columns % scale == 0
    assert 0 <= height - rows < scale
    assert 0 <= width - columns < scale
    assert torch.equal(cut, image[..., :rows, :columns])


@given(scale=scales, height=sizes, width=sizes, seed=seeds)
def test_nearest_and_bilinear_are_torchs_interpolation(scale, height, width, seed):
    image = picture(1, 2, height, width, seed=seed)
    nearest = F.interpolate(image, scale_factor=scale, mode="nearest")
    bilinear = F.interpolate(image, scale_factor=scale, mode="bilinear", align_corners=False)
    assert torch.equal(enlarge(image, scale, "nearest"), nearest)
    assert largest(enlarge(image, scale, "bilinear") - bilinear) < 1e-12


def test_interpolating_a_frame_gives_the_pixels_of_the_bigger_picture():
    image = picture(1, 1, 13, 11)

    def check(mode, scale):
        whole = enlarge(image, scale, mode)
        reach = REACH[mode]
        window = interpolate(image[..., 4 - reach : 9 + reach, 3 - reach : 7 + reach], scale, mode)
        expected = whole[..., 4 * scale : 9 * scale, 3 * scale : 7 * scale]
        assert window.shape == expected.shape
        assert largest(window - expected) < 1e-12

    for_all(product(MODES, (2, 3, 4)), check)


@given(value=st.floats(0, 1), scale=scales, mode=st.sampled_from(MODES), size=st.integers(1, 5))
def test_a_constant_stays_constant(value, scale, mode, size):
    flat = torch.full((1, 1, size, size + 1), value, dtype=torch.float64)
    assert largest(enlarge(flat, scale, mode) - value) < 1e-12
    many = torch.full((1, 1, size * scale, (size + 1) * scale), value, dtype=torch.float64)
    assert largest(shrink(many, scale) - value) < 1e-12
    assert largest(resize(flat, 7, 3) - value) < 1e-12


@given(height=sizes, width=sizes)
def test_resizing_gives_the_size_asked_for(height, width):
    assert resize(picture(2, 3, 9, 10), height, width).shape == (2, 3, height, width)


def test_resizing_by_a_whole_factor_is_imresize_inside_the_border():
    image = picture(1, 1, 32, 40)
    difference = resize(image, 16, 20) - imresize(image, 1, 2)
    assert largest(crop(difference, 2)) < 1e-10
    assert largest(difference) > 1e-3


def test_resampling_is_differentiable():
    image = picture(1, 1, 8, 8).requires_grad_()
    (shrink(enlarge(image, 3), 2) ** 2).sum().backward()
    assert image.grad is not None
    assert (image.grad.abs() > 0).all()
