"""Guards: Compact is Real-ESRGAN's stack of convolutions, and starts as interpolation if asked."""

from functools import partial

import pytest
import torch.nn.functional as F
from common import convolve, count, largest, picture
from torch import nn

from srlab.imaging.resample import enlarge, mirror_pad
from srlab.models.base import MID_GREY
from srlab.models.compact import Compact
from srlab.testing.behaviour import disturb
from srlab.upsamplers.pixel_shuffle import PixelShuffle

pytestmark = pytest.mark.usefixtures("_no_gradients")


@pytest.mark.parametrize(("features", "depth"), [(16, 6), (5, 0), (64, 2)])
def test_compact_has_a_convolution_before_and_one_after_those_that_are_counted(features, depth):
    model = Compact(PixelShuffle, 3, 3, features=features, depth=depth)
    first, between, last = 3 * features, depth * features**2, 27 * features
    biases_and_slopes = 2 * (1 + depth) * features
    assert count(model) == 9 * (first + between + last) + biases_and_slopes + 27
    assert model.halo == 1 + depth + 1


@pytest.mark.parametrize("channels", [1, 3])
def test_compact_computes_what_one_writes_by_hand_in_a_picture_mirrored_once(channels):
    model = Compact(PixelShuffle, 3, channels, features=6, depth=2).double()
    disturb(model)
    lr = picture(2, channels, 5, 6)
    x = mirror_pad(lr, 9) - MID_GREY  # wider than what it sees
    for conv, slope in zip(model.body[::2], model.body[1::2], strict=True):
        assert isinstance(slope, nn.PReLU)
        x = convolve(x, conv)
        x = x.clamp(min=0) + slope.weight.view(1, -1, 1, 1) * x.clamp(max=0)
    x = F.pixel_shuffle(convolve(x, model.upsampler.conv), 3)[..., 27:-27, 27:-27]
    assert largest(model(lr) - (x + MID_GREY)) < 1e-12


@pytest.mark.parametrize("channels", [1, 3])
def test_compact_with_both_starts_is_bilinear_interpolation(channels):
    bilinear = partial(PixelShuffle, init="bilinear")
    lr = picture(1, channels, 7, 6)
    model = Compact(bilinear, 3, channels, init="identity").double()
    assert largest(model(lr) - enlarge(lr, 3, "bilinear")) < 1e-6
    assert largest(Compact(bilinear, 3, channels).double()(lr) - enlarge(lr, 3, "bilinear")) > 1e-2
