"""Guards: a network calls any upsampler rightly, also one from elsewhere and one with a guide."""

import pytest
import torch
import torch.nn.functional as F
from common import convolve, largest, picture
from models.variants import VARIANTS, variant
from torch import nn

from srlab.imaging.resample import crop, enlarge, mirror_pad
from srlab.upsamplers.unpool import Unpool


def repeat(inputs, outputs, scale):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.Upsample(scale_factor=scale))


def framed(*sizes):
    module = repeat(*sizes)
    module.halo = 0
    return module


@torch.no_grad()
def test_an_upsampler_from_elsewhere_needs_nothing_but_a_halo():
    lr = picture(1, 1, 4, 5)
    for make, _ in VARIANTS.values():
        with pytest.raises(ValueError, match="Sequential needs an attribute halo"):
            make(repeat, 2, 1)
        model = make(framed, 2, 1).double().eval()
        assert model(lr).shape == (1, 1, 8, 10)
        wide = model.halo + 9
        assert largest(model(mirror_pad(lr, wide), halo=wide) - model(lr)) < 1e-12


@pytest.mark.parametrize("scale", [2, 3])
@torch.no_grad()
def test_the_switches_of_a_colour_picture_are_those_of_the_mean_of_its_channels(scale):
    model = variant("plain", scale, channels=3, upsampler=Unpool)
    lr = picture(2, 3, 5, 6)
    framed = mirror_pad(lr, 3)
    grey = enlarge(framed.sum(dim=1, keepdim=True) / 3, scale)
    indices = F.max_pool2d(grey, scale, return_indices=True)[1].expand_as(framed)
    sparse = F.max_unpool2d(framed, indices, scale)
    assert largest(model(lr) - crop(convolve(sparse, model.upsampler.conv), 3 * scale)) < 1e-12
