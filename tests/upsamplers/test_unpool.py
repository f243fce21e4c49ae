"""Guards: unpooling puts a value where its guide is largest, and a convolution fills the gaps."""

import numpy as np
import torch
import torch.nn.functional as F
from common import above, largest, picture
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from upsamplers.variants import SCALES, framed_for, with_any_weights

from srlab.imaging.resample import crop
from srlab.upsamplers.unpool import Unpool, switches, unpool

seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from(SCALES)
sizes = st.integers(1, 6)
channels = st.sampled_from([(1, 1), (3, 3), (4, 1), (2, 3)])


@given(
    scale=scales, height=sizes, width=sizes, n=st.integers(1, 2), c=st.integers(1, 3), seed=seeds
)
def test_unpooling_what_was_pooled_leaves_the_largest_of_each_block_and_zeros(
    scale, height, width, n, c, seed
):
    x = picture(n, c, scale * height, scale * width, seed=seed) + 0.1
    pooled = F.max_pool2d(x, scale)
    back = unpool(pooled, switches(x, scale), scale)
    is_largest = x == F.interpolate(pooled, scale_factor=scale)
    assert torch.equal(back, x * is_largest)
    assert (back != 0).sum() == x.numel() / scale**2
    assert torch.equal(F.max_pool2d(back, scale), pooled)
    indices = F.max_pool2d(x, scale, return_indices=True)[1]
    assert torch.equal(back, F.max_unpool2d(pooled, indices, scale, output_size=x.shape))


def test_of_equal_values_the_first_counts():
    flat = torch.ones(1, 1, 4, 6)
    assert switches(flat, 2).tolist() == [[[[0, 2, 4], [12, 14, 16]]]]
    tied = torch.tensor([[[[0.0, 5.0, 1.0], [5.0, 5.0, 5.0], [2.0, 0.0, 5.0]]]])
    assert switches(tied, 3).item() == 1


def test_of_values_that_differ_by_rounding_alone_the_first_counts():
    for number_type in (torch.float32, torch.float64):
        nearly = torch.full((1, 1, 3, 3), 0.3, dtype=number_type)
        nearly[..., 2, 2] += 2 * torch.finfo(number_type).eps
        assert switches(nearly, 3).item() == 0
        nearly[..., 2, 2] += 20 * torch.finfo(number_type).eps
        assert switches(nearly, 3).item() == 8


def test_a_switch_says_where_in_the_whole_picture_the_value_goes():
    guide = torch.zeros(1, 1, 4, 4)
    guide[0, 0, 1, 0] = guide[0, 0, 0, 3] = guide[0, 0, 2, 1] = guide[0, 0, 3, 2] = 1
    assert switches(guide, 2).tolist() == [[[[4, 3], [9, 14]]]]
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert unpool(x, switches(guide, 2), 2).tolist() == [
        [[[0, 0, 0, 2], [1, 0, 0, 0], [0, 3, 0, 0], [0, 0, 4, 0]]]
    ]


@given(scale=scales, inputs=st.integers(2, 4), outputs=st.integers(1, 3), seed=seeds)
def test_a_guide_of_one_channel_serves_all(scale, inputs, outputs, seed):
    upsampler = with_any_weights(Unpool(inputs, outputs, scale), seed)
    framed, guide = framed_for(upsampler, 3, 4, seed, n=2)
    assert guide.shape[1] == 1
    every = guide.expand(-1, inputs, -1, -1)
    assert torch.equal(upsampler(framed, guide), upsampler(framed, every))
    own = picture(*every.shape, seed=seed + 2)
    assert largest(upsampler(framed, guide) - upsampler(framed, own)) > 1e-6


def test_the_upsampler_is_an_unpooling_and_a_convolution():
    errors = {}
    for scale in SCALES:
        for size in (None, 1, 3, 9):
            upsampler = with_any_weights(Unpool(3, 2, scale, size))
            framed, _ = framed_for(upsampler, 4, 5)
            guide = picture(1, 3, *(scale * n for n in framed.shape[-2:]), seed=1)
            indices = F.max_pool2d(guide, scale, return_indices=True)[1]
            sparse = F.max_unpool2d(framed, indices, scale)
            weight, bias = upsampler.conv.weight, upsampler.conv.bias
            assert weight.shape[-1] == (size or 2 * scale + 1)
            convolved = F.conv2d(sparse, weight, bias, padding=weight.shape[-1] // 2)
            expected = crop(convolved, scale * upsampler.halo)
            errors[scale, size] = largest(upsampler(framed, guide) - expected)
    assert not above(errors, 1e-12)


@given(scale=scales, size=st.tuples(*[st.integers(1, 3)] * 2), corner=st.booleans(), seed=seeds)
def test_no_window_of_the_default_kernel_is_empty_whatever_the_switches(scale, size, corner, seed):
    upsampler = Unpool(1, 1, scale).double()
    nn.init.ones_(upsampler.conv.weight)
    nn.init.zeros_(upsampler.conv.bias)
    framed, guide = framed_for(upsampler, *size, seed)
    if corner:  # as far apart as they can be
        guide = guide.clone()
        guide[..., ::scale, ::scale] += torch.randint_like(guide[..., ::scale, ::scale], 2) * 2
        guide[..., scale - 1 :: scale, scale - 1 :: scale] += 1
    seen = upsampler(torch.ones_like(framed), guide)
    assert seen.min() > 0.999
    assert seen.max() < 9.001  # a window meets 3 x 3 blocks at most


def test_a_window_of_a_kernel_as_wide_as_the_scale_can_be_empty():
    upsampler = Unpool(1, 1, 3, kernel_size=3).double()
    nn.init.ones_(upsampler.conv.weight)
    nn.init.zeros_(upsampler.conv.bias)
    framed, guide = framed_for(upsampler, 3, 3)
    guide[..., ::6, ::6] = 2  # the top left of one block, the bottom right of the next
    guide[..., 5::6, 5::6] = 2
    assert upsampler(torch.ones_like(framed), guide).min() == 0


@given(scale=scales, data=st.data(), io=channels, seed=seeds)
def test_with_switches_on_a_grid_the_bilinear_start_interpolates_between_its_points(
    scale, data, io, seed
):
    row, column = data.draw(st.integers(0, scale - 1)), data.draw(st.integers(0, scale - 1))
    upsampler = Unpool(*io, scale, init="bilinear").double()
    framed, guide = framed_for(upsampler, 3, 4, seed)
    guide[..., row::scale, column::scale] += 2
    h = upsampler.halo
    ys, xs = (
        scale * np.arange(n) + o for n, o in zip(framed.shape[-2:], (row, column), strict=True)
    )
    inside = [np.arange(scale * h, scale * (h + n)) for n in (3, 4)]
    for c, sr in enumerate(upsampler(framed, guide)[0].numpy()):
        source = framed[0, c % io[0]].numpy()
        rows = np.stack([np.interp(inside[0], ys, line) for line in source.T], axis=1)
        expected = np.stack([np.interp(inside[1], xs, line) for line in rows])
        assert np.abs(sr - expected).max() < 1e-6
