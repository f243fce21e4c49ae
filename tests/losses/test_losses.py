"""Guards: the losses are those of their papers, and their gradients are finite."""

import math
from itertools import product

import pytest
import torch
from common import for_all, picture
from hypothesis import given
from hypothesis import strategies as st

from srlab.losses.charbonnier import Charbonnier
from srlab.losses.objective import Objective
from srlab.losses.total_variation import total_variation

KINDS = ["anisotropic", "isotropic", "squared"]

seeds = st.integers(0, 2**32 - 2)
sides = st.integers(2, 9)
slopes = st.floats(-1, 1).filter(lambda slope: slope == 0 or abs(slope) > 1e-3)


@given(eps=st.floats(1e-6, 10), seed=seeds)
def test_charbonnier_is_the_mean_of_a_smoothed_absolute_value(eps, seed):
    sr, hr = picture(2, 3, 4, 5, seed=seed), picture(2, 3, 4, 5, seed=seed + 1)
    pairs = zip(sr.flatten().tolist(), hr.flatten().tolist(), strict=True)
    expected = sum(math.hypot(a - b, eps) for a, b in pairs) / sr.numel()
    assert Charbonnier(eps)(sr, hr).item() == pytest.approx(expected, rel=1e-12)


def test_charbonnier_of_identical_images_is_eps_and_flat():
    sr = picture(1, 1, 4, 4).requires_grad_()
    loss = Charbonnier(0.01)(sr, sr.detach().clone())
    loss.backward()
    assert loss.item() == pytest.approx(0.01)
    assert sr.grad is not None
    assert (sr.grad == 0).all()


def test_charbonnier_has_the_eps_of_the_paper_by_default():
    assert Charbonnier()(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)).item() == pytest.approx(
        1e-3
    )


def test_charbonnier_refuses_an_eps_that_is_not_positive():
    for eps in (0, -1e-3):
        with pytest.raises(ValueError, match="eps must be positive"):
            Charbonnier(eps)


def test_total_variation_of_the_hand_case_is_the_known_one():
    image = torch.tensor([[[[1.0, 2.0], [3.0, 5.0]]]], dtype=torch.float64)
    known = {"anisotropic": 8 / 2, "squared": 6.5 + 2.5, "isotropic": math.sqrt(2**2 + 1**2)}
    found = {kind: total_variation(image, kind).item() for kind in KINDS}
    assert found == pytest.approx(known, rel=1e-9)
    assert total_variation(image).item() == pytest.approx(4)  # if nothing is said


@given(height=sides, width=sides, seed=seeds)
def test_total_variation_is_the_sum_over_neighbours_by_its_definition(height, width, seed):
    image = picture(2, 3, height, width, seed=seed)
    x = image.numpy()
    dh, dw = x[:, :, 1:] - x[:, :, :-1], x[:, :, :, 1:] - x[:, :, :, :-1]
    known = {
        "anisotropic": abs(dh).sum() / (6 * (height - 1) * width)
        + abs(dw).sum() / (6 * height * (width - 1)),
        "squared": (dh**2).sum() / (6 * (height - 1) * width)
        + (dw**2).sum() / (6 * height * (width - 1)),
        "isotropic": sum(
            math.hypot(a, b) for a, b in zip(dh[..., :-1].flat, dw[:, :, :-1].flat, strict=True)
        )
        / (6 * (height - 1) * (width - 1)),
    }
    for kind in KINDS:
        assert total_variation(image, kind).item() == pytest.approx(known[kind], rel=1e-6)


@given(down=slopes, across=slopes, height=sides, width=sides)
def test_total_variation_of_a_ramp_is_its_slope_whatever_the_size(down, across, height, width):
    rows = torch.arange(height, dtype=torch.float64).view(1, 1, -1, 1)
    columns = torch.arange(width, dtype=torch.float64).view(1, 1, 1, -1)
    image = down * rows + across * columns
    known = {
        "anisotropic": abs(down) + abs(across),
        "isotropic": math.hypot(down, across),
        "squared": down**2 + across**2,
    }
    for kind in KINDS:
        # the root of the isotropic kind is rounded off by 1e-6 where the image is flat
        assert total_variation(image, kind).item() == pytest.approx(known[kind], abs=2e-6)


def test_the_gradient_is_finite_where_the_image_is_flat():
    def check(kind, dtype):
        image = torch.full((1, 1, 4, 6), 0.25, dtype=dtype)
        image[..., 3:] = 0.75
        image.requires_grad_()
        total_variation(image, kind).backward()
        assert image.grad is not None
        assert image.grad.isfinite().all()
        assert (image.grad[..., 0] == 0).all()
        assert (image.grad[..., :3, 3] > 0).all()

    for_all(product(KINDS, (torch.float32, torch.float64)), check)


def test_an_unknown_total_variation_is_refused():
    for kind in ("", "tv", "Isotropic", None):
        with pytest.raises(ValueError, match="tv must be anisotropic, isotropic or squared"):
            total_variation(picture(1, 1, 2, 2), kind)
        with pytest.raises(ValueError, match="tv must be anisotropic, isotropic or squared"):
            Objective(torch.nn.L1Loss(), 0.1, kind)


def test_the_objective_names_its_weighted_terms():
    sr, hr = picture(2, 1, 5, 5), picture(2, 1, 5, 5, seed=1)
    for kind in KINDS:
        terms = Objective(torch.nn.L1Loss(), 0.25, kind)(sr, hr)
        assert set(terms) == {"pixel", "tv"}
        assert terms["pixel"].item() == pytest.approx((sr - hr).abs().mean().item())
        assert terms["tv"].item() == pytest.approx(0.25 * total_variation(sr, kind).item())


def test_the_objective_has_no_total_variation_unless_it_is_weighted():
    sr, hr = picture(2, 1, 5, 5), picture(2, 1, 5, 5, seed=1)
    pixel = Charbonnier()
    assert Objective(pixel)(sr, hr) == {"pixel": pixel(sr, hr)}
    assert Objective(pixel, tv_weight=0.0)(sr, hr).keys() == {"pixel"}


def test_the_objective_refuses_a_negative_weight():
    with pytest.raises(ValueError, match="tv_weight must not be negative"):
        Objective(torch.nn.L1Loss(), -1e-9)
