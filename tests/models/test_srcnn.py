"""Guards: SRCNN is the paper's, and starts as the bicubic picture if asked."""

from functools import partial

import pytest
from common import count, largest, picture
from torch import nn

from srlab.imaging.resample import crop, enlarge, mirror_pad
from srlab.models.base import MID_GREY
from srlab.models.srcnn import SRCNN
from srlab.testing.models import influence
from srlab.upsamplers.interpolation import Interpolate

NEAREST = partial(Interpolate, mode="nearest")

pytestmark = pytest.mark.usefixtures("_no_gradients")


@pytest.mark.parametrize(
    ("kernels", "expected"), [("9-1-5", 8_129), ("9-3-5", 24_513), ("9-5-5", 57_281)]
)
def test_srcnn_has_the_parameters_of_the_paper_at_every_scale(kernels, expected):
    for scale in (2, 3, 4):
        model = SRCNN(Interpolate, scale, kernels=kernels)
        assert count(model) == expected
        sizes = [p.shape[-1] for p in model.parameters() if p.dim() == 4]
        assert sizes == [int(k) for k in kernels.split("-")]


def test_srcnn_is_9_1_5_on_luma_unless_asked_otherwise():
    assert count(SRCNN(Interpolate, 3)) == 8_129


def test_srcnn_is_three_convolutions_of_the_bicubic_picture_with_biases_that_absorb_the_mean():
    model = SRCNN(Interpolate, 2).double()
    first, relu, second, again, last = model.body
    assert isinstance(relu, nn.ReLU)
    assert isinstance(again, nn.ReLU)
    lr = picture(2, 1, 12, 13)
    first_bias = first.bias - MID_GREY * first.weight.sum(dim=(1, 2, 3))
    x = nn.functional.conv2d(enlarge(lr, 2), first.weight, first_bias).relu()
    x = nn.functional.conv2d(x, second.weight, second.bias).relu()
    x = nn.functional.conv2d(x, last.weight, last.bias + MID_GREY)
    assert x.shape == (2, 1, 12, 14)
    assert largest(crop(model(lr), 6) - x) < 1e-12


def test_halos_are_the_known_ones():
    assert SRCNN(Interpolate, 2).halo == 3 + 2
    assert SRCNN(Interpolate, 3).halo == 2 + 2
    assert SRCNN(NEAREST, 4, kernels="9-5-5").halo == 2


def test_a_residual_that_looks_farther_than_the_network_widens_the_halo():
    assert SRCNN(NEAREST, 6).halo == 1
    assert SRCNN(NEAREST, 6, residual="nearest").halo == 1
    model = SRCNN(NEAREST, 6, residual="bicubic").double()
    assert model.halo == 2
    assert influence(model, 1) > 1e-6
    lr = picture(1, 1, 3, 2)
    assert largest(model(mirror_pad(lr, 2), halo=2) - model(lr)) < 1e-12


@pytest.mark.parametrize("kernels", ["9-1-5", "9-3-5", "9-5-5"])
def test_srcnn_starts_as_the_bicubic_picture(kernels):
    for channels, scale in ((1, 2), (1, 3), (1, 4), (3, 2)):
        model = SRCNN(Interpolate, scale, channels, kernels, init="identity").double()
        lr = picture(1, channels, 9, 8)
        bicubic = enlarge(lr, scale)
        assert bicubic.min() < 0 < 1 < bicubic.max()
        assert largest(model(lr) - bicubic) < 1e-12


def test_the_filters_besides_the_identity_are_there_to_be_trained():
    model = SRCNN(Interpolate, 2, channels=3, init="identity")
    features = model.body[:4](picture(1, 3, 16, 16).float() - MID_GREY)
    assert (features.flatten(2).std(dim=-1) > 1e-6).sum() > 16


def test_the_features_are_as_many_as_asked_for():
    assert count(SRCNN(Interpolate, 2, features=(20, 10))) == 82 * 20 + 21 * 10 + 25 * 10 + 1
