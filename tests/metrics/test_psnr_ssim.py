"""Guards: PSNR and SSIM are what scikit-image and the papers compute, for any picture."""

import math
import os
from functools import partial
from itertools import product

import numpy as np
import pytest
import torch
from common import for_all, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import srlab.metrics.ssim
from srlab.data.named import named
from srlab.data.pairs import read_pairs
from srlab.data.photos import held_out
from srlab.errors import UserError
from srlab.evaluation.score import score_images, smallest_side
from srlab.imaging.files import to_pixels, to_tensor
from srlab.imaging.resample import enlarge
from srlab.metrics.psnr import psnr
from srlab.metrics.ssim import ssim

seeds = st.integers(0, 2**32 - 2)


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


# --- PSNR


@given(difference=st.floats(1e-6, 1), value=st.floats(0, 1))
def test_psnr_of_a_constant_difference_is_its_own_logarithm(difference, value):
    a = torch.full((1, 1, 4, 5), value, dtype=torch.float64)
    expected = -20 * math.log10(difference)
    assert psnr(a, a + difference).item() == pytest.approx(expected, abs=1e-6)


def test_psnr_has_the_known_values():
    black = torch.zeros(1, 3, 4, 4, dtype=torch.float64)
    for difference, decibels in ((1, 0), (0.1, 20), (1 / 255, 48.1308), (0.5, 6.0206)):
        assert psnr(black, black + difference).item() == pytest.approx(decibels, abs=1e-4)


def test_psnr_averages_squares_over_channels_and_pixels():
    a, b = torch.zeros(1, 2, 1, 2), torch.tensor([[[[0.0, 0.0]], [[0.0, 0.2]]]])
    assert psnr(a, b).item() == pytest.approx(20, abs=1e-5)


def test_psnr_of_identical_images_is_infinite():
    image = picture(2, 1, 4, 4)
    assert psnr(image, image).tolist() == [math.inf, math.inf]


def test_psnr_counts_in_double_precision():
    a = picture(1, 1, 64, 64).float()
    b = a + torch.tensor(2.0**-20)
    exact = -10 * math.log10(np.square(a.double().numpy() - b.double().numpy()).mean())
    assert psnr(a, b).dtype == torch.float64
    assert psnr(a, b).item() == pytest.approx(exact, abs=1e-9)


# --- SSIM


@given(seed=seeds)
def test_ssim_averages_channels_within_an_image_but_not_images(seed):
    a, b = smooth(2, 3, 14, 15, seed=seed), smooth(2, 3, 14, 15, seed=seed + 1)
    each = [
        [reference_ssim(a[n, c].numpy(), b[n, c].numpy(), 1.0) for c in range(3)] for n in range(2)
    ]
    assert ssim(a, b).tolist() == pytest.approx(np.mean(each, axis=1).tolist(), abs=1e-6)


def test_ssim_of_identical_images_is_1():
    for image in (picture(2, 3, 16, 12), torch.zeros(2, 3, 16, 12)):
        assert ssim(image, image).tolist() == pytest.approx([1, 1], abs=1e-12)


@given(a=st.floats(0, 1), b=st.floats(0, 1))
def test_ssim_of_flat_images_compares_their_means(a, b):
    first = torch.full((1, 1, 12, 12), a, dtype=torch.float64)
    second = torch.full((1, 1, 12, 12), b, dtype=torch.float64)
    expected = (2 * a * b + 1e-4) / (a**2 + b**2 + 1e-4)
    assert ssim(first, second).item() == pytest.approx(expected, abs=1e-9)


def test_ssim_refuses_an_image_smaller_than_its_window():
    for height, width in ((10, 40), (40, 10), (1, 1)):
        image = picture(1, 1, height, width)
        with pytest.raises(ValueError, match="at least 11x11"):
            ssim(image, image)


# --- what scikit-image says of 8 bits


def is_flat(rng, shape):
    return np.full(shape, rng.integers(256), np.uint8)


def is_halved(rng, shape):
    """Two greys side by side: the hardest for a variance made of squares."""
    image = is_flat(rng, shape)
    image[:, rng.integers(shape[1]) :] = rng.integers(256)
    return image


def is_noise(rng, shape):
    return rng.integers(0, 256, shape, np.uint8)


def is_nearly_white(rng, shape):
    return rng.integers(254, 256, shape, np.uint8)


def is_checked(rng, shape):
    y, x = np.indices(shape)
    return ((y + x) % 2 * 255).astype(np.uint8)


