"""Guards: fixed interpolation, to any size and with aligned corners, is torch's and MATLAB's."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from common import above, count, largest, picture
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from upsamplers.variants import SCALES, with_any_weights

from srlab.imaging.resample import REACH, enlarge, interpolate, mirror_pad, stretch
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.linear import subpixel_form, transposed_form

MODES = sorted(REACH)

seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from(SCALES)
sizes = st.integers(1, 6)


@given(scale=scales, mode=st.sampled_from(MODES), height=sizes, channels=st.integers(1, 3))
def test_between_equal_channels_there_is_nothing_to_train(scale, mode, height, channels):
    upsampler = Interpolate(channels, channels, scale, mode=mode)
    image = picture(2, channels, height, 5)
    assert count(upsampler) == 0
    assert upsampler.halo == REACH[mode]
    assert torch.equal(upsampler(mirror_pad(image, upsampler.halo)), enlarge(image, scale, mode))


def test_between_unequal_channels_a_convolution_at_low_resolution_comes_first():
    errors = {}
    for scale in SCALES:
        for mode in MODES:
            upsampler = with_any_weights(Interpolate(4, 2, scale, mode=mode))
            assert count(upsampler) == 4 * 2 * 9 + 2
            assert upsampler.halo == REACH[mode] + 1
            framed = picture(1, 4, 5 + 2 * upsampler.halo, 6 + 2 * upsampler.halo)
            convolved = F.conv2d(framed, upsampler.project.weight, upsampler.project.bias)
            errors[scale, mode] = largest(upsampler(framed) - interpolate(convolved, scale, mode))
    assert not above(errors, 1e-12)


def test_it_is_bicubic_unless_asked_otherwise():
    image = picture(1, 1, 4, 4)
    assert torch.equal(Interpolate(1, 1, 2)(mirror_pad(image, 2)), enlarge(image, 2, "bicubic"))


# Its kernel


def cubic(t):
    """Keys' cubic of 1981 with a = -1/2."""
    t = np.abs(t)
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0))


KERNELS = {
    "nearest": lambda t: (abs(t) < 0.5).astype(float),
    "bilinear": lambda t: np.maximum(1 - abs(t), 0),
    "bicubic": cubic,
}


def test_it_scatters_its_kernel_sampled_at_the_distances_of_the_pixels():
    errors = {}
    for scale in SCALES:
        for mode, kernel in KERNELS.items():
            form = transposed_form(subpixel_form(Interpolate(1, 1, scale, mode=mode)))
            line = kernel((np.arange(form.size) - form.padding + 0.5) / scale - 0.5)
            errors[scale, mode] = largest(
                form.kernel[0, 0] - torch.from_numpy(np.outer(line, line))
            )
    assert not above(errors, 1e-12)


@pytest.mark.parametrize("scale", SCALES)
def test_a_transposed_convolution_with_the_known_taps_is_torchs_nearest_and_bilinear(scale):
    x = picture(2, 1, 5, 6)
    ones = torch.ones(1, 1, scale, scale, dtype=torch.float64)
    by_torch = F.interpolate(x, scale_factor=scale, mode="nearest")
    assert torch.equal(F.conv_transpose2d(x, ones, stride=scale), by_torch)
    nearest = transposed_form(subpixel_form(Interpolate(1, 1, scale, mode="nearest")))
    assert torch.equal(nearest.kernel, ones)

    by_torch = F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
    frozen = Deconv(1, 1, scale, init="bilinear", frozen=True).double()
    assert largest(frozen.deconv.weight.sum() - scale**2) < 1e-6
    assert largest(frozen(F.pad(x, [frozen.halo] * 4, mode="replicate")) - by_torch) < 1e-6


# To any size


SQUARE = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
EXAMPLES = [
    ((4, 4), "nearest", False, [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]),
    (
        (4, 4), "bilinear", False,
        [[1, 1.25, 1.75, 2], [1.5, 1.75, 2.25, 2.5], [2.5, 2.75, 3.25, 3.5], [3, 3.25, 3.75, 4]],
    ),
    (
        (4, 4), "bilinear", True,
        [[1, 1.3333, 1.6667, 2], [1.6667, 2, 2.3333, 2.6667], [2.3333, 2.6667, 3, 3.3333],
         [3, 3.3333, 3.6667, 4]],
    ),
    (
        (3, 5), "bilinear", True,
        [[1, 1.25, 1.5, 1.75, 2], [2, 2.25, 2.5, 2.75, 3], [3, 3.25, 3.5, 3.75, 4]],
    ),
    ((3, 5), "nearest", False, [[1, 1, 1, 2, 2], [1, 1, 1, 2, 2], [3, 3, 3, 4, 4]]),
]  # fmt: skip


