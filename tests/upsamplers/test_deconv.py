from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from common import count, largest, picture
from hypothesis import given
from hypothesis import strategies as st

from srlab.imaging.resample import REACH, crop, enlarge, interpolate, mirror_pad
from srlab.testing import upsampler_configs
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.kernels import bilinear_taps, deconv_to_subpixel, subpixel_to_deconv
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv

SCALES = [2, 3, 4]
MODES = sorted(REACH)


# One fixed or trained kernel each, as shipped, and variations on them.
KERNELS = ["nearest", "bilinear", "bicubic", "pixel_shuffle", "deconv", "resize_conv"]
UPSAMPLERS = {name: make for name, make in upsampler_configs() if name in KERNELS} | {
    "pixel_shuffle 1x1": partial(PixelShuffle, kernel_size=1),
    "pixel_shuffle 5x5": partial(PixelShuffle, kernel_size=5),
    "pixel_shuffle icnr": partial(PixelShuffle, init="icnr"),
    "pixel_shuffle bilinear": partial(PixelShuffle, init="bilinear"),
    "deconv 4x4": partial(Deconv, kernel_size=4),
    "deconv 5x5": partial(Deconv, kernel_size=5),
    "deconv 9x9": partial(Deconv, kernel_size=9),
    "deconv 16x16": partial(Deconv, kernel_size=16),
    "deconv icnr": partial(Deconv, init="icnr"),
    "deconv bilinear": partial(Deconv, init="bilinear"),
    "resize_conv 1x1": partial(ResizeConv, kernel_size=1),
    "resize_conv 3x3": partial(ResizeConv, kernel_size=3),
    "resize_conv 11x11": partial(ResizeConv, kernel_size=11),
    "resize_conv bilinear": partial(ResizeConv, mode="bilinear"),
    "resize_conv bicubic": partial(ResizeConv, mode="bicubic"),
    "resize_conv bicubic 3x3": partial(ResizeConv, mode="bicubic", kernel_size=3),
    "resize_conv init bilinear": partial(ResizeConv, init="bilinear"),
}

seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from(SCALES)
channels = st.sampled_from([(1, 1), (3, 3), (4, 1), (5, 3), (1, 2)])
every_upsampler = pytest.mark.parametrize("make", UPSAMPLERS.values(), ids=UPSAMPLERS.keys())
every_scale = pytest.mark.parametrize("scale", SCALES)


def with_weights_of_any_kind(module):
    """Replace the start, which may be sparse or symmetric, by random numbers."""
    for parameter in module.double().parameters():
        torch.nn.init.normal_(parameter)
    return module


def blocks(x, scale):
    """Split the last two axes into the s x s blocks that each input pixel became."""
    return x.unflatten(-1, (-1, scale)).unflatten(-3, (-1, scale)).transpose(-3, -2)


# Sub-pixel and transposed convolution are one layer


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


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 2)])
@every_scale
def test_pixel_shuffle_is_the_deconv_that_holds_its_kernel(scale, inputs, outputs, size):
    shuffle = PixelShuffle(inputs, outputs, scale, kernel_size=size).double()
    deconv = Deconv(inputs, outputs, scale, kernel_size=size * scale).double()
    deconv.deconv.weight.data = subpixel_to_deconv(shuffle.conv.weight.data, scale)
    deconv.deconv.bias.data = picture(outputs) - 0.5
    shuffle.conv.bias.data = deconv.deconv.bias.data.repeat_interleave(scale**2)
    assert deconv.halo == shuffle.halo == size // 2
    assert deconv.deconv.weight.numel() == shuffle.conv.weight.numel()
    framed = mirror_pad(picture(2, inputs, 5, 6), shuffle.halo)
    assert largest(shuffle(framed) - deconv(framed)) < 1e-12


