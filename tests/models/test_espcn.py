"""Guards: ESPCN is the paper's, and lets the picture through at its start if asked."""

from functools import partial

import pytest
from common import count, largest, picture
from torch import nn

from srlab.imaging.resample import crop, enlarge, mirror_pad
from srlab.models.espcn import ESPCN
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv

pytestmark = pytest.mark.usefixtures("_no_gradients")


@pytest.mark.parametrize(("scale", "expected"), [(2, 21_284), (3, 22_729), (4, 24_752)])
def test_espcn_has_the_parameters_of_the_paper(scale, expected):
    for activation in ("tanh", "relu"):
        assert count(ESPCN(PixelShuffle, scale, activation=activation)) == expected


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_espcn_computes_what_the_paper_says_with_biases_that_absorb_the_mean(activation):
    model = ESPCN(PixelShuffle, 3, activation=activation).double()
    first, second, last = model.body[0], model.body[2], model.upsampler.conv
    first_bias = first.bias - model.mean * first.weight.sum(dim=(1, 2, 3))
    lr = picture(2, 1, 6, 7)
    x = getattr(nn.functional.conv2d(mirror_pad(lr, 4), first.weight, first_bias), activation)()
    x = getattr(nn.functional.conv2d(x, second.weight, second.bias), activation)()
    x = nn.functional.conv2d(x, last.weight, last.bias + model.mean)
    assert largest(model(lr) - nn.functional.pixel_shuffle(x, 3)) < 1e-12


def test_halos_are_the_known_ones():
    assert ESPCN(PixelShuffle, 3).halo == 2 + 1 + 1
    assert ESPCN(partial(Interpolate, mode="nearest"), 3).halo == 2 + 1 + 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("activation", "twice"), [("relu", lambda x: x), ("tanh", lambda x: x.tanh().tanh())]
)
def test_the_first_features_of_espcn_start_as_its_input(channels, activation, twice):
    model = ESPCN(PixelShuffle, 2, channels=channels, activation=activation, init="identity")
    lr = picture(1, channels, 9, 8)
    features = model.double().body(lr)
    assert features.shape == (1, 32, 3, 2)
    assert largest(features[:, :channels] - twice(crop(lr, 3))) < 1e-12
    assert (features[:, channels:].flatten(2).std(-1) > 1e-6).any()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("activation", "passes"),
    [("relu", lambda x: x), ("tanh", lambda x: (x - 0.5).tanh().tanh() + 0.5)],
)
def test_espcn_with_both_starts_interpolates_what_the_activations_let_pass(
    activation, passes, channels
):
    for upsampler in (
        partial(PixelShuffle, init="bilinear"),
        partial(Deconv, init="bilinear"),
        partial(ResizeConv, init="bilinear"),
        partial(Interpolate, mode="bilinear", init="bilinear"),
    ):
        model = ESPCN(upsampler, 3, channels, activation=activation, init="identity").double()
        lr = picture(1, channels, 5, 6)
        assert largest(model(lr) - enlarge(passes(lr), 3, "bilinear")) < 1e-6
