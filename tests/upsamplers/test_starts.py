"""Guards: kernels go from one form to the other bit for bit, and a start is what its name says."""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from common import above, largest, picture
from hypothesis import given
from hypothesis import strategies as st
from upsamplers.variants import SCALES, framed_for, spread_within_blocks

from srlab.imaging.resample import crop, enlarge, mirror_pad
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.linear import subpixel_form
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.rep_shuffle import RepShuffle
from srlab.upsamplers.resize_conv import ResizeConv
from srlab.upsamplers.shuffle import deconv_to_subpixel, subpixel_to_deconv
from srlab.upsamplers.staged import Staged
from srlab.upsamplers.starts import bilinear_taps

seeds = st.integers(0, 2**32 - 1)


@given(
    scale=st.integers(1, 5),
    size=st.integers(1, 5),
    inputs=st.integers(1, 3),
    outputs=st.integers(1, 3),
    seed=seeds,
)
def test_kernels_go_to_the_other_form_and_back_bit_for_bit(scale, size, inputs, outputs, seed):
    subpixel = picture(outputs * scale**2, inputs, size, size, seed=seed)
    deconv = subpixel_to_deconv(subpixel, scale)
    assert deconv.shape == (inputs, outputs, size * scale, size * scale)
    assert torch.equal(deconv_to_subpixel(deconv, scale), subpixel)

    deconv = picture(inputs, outputs, size * scale, size * scale, seed=seed)
    subpixel = deconv_to_subpixel(deconv, scale)
    assert subpixel.shape == (outputs * scale**2, inputs, size, size)
    assert torch.equal(subpixel_to_deconv(subpixel, scale), deconv)


@given(scale=st.integers(2, 4), size=st.integers(1, 4), seed=seeds)
def test_each_weight_moves_where_the_deconvolution_note_says(scale, size, seed):
    subpixel = picture(2 * scale**2, 3, size, size, seed=seed)
    deconv = subpixel_to_deconv(subpixel, scale)
    rng = np.random.default_rng(seed)
    for _ in range(10):
        c, i = rng.integers(2), rng.integers(3)
        a, b = rng.integers(scale, size=2)
        u, v = rng.integers(size, size=2)
        row, column = a + scale * (size - 1 - u), b + scale * (size - 1 - v)
        assert deconv[i, c, row, column] == subpixel[c * scale**2 + a * scale + b, i, u, v]


def test_bilinear_taps_make_a_transposed_convolution_interpolate():
    image = picture(1, 1, 6, 5)
    errors = {}
    for scale in SCALES:
        taps = bilinear_taps(scale).double()
        assert taps.shape == (2 * scale - scale % 2,) * 2
        spread = F.conv_transpose2d(mirror_pad(image, 1), taps[None, None], stride=scale)
        inside = crop(spread, scale + (taps.shape[0] - scale) // 2)
        errors[scale] = largest(inside - enlarge(image, scale, "bilinear"))
    assert not above(errors, 1e-6)


# Starts


def wide_deconv(inputs, outputs, scale, init):
    return Deconv(inputs, outputs, scale, kernel_size=5 * scale, init=init)


def one_block(inputs, outputs, scale, init):
    return Deconv(inputs, outputs, scale, kernel_size=scale, init=init)


def test_an_interpolating_start_interpolates_each_channel_from_the_input_channel_of_its_number():
    starts = [
        ("nearest", partial(PixelShuffle, init="nearest")),
        ("nearest", partial(Deconv, init="nearest")),
        ("bilinear", partial(PixelShuffle, init="bilinear")),
        ("bilinear", partial(PixelShuffle, init="bilinear", kernel_size=5)),
        ("bilinear", partial(Deconv, init="bilinear")),
        ("bilinear", partial(wide_deconv, init="bilinear")),
        ("bilinear", partial(ResizeConv, init="bilinear")),
        ("bilinear", partial(ResizeConv, init="bilinear", mode="bilinear")),
        ("bilinear", partial(Interpolate, init="bilinear", mode="bilinear")),
        ("bilinear", partial(RepShuffle, init="bilinear")),
        ("bicubic", partial(ResizeConv, init="bilinear", mode="bicubic")),
        ("bicubic", partial(Interpolate, init="bilinear", mode="bicubic")),
    ]
    image = picture(2, 4, 5, 6)
    errors = {}
    for mode, make in starts:
        for scale in SCALES:
            enlarged = enlarge(image, scale, mode)
            for inputs, outputs in [(1, 1), (3, 3), (4, 2), (2, 5)]:
                upsampler = make(inputs, outputs, scale).double()
                sr = upsampler(mirror_pad(image[:, :inputs], upsampler.halo))
                expected = enlarged[:, torch.arange(outputs) % inputs]
                errors[mode, str(make), scale, inputs] = largest(sr - expected)
    assert not above(errors, 1e-6)


def test_icnr_starts_constant_on_every_block():
    makes = [
        PixelShuffle,
        partial(PixelShuffle, kernel_size=5),
        Deconv,
        wide_deconv,
        one_block,
        lambda i, o, s, init: Deconv(i, o, s, 2 * s, padding=s, init=init),
    ]
    spread, plain = {}, {}
    for case, make in enumerate(makes):
        for scale in SCALES:
            for outputs in (1, 3):
                upsampler = make(4, outputs, scale, init="icnr").double()
                arguments = framed_for(upsampler, 5, 6)
                sr = upsampler(*arguments)
                spread[case, scale, outputs] = spread_within_blocks(sr, scale)
                assert largest(sr[..., 0, 0] - sr[..., -1, -1]) > 1e-3
                random = make(4, outputs, scale, init="default").double()
                plain[case, scale, outputs] = spread_within_blocks(random(*arguments), scale)
    assert not above(spread, 1e-12)
    assert min(plain.values()) > 1e-2


def test_icnr_gives_each_output_channel_a_kernel_of_its_own_with_the_spread_of_a_convolution():
    for scale in SCALES:
        weight = PixelShuffle(8, 3, scale, init="icnr").conv.weight.view(3, scale**2, 8, 3, 3)
        assert torch.equal(weight, weight[:, :1].expand_as(weight))
        assert largest(weight[0] - weight[1]) > 1e-3
        assert largest(weight[1] - weight[2]) > 1e-3
        bound = (8 * 9) ** -0.5  # torch's, uniform, for this fan-in
        assert 0.9 * bound < largest(weight) <= bound


def test_two_icnr_stages_start_constant_on_the_blocks_of_the_last_and_flat_on_a_flat_picture():
    for stage in (PixelShuffle, Deconv):
        for outputs in (1, 3):
            icnr = Staged(4, outputs, 4, partial(stage, init="icnr")).double()
            random = Staged(4, outputs, 4, stage).double()
            arguments = framed_for(icnr, 5, 6)
            assert spread_within_blocks(icnr(*arguments), 2) < 1e-12
            assert spread_within_blocks(random(*arguments), 2) > 1e-2

            sums, others = (
                subpixel_form(x).kernel.sum((-1, -2)).unflatten(0, (outputs, 16))
                for x in (icnr, random)
            )
            assert largest(sums - sums[:, :1]) < 1e-12
            assert largest(sums) > 1e-3
            assert largest(others - others[:, :1]) > 1e-2


def test_two_icnr_stages_of_1x1_kernels_start_constant_on_blocks_of_4_x_4():
    for outputs in (1, 3):
        stage = partial(PixelShuffle, init="icnr", kernel_size=1)
        upsampler = Staged(4, outputs, 4, stage).double()
        assert spread_within_blocks(upsampler(*framed_for(upsampler, 5, 6)), 4) < 1e-12
