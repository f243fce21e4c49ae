"""Guards: SPAN is the paper's, block by block, and of its size."""

import pytest
import torch
import torch.nn.functional as F
from common import convolve, count, largest, picture
from models.variants import variant

from srlab.models.base import MID_GREY
from srlab.models.span import SPAN
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.unpool import Unpool


def test_span_has_the_parameters_of_the_paper():
    assert round(count(SPAN(PixelShuffle, 2, 3)), -3) == 411_000
    assert round(count(SPAN(PixelShuffle, 4, 3)), -3) == 426_000


def test_halo_and_frame_are_the_known_ones():
    assert SPAN(PixelShuffle, 2).halo == 1 + 18 + 1 + 1
    assert SPAN(PixelShuffle, 2).frame == 0
    assert SPAN(Unpool, 2).frame == 1 + 2  # the upsampler's, and bicubic's for the guide


@torch.no_grad()
def test_span_weighs_its_features_by_themselves_and_mixes_four_stages():
    model, lr = variant("span", 2, 3), picture(2, 3, 6, 5)
    first = x = convolve(255 * (lr - MID_GREY), model.head)
    ends = []
    for block in model.blocks:
        middle = F.silu(convolve(x, block.first))
        last = convolve(F.silu(convolve(middle, block.second)), block.third)
        x = (last + x) * (torch.sigmoid(last) - 0.5)
        ends.append(x)
    stages = torch.cat([first, convolve(x, model.join), ends[0], middle], 1)
    mixed = F.conv2d(stages, model.mix.weight, model.mix.bias)
    wanted = F.pixel_shuffle(convolve(mixed / 255, model.upsampler.conv), 2) + MID_GREY
    assert largest(model(lr) - wanted) < 1e-10


def test_a_mean_of_another_number_of_colours_is_refused():
    with pytest.raises(ValueError, match="mean must be a number or 3"):
        SPAN(PixelShuffle, 2, 3, mean=[0.1, 0.2])
