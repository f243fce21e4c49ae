"""Guards: EDSR is the paper's, block by block, with stages of pixel shuffle."""

import pytest
import torch
import torch.nn.functional as F
from common import convolve, count, largest, picture
from models.variants import STAGES

from srlab.imaging.resample import crop
from srlab.models.base import MID_GREY
from srlab.models.edsr import EDSR
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.unpool import Unpool


@pytest.mark.parametrize(("scale", "expected"), [(2, 1_369_859), (3, 1_554_499), (4, 1_517_571)])
def test_edsr_baseline_has_the_parameters_of_the_paper(scale, expected):
    assert count(EDSR(STAGES, scale, channels=3)) == expected


def test_halo_and_frame_are_the_known_ones():
    assert EDSR(PixelShuffle, 2).halo == 1 + 32 + 1 + 1 + 1
    assert EDSR(PixelShuffle, 2).frame == 0
    assert EDSR(PixelShuffle, 2, residual="bicubic").frame == 2
    assert EDSR(Unpool, 2).frame == 1 + 2  # the upsampler's, and bicubic's for the guide


@pytest.mark.parametrize(("scale", "block_scale"), [(2, 1.0), (4, 1.0), (4, 0.1)])
@torch.no_grad()
def test_edsr_is_residual_blocks_with_a_long_skip_and_stages_of_pixel_shuffle(scale, block_scale):
    model = EDSR(STAGES, scale, 3, blocks=2, features=5, block_scale=block_scale).double()
    lr = picture(2, 3, 6, 5)
    first = convolve(lr - MID_GREY, model.head)
    x = first
    for block in model.blocks:
        x = x + block_scale * convolve(convolve(x, block.first).relu(), block.second)
    x = convolve(x, model.join) + first
    x = F.pad(x, [2] * 4)  # stages see one frame of zeros, not one each
    for stage in model.upsampler.stages:
        x = F.pixel_shuffle(F.conv2d(x, stage.conv.weight, stage.conv.bias), stage.scale)
    x = crop(x, (x.shape[-1] - 5 * scale) // 2)
    assert largest(model(lr) - (convolve(x, model.tail) + MID_GREY)) < 1e-12