def is_black_but_for_a_pixel(rng, shape):
    image = np.zeros(shape, np.uint8)
    image[rng.integers(shape[0]), rng.integers(shape[1])] = 255
    return image


def is_smooth(rng, shape):
    """Correlated between neighbours as photographs are."""
    image = smooth(1, 1, *shape, seed=int(rng.integers(2**31)))
    return to_pixels(image)[..., 0]


KINDS = [
    is_flat,
    is_halved,
    is_noise,
    is_nearly_white,
    is_checked,
    is_black_but_for_a_pixel,
    is_smooth,
]


def assert_judged_alike(seen, sr, hr):
    """``seen`` is the PSNR and the SSIM that scikit-image finds in uint8 pixels."""
    expected = math.inf if (sr == hr).all() else peak_signal_noise_ratio(hr, sr, data_range=255)
    assert seen == pytest.approx((expected, reference_ssim(hr, sr, 255)), abs=1e-6)


@settings(max_examples=60)
@given(
    seed=seeds,
    kind=st.sampled_from([*KINDS, None]),
    other=st.sampled_from(KINDS),
    height=st.integers(11, 50),
    width=st.integers(11, 50),
)
def test_whatever_the_pictures_scikit_image_says_the_same(seed, kind, other, height, width):
    rng = np.random.default_rng(seed)
    hr = other(rng, (height, width))
    if kind is not None:
        sr = kind(rng, (height, width))
    else:  # a copy with a little noise
        sr = np.clip(hr + rng.integers(-5, 6, hr.shape), 0, 255).astype(np.uint8)
    a, b = to_tensor(sr[..., None]), to_tensor(hr[..., None])
    assert_judged_alike((psnr(a, b).item(), ssim(a, b).item()), sr, hr)


def assert_scored_as_by_scikit_image(images, scale):
    pairs = read_pairs(images, scale, "y", smallest_side(scale))
    named_pairs = [(pair.name, pair.lr, pair.hr) for pair in pairs]
    scores = score_images(lambda lr: enlarge(lr, scale), named_pairs, scale)
    for pair, score in zip(pairs, scores, strict=True):
        sr = to_pixels(enlarge(to_tensor(pair.lr).float(), scale).double())
        inside = (slice(scale, -scale), slice(scale, -scale), 0)
        assert_judged_alike((score.psnr, score.ssim), sr[inside], pair.hr[inside])


def test_photographs_are_scored_as_by_scikit_image():
    for_all((2, 3, 4), partial(assert_scored_as_by_scikit_image, held_out()))


@pytest.mark.parametrize("name", ["Set5", "Set14"])
def test_the_test_sets_are_scored_as_by_scikit_image(name):
    try:
        images = named(name, os.environ.get("SRLAB_DATA", "data"))
    except UserError:
        pytest.skip(f"{name} is not under SRLAB_DATA")
    assert_scored_as_by_scikit_image(images, 3)


# --- batches, strips, precision


def test_a_batch_is_judged_as_its_images_are():
    def check(metric, shape):
        a, b = smooth(5, 3, *shape), smooth(5, 3, *shape, seed=1)
        alone = [metric(x, y).item() for x, y in zip(a.split(1), b.split(1), strict=True)]
        assert metric(a, b).tolist() == pytest.approx(alone, abs=1e-12)
        assert metric(a[1:, :2], b[1:, :2]).tolist() == pytest.approx(
            metric(a[1:, :2].contiguous(), b[1:, :2].contiguous()).tolist(), abs=1e-12
        )

    for_all(product((psnr, ssim), ((11, 11), (23, 22), (40, 59))), check)


def test_the_strips_that_ssim_works_on_do_not_show(monkeypatch):
    def check(height):
        a, b = smooth(2, 2, height, 30), smooth(2, 2, height, 30, seed=1)
        whole = ssim(a, b).tolist()
        with monkeypatch.context() as patch:
            patch.setattr(srlab.metrics.ssim, "_STRIP", 1)
            assert ssim(a, b).tolist() == pytest.approx(whole, abs=1e-12)

    for_all((11, 22, 23, 34, 35, 60), check)


def test_ssim_counts_in_double_precision():
    a, b = (0.9 + 1e-3 * picture(1, 1, 20, 20, seed=seed).float() for seed in (0, 1))
    assert ssim(a, b).dtype == torch.float64
    assert ssim(a, b).item() == ssim(a.double(), b.double()).item()


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_a_metric_has_a_gradient(metric):
    a, b = smooth(1, 2, 11, 13).requires_grad_(), smooth(1, 2, 11, 13, seed=1)
    assert torch.autograd.gradcheck(lambda x: metric(x, b), a)
