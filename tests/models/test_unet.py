"""Guards: the U-Net pools and unpools as the papers do, on pictures of any size."""

import pytest
import torch
import torch.nn.functional as F
from common import convolve, count, largest, picture
from hypothesis import given
from hypothesis import strategies as st
from models.variants import BOXED, DECONV_9X9, GUIDED, STAGES, variant

from srlab.imaging.resample import enlarge, mirror_pad
from srlab.models.base import MID_GREY
from srlab.models.unet import UNet
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.unpool import Unpool

pytestmark = pytest.mark.usefixtures("_no_gradients")


def relu_twice(x, block):
    first, _, second, _ = block
    return convolve(convolve(x, first).relu(), second).relu()


@pytest.mark.parametrize(("scale", "depth", "skips"), [(2, 1, True), (3, 2, True), (3, 2, False)])
def test_the_switches_of_the_decoder_are_where_the_encoder_pooled(scale, depth, skips):
    model = UNet(Unpool, scale, 1, depth, features=3, skips=skips).double()
    lr = picture(2, 1, 8, 12)
    x, encoded = lr - MID_GREY, []
    for block in model.down:
        x = relu_twice(x, block)
        encoded.append(x)
        x, indices = F.max_pool2d(x, 2, return_indices=True)
        encoded[-1] = (encoded[-1], indices)
    x = relu_twice(x, model.bottom)
    for level in reversed(range(depth)):
        before, indices = encoded[level]
        x = F.max_unpool2d(x, indices, 2, output_size=before.shape[-2:])
        x = convolve(x, model.steps[level].conv)
        x = relu_twice(torch.cat([x, before], dim=1) if skips else x, model.up[level])
    # The last is guided by the picture itself.
    indices = F.max_pool2d(enlarge(lr, scale), scale, return_indices=True)[1]
    sparse = F.max_unpool2d(x, indices.expand_as(x), scale)
    sr = convolve(sparse, model.upsampler.conv) + MID_GREY
    assert largest(model(lr) - sr) < 1e-12
    other = F.max_pool2d(encoded[0][0].flip(-1), 2, return_indices=True)[1]
    assert not torch.equal(encoded[0][1], other)


def test_a_u_net_by_pixel_shuffle_is_the_hourglass_one_writes_by_hand():
    model = variant("unet of 2 levels + nearest", 3, upsampler=PixelShuffle)
    lr = picture(1, 1, 8, 12)
    x, encoded = lr - MID_GREY, []
    for block in model.down:
        x = relu_twice(x, block)
        encoded.append(x)
        x = F.max_pool2d(x, 2)
    x = relu_twice(x, model.bottom)
    for level in (1, 0):
        x = F.pixel_shuffle(convolve(x, model.steps[level].conv), 2)
        x = relu_twice(torch.cat([x, encoded[level]], dim=1), model.up[level])
    x = F.pixel_shuffle(convolve(x, model.upsampler.conv), 3)
    assert x.std() > 1e-3
    assert largest(model(lr) - (x + enlarge(lr, 3, "nearest"))) < 1e-12


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    upsampler=st.sampled_from([PixelShuffle, DECONV_9X9, BOXED, STAGES, GUIDED]),
)
def test_a_picture_that_the_pools_do_not_divide_is_mirrored_at_its_bottom_and_right(
    height, width, upsampler
):
    model = variant("unet of 2 levels + nearest", 2, upsampler=upsampler)
    # The hourglass sees the same; the last upsampler pads with zeros where the picture ends.
    h = model.frame + model.upsampler.halo
    lr = picture(1, 1, height + h, width + h)
    rows, columns = (n + -n % model.grid for n in lr.shape[-2:])
    whole = mirror_pad(lr, model.grid)[..., model.grid :, model.grid :][..., :rows, :columns]
    sr, larger = model(lr), model(whole)
    assert sr.shape == (1, 1, 2 * (height + h), 2 * (width + h))
    inside = (..., slice(0, 2 * height), slice(0, 2 * width))
    assert largest(sr[inside] - larger[inside]) < 1e-12


def test_skips_cost_the_convolutions_that_see_them_twice_as_many_channels():
    for depth in (1, 2, 3):
        widths = [16 * 2**level for level in range(depth)]
        with_skips = UNet(PixelShuffle, 2, depth=depth)
        without = UNet(PixelShuffle, 2, depth=depth, skips=False)
        assert count(with_skips) - count(without) == sum(9 * w * w for w in widths)
        assert count(UNet(PixelShuffle, 2, depth=depth, skips=True)) == count(with_skips)


def test_tiles_begin_where_all_pools_do():
    assert UNet(PixelShuffle, 2).grid == 4
    assert UNet(PixelShuffle, 2, depth=3).grid == 8


def test_every_step_of_the_decoder_is_by_two_and_the_last_by_the_scale():
    model = UNet(PixelShuffle, 3, channels=3, depth=3, features=4)
    steps = [(m.in_channels, m.out_channels, m.scale) for m in model.steps]
    assert steps == [(4, 4, 2), (8, 8, 2), (16, 16, 2)]
    last = model.upsampler
    assert (last.in_channels, last.out_channels, last.scale) == (4, 3, 3)