def test_stretching_gives_the_examples_of_nn_upsample():
    errors = {}
    for size, mode, align_corners, expected in EXAMPLES:
        stretched = stretch(SQUARE, *size, mode, align_corners)
        assert stretched.dtype == torch.float32
        errors[size, mode, align_corners] = largest(stretched - torch.tensor([[expected]]))
        options = {} if mode == "nearest" else {"align_corners": align_corners}
        by_torch = nn.Upsample(size=size, mode=mode, **options)(SQUARE)
        assert largest(stretched - by_torch) < 1e-6
    assert not above(errors, 1e-4)


@given(
    old=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    new=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=seeds,
)
def test_stretching_is_torchs_interpolation_at_any_size(old, new, seed):
    x = picture(2, 2, *old, seed=seed)
    assert torch.equal(stretch(x, *new, "nearest"), F.interpolate(x, size=new, mode="nearest"))
    for align_corners in (False, True):
        by_torch = F.interpolate(x, size=new, mode="bilinear", align_corners=align_corners)
        assert largest(stretch(x, *new, "bilinear", align_corners) - by_torch) < 1e-12


@given(old=st.integers(1, 40), new=st.integers(1, 200))
def test_nearest_is_a_whole_quotient_also_where_single_precision_would_round_it(old, new):
    x = torch.arange(old, dtype=torch.float64).view(1, 1, 1, old)
    expected = [i * old // new for i in range(new)]
    assert stretch(x, 1, new, "nearest").flatten().tolist() == expected


@given(scale=st.integers(1, 5), height=sizes, width=sizes, mode=st.sampled_from(MODES), seed=seeds)
def test_stretching_by_a_whole_factor_is_enlarging(scale, height, width, mode, seed):
    x = picture(1, 2, height, width, seed=seed)
    stretched = stretch(x, scale * height, scale * width, mode)
    expected = x if scale == 1 else enlarge(x, scale, mode)
    assert largest(stretched - expected) < 1e-12


@given(
    new=st.tuples(st.integers(2, 30), st.integers(2, 30)),
    mode=st.sampled_from(["bilinear", "bicubic"]),
    seed=seeds,
)
def test_with_aligned_corners_the_corners_stay_and_the_same_size_changes_nothing(new, mode, seed):
    x = picture(1, 1, 5, 6, seed=seed)
    stretched = stretch(x, *new, mode, align_corners=True)
    assert largest(stretched[..., :: new[0] - 1, :: new[1] - 1] - x[..., ::4, ::5]) < 1e-12
    assert largest(stretch(x, 5, 6, mode, align_corners=True) - x) < 1e-12


@given(old=st.integers(1, 7), new=st.integers(1, 25), align_corners=st.booleans(), seed=seeds)
def test_bicubic_stretching_is_a_sum_of_keys_cubics_over_a_mirrored_line(
    old, new, align_corners, seed
):
    line = picture(old, seed=seed).numpy()
    mirrored = np.pad(line, 8, mode="symmetric")
    expected = []
    for i in range(new):
        if align_corners:
            place = i * (old - 1) / (new - 1) if new > 1 else 0
        else:
            place = (i + 0.5) * old / new - 0.5
        expected.append(float(cubic(np.arange(-8, old + 8) - place) @ mirrored))
    stretched = stretch(torch.from_numpy(line)[None, None, None], 1, new, "bicubic", align_corners)
    assert stretched.flatten().tolist() == pytest.approx(expected, abs=1e-12)


# With aligned corners


@given(scale=scales, height=sizes, width=sizes, seed=seeds)
def test_aligned_corners_are_torchs_for_bilinear(scale, height, width, seed):
    upsampler = Interpolate(2, 2, scale, mode="bilinear", align_corners=True)
    x = picture(1, 2, height, width, seed=seed)
    by_torch = F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=True)
    assert (upsampler.halo, upsampler.whole, count(upsampler)) == (0, True, 0)
    assert largest(upsampler(x) - by_torch) < 1e-12


def test_with_aligned_corners_a_convolution_of_the_mirrored_picture_comes_first():
    errors = {}
    x = picture(1, 3, 5, 6)
    for scale in SCALES:
        for mode in ("bilinear", "bicubic"):
            upsampler = with_any_weights(Interpolate(3, 2, scale, mode, align_corners=True))
            projected = F.conv2d(mirror_pad(x, 1), upsampler.project.weight, upsampler.project.bias)
            expected = stretch(projected, 5 * scale, 6 * scale, mode, align_corners=True)
            assert upsampler(x).shape == (1, 2, 5 * scale, 6 * scale)
            errors[scale, mode] = largest(upsampler(x) - expected)
    assert not above(errors, 1e-12)


def test_with_aligned_corners_the_pixels_drift_so_that_a_window_is_not_the_same():
    upsampler = Interpolate(1, 1, 2, mode="bilinear", align_corners=True)
    x = picture(1, 1, 8, 8)
    assert largest(upsampler(x[..., 2:, :]) - upsampler(x)[..., 4:, :]) > 1e-2