@pytest.mark.parametrize(
    ("scale", "size"), [(2, 2), (2, 3), (2, 4), (2, 5), (2, 9), (3, 3), (3, 4), (3, 5), (3, 6),
                        (3, 9), (4, 4), (4, 5), (4, 6), (4, 7), (4, 9), (4, 12), (4, 15)]
)  # fmt: skip
def test_a_deconv_of_any_kernel_size_scatters_it_about_the_centre_of_each_block(scale, size):
    deconv = Deconv(2, 3, scale, kernel_size=size).double()
    weight, bias = deconv.deconv.weight.detach().numpy(), deconv.deconv.bias.detach().numpy()
    beyond = 2
    framed = picture(1, 2, *[5 + 2 * (deconv.halo + beyond), 6 + 2 * (deconv.halo + beyond)])
    height, width = framed.shape[-2:]

    canvas = np.zeros((3, scale * height + 2 * size, scale * width + 2 * size))
    lead = -(-(size - scale) // 2)  # by how much the kernel begins before the block
    for y in range(height):
        for x in range(width):
            spread = np.einsum("i,iokl->okl", framed[0, :, y, x].numpy(), weight)
            top, left = size + scale * y - lead, size + scale * x - lead
            canvas[:, top : top + size, left : left + size] += spread
    border = size + scale * (deconv.halo + beyond)
    expected = canvas[:, border:-border, border:-border] + bias[:, None, None]

    result = deconv(crop(framed, beyond)).detach().numpy()[0]
    assert result.shape == expected.shape == (3, 5 * scale, 6 * scale)
    assert np.abs(result - expected).max() < 1e-12


@pytest.mark.parametrize(
    ("scale", "size"), [(2, 2), (2, 4), (2, 8), (3, 3), (3, 5), (3, 9), (4, 4), (4, 6), (4, 12)]
)
def test_a_symmetric_deconv_kernel_commutes_with_flips(scale, size):
    deconv = Deconv(2, 2, scale, kernel_size=size).double()
    kernel = deconv.deconv.weight.data
    kernel = kernel + kernel.flip(-1)
    deconv.deconv.weight.data = kernel + kernel.flip(-2)
    framed = picture(1, 2, 5 + 2 * deconv.halo, 6 + 2 * deconv.halo)
    for axes in ([-1], [-2], [-1, -2]):
        assert largest(deconv(framed.flip(axes)) - deconv(framed).flip(axes)) < 1e-12


@pytest.mark.parametrize(
    ("scale", "size", "counts", "ripple"),
    [
        (2, 3, {1, 2, 4}, 0.484),
        (2, 9, {16, 20, 25}, 0.158),
        (3, 4, {1, 2, 4}, 0.515),
        (3, 5, {1, 2, 4}, 0.408),
        (4, 7, {1, 2, 4}, 0.355),
        (4, 9, {4, 6, 9}, 0.275),
        (2, 4, {4}, 0),
        (3, 9, {9}, 0),
        (4, 12, {9}, 0),
    ],
)
def test_a_kernel_that_the_scale_does_not_divide_overlaps_unevenly(scale, size, counts, ripple):
    deconv = Deconv(1, 1, scale, kernel_size=size).double()
    torch.nn.init.ones_(deconv.deconv.weight)
    torch.nn.init.zeros_(deconv.deconv.bias)
    overlaps = deconv(torch.ones(1, 1, 9, 9, dtype=torch.float64)).detach().numpy()
    assert set(overlaps.round(9).flat) == counts
    assert overlaps.std() / overlaps.mean() == pytest.approx(ripple, abs=5e-4)


# Interpolation as a kernel, and as a start


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_bilinear_taps_make_a_transposed_convolution_interpolate(scale):
    taps = bilinear_taps(scale).double()
    assert taps.shape == (2 * scale - scale % 2,) * 2
    image = picture(1, 1, 6, 5)
    spread = F.conv_transpose2d(mirror_pad(image, 1), taps[None, None], stride=scale)
    inside = crop(spread, scale + (taps.shape[0] - scale) // 2)
    assert largest(inside - enlarge(image, scale, "bilinear")) < 1e-6


@every_scale
@pytest.mark.parametrize(
    "make",
    [
        partial(PixelShuffle, init="bilinear"),
        partial(PixelShuffle, init="bilinear", kernel_size=5),
        partial(Deconv, init="bilinear"),
        lambda i, o, scale: Deconv(i, o, scale, init="bilinear", kernel_size=5 * scale),
        partial(ResizeConv, init="bilinear"),
        partial(ResizeConv, init="bilinear", mode="bilinear"),
        partial(Interpolate, init="bilinear", mode="bilinear"),
    ],
)
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 3), (4, 2), (2, 5)])
def test_a_bilinear_start_interpolates_each_output_channel_from_the_input_channel_of_its_number(
    make, inputs, outputs, scale
):
    upsampler = make(inputs, outputs, scale).double()
    image = picture(2, inputs, 5, 6)
    expected = enlarge(image, scale, "bilinear")[:, torch.arange(outputs) % inputs]
    assert largest(upsampler(mirror_pad(image, upsampler.halo)) - expected) < 1e-6


@every_scale
@pytest.mark.parametrize(
    "make", [partial(ResizeConv, mode="bicubic"), partial(Interpolate, mode="bicubic")]
)
def test_the_start_of_a_bicubic_upsampler_is_bicubic(make, scale):
    upsampler = make(3, 2, scale, init="bilinear").double()
    image = picture(1, 3, 5, 6)
    expected = enlarge(image, scale, "bicubic")[:, :2]
    assert largest(upsampler(mirror_pad(image, upsampler.halo)) - expected) < 1e-6


@every_scale
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize(
    "make",
    [
        PixelShuffle,
        partial(PixelShuffle, kernel_size=5),
        Deconv,
        lambda i, o, scale, init: Deconv(i, o, scale, kernel_size=5 * scale, init=init),
    ],
)
def test_icnr_starts_free_of_checkerboard(make, outputs, scale):
    def spread(init):
        upsampler = make(4, outputs, scale, init=init)
        sr = blocks(upsampler(picture(1, 4, 9, 10).float()), scale)
        assert largest(sr[:, :, 0, 0] - sr[:, :, 1, 1]) > 1e-3
        return sr.amax(dim=(-1, -2)) - sr.amin(dim=(-1, -2))

    assert largest(spread("icnr")) < 1e-6
    assert largest(spread("default")) > 1e-2


