import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from srlab.metrics.psnr import psnr
from srlab.metrics.ssim import ssim

seeds = st.integers(0, 2**32 - 2)


def picture(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def smooth(*shape, seed=0):
    """Random, but correlated between neighbours as photographs are."""
    return torch.nn.functional.avg_pool2d(picture(*shape, seed=seed), 5, 1, 2)


def reference_ssim(a, b, data_range):
    """The mean of scikit-image's map where the window lies inside the image."""
    _, full = structural_similarity(
        a,
        b,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=data_range,
        full=True,
    )
    return full[5:-5, 5:-5].mean()


@given(difference=st.floats(1e-6, 1), value=st.floats(0, 1))
def test_psnr_of_a_constant_difference_is_its_own_logarithm(difference, value):
    a = torch.full((1, 1, 4, 5), value, dtype=torch.float64)
    expected = -20 * math.log10(difference)
    assert psnr(a, a + difference).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("difference", "decibels"), [(1, 0), (0.1, 20), (1 / 255, 48.1308), (0.5, 6.0206)]
)
def test_psnr_has_the_known_values(difference, decibels):
    black = torch.zeros(1, 3, 4, 4, dtype=torch.float64)
    assert psnr(black, black + difference).item() == pytest.approx(decibels, abs=1e-4)


def test_psnr_averages_squares_over_channels_and_pixels():
    a, b = torch.zeros(1, 2, 1, 2), torch.tensor([[[[0.0, 0.0]], [[0.0, 0.2]]]])
    assert psnr(a, b).item() == pytest.approx(20, abs=1e-5)


def test_psnr_of_identical_images_is_infinite():
    image = picture(2, 1, 4, 4)
    assert psnr(image, image).tolist() == [math.inf, math.inf]


def test_psnr_is_of_each_image_and_not_pooled():
    a = torch.zeros(2, 1, 8, 8, dtype=torch.float64)
    b = torch.stack([torch.full((1, 8, 8), 0.1), torch.full((1, 8, 8), 0.01)]).double()
    assert psnr(a, b).tolist() == pytest.approx([20, 40], abs=1e-5)


@given(seed=seeds)
def test_psnr_is_symmetric(seed):
    a, b = picture(2, 3, 4, 5, seed=seed), picture(2, 3, 4, 5, seed=seed + 1)
    assert torch.equal(psnr(a, b), psnr(b, a))


def test_psnr_counts_in_double_precision():
    a = picture(1, 1, 64, 64).float()
    b = a + torch.tensor(2.0**-20)
    exact = -10 * math.log10(np.square(a.double().numpy() - b.double().numpy()).mean())
    assert psnr(a, b).dtype == torch.float64
    assert psnr(a, b).item() == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("shape", [(11, 11), (11, 20), (24, 17), (40, 33)])
@pytest.mark.parametrize("noise", [0.02, 0.3])
def test_ssim_is_scikit_images_where_the_window_lies_inside(shape, noise):
    a = smooth(1, 1, *shape)
    b = (a + noise * (picture(1, 1, *shape, seed=1) - 0.5)).clamp(0, 1)
    expected = reference_ssim(a[0, 0].numpy(), b[0, 0].numpy(), 1.0)
    assert ssim(a, b).item() == pytest.approx(expected, abs=1e-6)
    in_levels = reference_ssim(a[0, 0].numpy() * 255, b[0, 0].numpy() * 255, 255.0)
    assert ssim(a, b).item() == pytest.approx(in_levels, abs=1e-6)


@given(seed=seeds)
def test_ssim_averages_channels_within_an_image_but_not_images(seed):
    a, b = smooth(2, 3, 14, 15, seed=seed), smooth(2, 3, 14, 15, seed=seed + 1)
    each = [
        [reference_ssim(a[n, c].numpy(), b[n, c].numpy(), 1.0) for c in range(3)] for n in range(2)
    ]
    assert ssim(a, b).tolist() == pytest.approx(np.mean(each, axis=1).tolist(), abs=1e-6)


@given(seed=seeds)
def test_ssim_is_symmetric_and_at_most_1(seed):
    a, b = smooth(2, 1, 13, 16, seed=seed), smooth(2, 1, 13, 16, seed=seed + 1)
    assert ssim(a, b).tolist() == pytest.approx(ssim(b, a).tolist(), abs=1e-12)
    assert (ssim(a, b) < 1).all()


@pytest.mark.parametrize("image", [picture(2, 3, 16, 12), torch.zeros(2, 3, 16, 12)])
def test_ssim_of_identical_images_is_1(image):
    assert ssim(image, image).tolist() == pytest.approx([1, 1], abs=1e-12)


@given(a=st.floats(0, 1), b=st.floats(0, 1))
def test_ssim_of_flat_images_compares_their_means(a, b):
    first = torch.full((1, 1, 12, 12), a, dtype=torch.float64)
    second = torch.full((1, 1, 12, 12), b, dtype=torch.float64)
    expected = (2 * a * b + 1e-4) / (a**2 + b**2 + 1e-4)
    assert ssim(first, second).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("height", "width"), [(10, 40), (40, 10), (1, 1)])
def test_ssim_refuses_an_image_smaller_than_its_window(height, width):
    image = picture(1, 1, height, width)
    with pytest.raises(ValueError, match="at least 11x11"):
        ssim(image, image)