@every_scale
def test_icnr_gives_each_output_channel_a_kernel_of_its_own_with_the_spread_of_a_convolution(
    scale,
):
    weight = PixelShuffle(8, 3, scale, init="icnr").conv.weight.view(3, scale**2, 8, 3, 3)
    assert torch.equal(weight, weight[:, :1].expand_as(weight))
    assert largest(weight[0] - weight[1]) > 1e-3
    assert largest(weight[1] - weight[2]) > 1e-3
    bound = (8 * 9) ** -0.5  # torch's, uniform, for this fan-in
    assert 0.9 * bound < largest(weight) <= bound


# Resize-convolution


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
def test_the_default_resize_conv_is_the_largest_that_needs_one_pixel_of_frame(scale):
    upsampler = ResizeConv(2, 3, scale)
    assert upsampler.conv.kernel_size == (2 * scale + 1, 2 * scale + 1)
    assert upsampler.halo == 1
    assert ResizeConv(2, 3, scale, kernel_size=2 * scale + 3).halo == 2


@pytest.mark.parametrize(
    ("scale", "size"), [(s, k) for s in SCALES for k in range(1, 2 * s + 2, 2)]
)
def test_a_nearest_resize_conv_merges_into_the_3x3_sub_pixel_kernel(scale, size):
    resized = ResizeConv(2, 3, scale, kernel_size=size).double()
    shuffle = PixelShuffle(2, 3, scale).double()
    merge = torch.zeros(scale, 3, size, dtype=torch.float64)
    for phase in range(scale):
        for tap in range(size):
            merge[phase, (phase + tap - size // 2) // scale + 1, tap] = 1
    kernel = torch.einsum("aum,bvn,oimn->oabiuv", merge, merge, resized.conv.weight.detach())
    shuffle.conv.weight.data = kernel.reshape(3 * scale**2, 2, 3, 3)
    shuffle.conv.bias.data = resized.conv.bias.data.repeat_interleave(scale**2)
    framed = picture(1, 2, 7, 6)
    expected = shuffle(framed)
    assert largest(resized(crop(framed, 1 - resized.halo)) - expected) < 1e-12


@every_scale
@pytest.mark.parametrize("mode", MODES)
def test_a_resize_conv_never_starts_with_a_checkerboard(scale, mode):
    upsampler = ResizeConv(3, 2, scale, mode=mode).double()
    flat = upsampler(torch.ones(1, 3, 9, 9, dtype=torch.float64))
    assert largest(flat - flat[..., :1, :1]) < 1e-12
    assert largest(flat) > 1e-3


# Fixed interpolation


@given(
    scale=scales, mode=st.sampled_from(MODES), height=st.integers(1, 7), channels=st.integers(1, 3)
)
def test_interpolation_between_equal_channels_has_nothing_to_train(scale, mode, height, channels):
    upsampler = Interpolate(channels, channels, scale, mode=mode)
    image = picture(2, channels, height, 5)
    assert count(upsampler) == 0
    assert upsampler.halo == REACH[mode]
    assert torch.equal(upsampler(mirror_pad(image, upsampler.halo)), enlarge(image, scale, mode))


@every_scale
@pytest.mark.parametrize("mode", MODES)
def test_interpolation_between_unequal_channels_convolves_at_low_resolution(scale, mode):
    upsampler = Interpolate(4, 2, scale, mode=mode).double()
    assert count(upsampler) == 4 * 2 * 9 + 2
    assert upsampler.halo == REACH[mode] + 1
    framed = picture(1, 4, 5 + 2 * upsampler.halo, 6 + 2 * upsampler.halo)
    convolved = F.conv2d(framed, upsampler.project.weight, upsampler.project.bias)
    assert largest(upsampler(framed) - interpolate(convolved, scale, mode)) < 1e-12


def test_interpolation_is_bicubic_unless_asked_otherwise():
    image = picture(1, 1, 4, 4)
    assert torch.equal(Interpolate(1, 1, 2)(mirror_pad(image, 2)), enlarge(image, 2, "bicubic"))


@pytest.mark.parametrize("scale", [2, 3, 4, 5])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("size", [None, 1, 3, 5, 9])
def test_the_merged_resize_conv_is_interpolation_and_then_convolution(scale, mode, size):
    layer = ResizeConv(3, 2, scale, size, mode).double()
    x = torch.rand(2, 3, 6, 7, dtype=torch.float64)
    kernel = layer.conv.weight.shape[-1]
    enlarged = enlarge(mirror_pad(x, 9), scale, mode)  # a frame wider than any kernel here
    whole = layer.conv(enlarged)
    start = 9 * scale - kernel // 2
    apart = whole[..., start : start + 6 * scale, start : start + 7 * scale]
    torch.testing.assert_close(layer(mirror_pad(x, layer.halo)), apart, rtol=0, atol=1e-12)
