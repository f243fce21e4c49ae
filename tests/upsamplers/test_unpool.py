import warnings
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from common import count, largest, picture
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from srlab.errors import CheckerboardWarning
from srlab.imaging.resample import REACH, crop, enlarge, mirror_pad, stretch
from srlab.upsamplers.boxed import Boxed
from srlab.upsamplers.carafe import CARAFE
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.kernels import box_line
from srlab.upsamplers.linear import subpixel_form, transposed_form
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.staged import Staged, stage_factors
from srlab.upsamplers.unpool import Unpool, switches, unpool

MODES = sorted(REACH)

FAMILY = {
    "unpool": Unpool,
    "unpool 3x3": partial(Unpool, kernel_size=3),
    "unpool 9x9": partial(Unpool, kernel_size=9),
    "carafe": partial(CARAFE, compressed=4),
    "carafe bilinear": partial(CARAFE, compressed=4, init="bilinear"),
    "carafe 3, 5": partial(CARAFE, compressed=4, kernel_size=3, encoder_size=5),
    "carafe 3, 1": partial(CARAFE, compressed=4, kernel_size=3, encoder_size=1),
    "staged": partial(Staged, stage=PixelShuffle),
    "staged 5x5": partial(Staged, stage=partial(PixelShuffle, kernel_size=5)),
    "staged carafe": partial(Staged, stage=partial(CARAFE, compressed=4)),
    "staged boxed": partial(Staged, stage=partial(Boxed, inner=PixelShuffle)),
    "boxed": partial(Boxed, inner=PixelShuffle),
    "boxed carafe": partial(Boxed, inner=partial(CARAFE, compressed=4)),
    "boxed twice": partial(Boxed, inner=partial(Boxed, inner=Deconv)),
    "deconv 6x6": partial(Deconv, kernel_size=6),
    "deconv padding 0": partial(Deconv, padding=0),
    "deconv padding 8": partial(Deconv, kernel_size=10, padding=8),
    "deconv frozen": partial(Deconv, init="bilinear", frozen=True),
    "deconv phase_bias": partial(Deconv, phase_bias=True),
    "deconv frozen phase_bias": partial(Deconv, init="nearest", frozen=True, phase_bias=True),
}

seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from([2, 3, 4, 5])
sizes = st.integers(1, 6)
channels = st.sampled_from([(1, 1), (3, 3), (4, 1), (2, 3)])
every_member = pytest.mark.parametrize("name", FAMILY)
every_scale = pytest.mark.parametrize("scale", [2, 3, 4, 5])


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def with_any_weights(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.double().parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    return module


def member(name, inputs, outputs, scale, seed=0):
    """Make one with random weights; where stages cannot make 5, they make 6."""
    scale = 6 if name.startswith("staged") and scale == 5 else scale
    return with_any_weights(FAMILY[name](inputs, outputs, scale), seed)


def framed_for(upsampler, height, width, seed=0, n=1):
    """Return the arguments of an upsampler: a framed picture, and a guide if it takes one."""
    h, s = upsampler.halo, upsampler.scale
    rows, columns = height + 2 * h, width + 2 * h
    framed = picture(n, upsampler.in_channels, rows, columns, seed=seed)
    if not upsampler.guided:
        return [framed]
    return [framed, picture(n, 1, s * rows, s * columns, seed=seed + 1)]


def blocks(x, scale):
    """Split the last two axes into the s x s blocks that each input pixel became."""
    return x.unflatten(-1, (-1, scale)).unflatten(-3, (-1, scale)).transpose(-3, -2)


def spread_within_blocks(x, scale):
    return largest(blocks(x, scale).amax((-1, -2)) - blocks(x, scale).amin((-1, -2)))


# ICNR


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("width", [1, 2, 3])
@every_scale
def test_an_icnr_deconv_starts_constant_on_every_block(scale, width, outputs):
    padding = scale * (width // 2)
    upsampler = Deconv(4, outputs, scale, scale * width, padding, init="icnr").double()
    sr = upsampler(*framed_for(upsampler, 5, 6))
    assert spread_within_blocks(sr, scale) < 1e-12
    assert largest(sr[..., 0, 0] - sr[..., -1, -1]) > 1e-3
    random = Deconv(4, outputs, scale, scale * width, padding).double()
    assert spread_within_blocks(random(*framed_for(random, 5, 6)), scale) > 1e-2


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("stage", [PixelShuffle, Deconv])
def test_two_icnr_stages_start_constant_on_the_blocks_of_the_last_and_flat_on_a_flat_picture(
    stage, outputs
):
    def start(**options):
        upsampler = Staged(4, outputs, 4, partial(stage, **options)).double()
        return upsampler, upsampler(*framed_for(upsampler, 5, 6))

    upsampler, sr = start(init="icnr")
    assert spread_within_blocks(sr, 2) < 1e-12
    assert spread_within_blocks(start()[1], 2) > 1e-2
    sums = subpixel_form(upsampler).kernel.sum((-1, -2)).unflatten(0, (outputs, 16))
    assert largest(sums - sums[:, :1]) < 1e-12
    assert largest(sums) > 1e-3
    sums = subpixel_form(start()[0]).kernel.sum((-1, -2)).unflatten(0, (outputs, 16))
    assert largest(sums - sums[:, :1]) > 1e-2


@pytest.mark.parametrize("outputs", [1, 3])
def test_two_icnr_stages_of_1x1_kernels_start_constant_on_blocks_of_4_x_4(outputs):
    upsampler = Staged(4, outputs, 4, partial(PixelShuffle, init="icnr", kernel_size=1)).double()
    assert spread_within_blocks(upsampler(*framed_for(upsampler, 5, 6)), 4) < 1e-12


@pytest.mark.parametrize("options", [{"kernel_size": 8}, {"kernel_size": 9, "padding": 4}])
def test_an_icnr_deconv_needs_whole_multiples_of_the_scale(options):
    with pytest.raises(ValueError, match="init=icnr needs a kernel_size and a padding of whole"):
        Deconv(2, 1, 3, init="icnr", **options)


# The box


@every_scale
@pytest.mark.parametrize(
    "inner",
    [
        PixelShuffle,
        partial(PixelShuffle, kernel_size=1),
        partial(Deconv, kernel_size=7, phase_bias=True),
        partial(Boxed, inner=PixelShuffle),
    ],
)
def test_under_a_box_a_flat_picture_stays_flat_whatever_the_weights_and_biases(inner, scale):
    upsampler = with_any_weights(Boxed(3, 2, scale, inner))
    size = 3 + 2 * upsampler.halo
    flat = picture(1, 3, 1, 1).expand(1, 3, size, size)
    sr = upsampler(flat)
    assert largest(sr - sr[..., :1, :1]) < 1e-12
    assert largest(sr) > 1e-3
    if inner is PixelShuffle:
        bare = upsampler.inner(flat)
        assert largest(bare - bare[..., :1, :1]) > 1e-1


@every_scale
def test_the_phases_of_a_boxed_kernel_have_equal_sums_and_equal_biases(scale):
    form = subpixel_form(with_any_weights(Boxed(3, 2, scale, PixelShuffle)))
    assert form.size <= 5
    sums = form.kernel.sum((-1, -2)).unflatten(0, (2, scale**2))
    assert largest(sums - sums[:, :1]) < 1e-12
    assert largest(sums[0] - sums[1]) > 1e-3
    biases = form.bias.unflatten(0, (2, scale**2))
    assert largest(biases - biases[:, :1]) < 1e-12


@every_scale
def test_a_box_after_nearest_is_bilinear(scale):
    image = picture(2, 3, 5, 6)
    bilinear = enlarge(image, scale, "bilinear")
    for inner in (
        partial(PixelShuffle, init="nearest"),
        partial(Deconv, init="nearest"),
        partial(Interpolate, mode="nearest"),
    ):
        upsampler = Boxed(3, 3, scale, inner).double()
        assert largest(upsampler(mirror_pad(image, upsampler.halo)) - bilinear) < 1e-12


@every_scale
def test_the_box_is_the_mean_of_s_pixels_and_for_even_s_of_two_neighbouring_means(scale):
    line = np.ones(scale) / scale
    if scale % 2 == 0:
        line = np.convolve(line, [0.5, 0.5])
    assert box_line(scale).numpy() == pytest.approx(line, abs=1e-7)
    upsampler = with_any_weights(Boxed(1, 1, scale, PixelShuffle))
    framed = framed_for(upsampler, 4, 5)[0]
    bare = upsampler.inner(framed)[0, 0].numpy()
    boxed = np.apply_along_axis(np.convolve, 0, bare, line, "valid")
    boxed = np.apply_along_axis(np.convolve, 1, boxed, line, "valid")
    surplus = scale - len(line) // 2
    boxed = boxed[surplus:-surplus, surplus:-surplus]
    assert np.abs(upsampler(framed)[0, 0].numpy() - boxed).max() < 1e-6


def test_a_box_costs_no_parameters_and_is_not_saved():
    upsampler = Boxed(3, 2, 4, PixelShuffle)
    assert count(upsampler) == count(PixelShuffle(3, 2, 4))
    assert sorted(upsampler.state_dict()) == ["inner.conv.bias", "inner.conv.weight"]


# Stages


@pytest.mark.parametrize(
    ("scale", "factors"),
    [(2, [2]), (3, [3]), (4, [2, 2]), (6, [2, 3]), (8, [2, 2, 2]), (9, [3, 3])],
)
def test_stages_are_twos_and_then_threes(scale, factors):
    assert stage_factors(scale) == factors
    upsampler = Staged(2, 1, scale, PixelShuffle)
    assert [stage.scale for stage in upsampler.stages] == factors
    assert [stage.out_channels for stage in upsampler.stages] == [2] * (len(factors) - 1) + [1]


@pytest.mark.parametrize("scale", [1, 5, 7, 10])
def test_stages_cannot_make_a_scale_that_has_another_prime_factor(scale):
    with pytest.raises(ValueError, match=f"scale {scale} is no product of these"):
        Staged(2, 1, scale, PixelShuffle)


@pytest.mark.parametrize("scale", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_stages_are_what_their_stages_make_one_after_the_other(size, scale):
    upsampler = with_any_weights(Staged(2, 3, scale, partial(PixelShuffle, kernel_size=size)))
    beyond = upsampler.halo + 6
    image = picture(1, 2, 2 * beyond + 3, 2 * beyond + 4)
    x, made = image, 1
    for stage in upsampler.stages:  # each without a frame, so that the border is lost
        x, made = stage(x), made * stage.scale
    lost = (scale * image.shape[-1] - x.shape[-1]) // 2
    expected = crop(x, scale * beyond - lost)
    got = upsampler(crop(image, beyond - upsampler.halo))
    assert got.shape == expected.shape == (1, 3, 3 * scale, 4 * scale)
    assert largest(got - expected) < 1e-12 * max(1, largest(expected))


def test_two_stages_of_3x3_kernels_need_two_pixels_of_frame():
    # The second needs one pixel of the first's output, half a pixel of the input.
    assert Staged(2, 2, 2, PixelShuffle).halo == 1
    assert Staged(2, 2, 4, PixelShuffle).halo == 2
    assert Staged(2, 2, 8, PixelShuffle).halo == 2


@pytest.mark.parametrize("scale", [4, 6])
def test_bilinear_stages_start_as_bilinear_twice(scale):
    upsampler = Staged(2, 2, scale, partial(PixelShuffle, init="bilinear")).double()
    image = picture(1, 2, 7, 8)
    twice = enlarge(enlarge(image, 2, "bilinear"), scale // 2, "bilinear")
    error = upsampler(mirror_pad(image, upsampler.halo)) - twice
    assert largest(error) < 1e-6  # mirrored borders are mirrored after enlarging, too


# Unpooling


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


@every_scale
def test_unpooling_upsampler_is_an_unpooling_and_a_convolution(scale):
    upsampler = with_any_weights(Unpool(3, 2, scale))
    framed, _ = framed_for(upsampler, 4, 5)
    guide = picture(1, 3, *(scale * n for n in framed.shape[-2:]), seed=1)
    indices = F.max_pool2d(guide, scale, return_indices=True)[1]
    sparse = F.max_unpool2d(framed, indices, scale)
    size = upsampler.conv.kernel_size[0]
    assert size == 2 * scale + 1
    convolved = F.conv2d(sparse, upsampler.conv.weight, upsampler.conv.bias, padding=size // 2)
    assert largest(upsampler(framed, guide) - crop(convolved, scale * upsampler.halo)) < 1e-12


@given(
    scale=st.integers(2, 5), height=st.integers(1, 3), width=st.integers(1, 3),
    corner=st.booleans(), seed=seeds,
)  # fmt: skip
def test_no_window_of_the_default_kernel_is_empty_whatever_the_switches(
    scale, height, width, corner, seed
):
    upsampler = Unpool(1, 1, scale).double()
    nn.init.ones_(upsampler.conv.weight)
    nn.init.zeros_(upsampler.conv.bias)
    framed, guide = framed_for(upsampler, height, width, seed)
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 4}, "kernel_size must be odd and positive, got 4"),
        ({"kernel_size": 0}, "kernel_size must be odd and positive, got 0"),
        ({"init": "icnr"}, "init must be default or bilinear, got 'icnr'"),
    ],
)
def test_a_bad_option_of_unpool_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        Unpool(2, 1, 3, **options)


# CARAFE


@every_scale
@pytest.mark.parametrize(("inputs", "outputs"), [(3, 3), (3, 2)])
def test_carafe_keeps_a_flat_picture_flat(inputs, outputs, scale):
    upsampler = with_any_weights(CARAFE(inputs, outputs, scale, compressed=4))
    size = 3 + 2 * upsampler.halo
    flat = picture(1, inputs, 1, 1).expand(1, inputs, size, size)
    sr = upsampler(flat)
    assert largest(sr - sr[..., :1, :1]) < 1e-12
    if inputs == outputs:
        assert largest(sr - flat[..., :1, :1]) < 1e-12


@every_scale
@pytest.mark.parametrize(("size", "encoder"), [(1, 1), (3, 1), (3, 3), (5, 3), (3, 5)])
def test_the_weights_of_carafe_are_positive_and_add_up_to_one(size, encoder, scale):
    upsampler = with_any_weights(CARAFE(2, 2, scale, size, encoder, compressed=4))
    upsampler.compress.weight[:, 1] = 0  # so that the second channel is mixed and not looked at
    (framed,) = framed_for(upsampler, 3, 3)
    h = upsampler.halo
    framed[:, 1] = 1
    assert largest(upsampler(framed)[:, 1] - 1) < 1e-12
    total = torch.zeros(3 * scale, 3 * scale, dtype=torch.float64)
    for row in range(-(size // 2), size // 2 + 1):
        for column in range(-(size // 2), size // 2 + 1):
            framed[:, 1] = 0
            framed[:, 1, h + 1 + row, h + 1 + column] = 1
            weight = upsampler(framed)[0, 1]
            assert weight.min() >= 0
            assert weight[scale : 2 * scale, scale : 2 * scale].min() > 0
            total += weight
    assert largest(total[scale : 2 * scale, scale : 2 * scale] - 1) < 1e-12


@given(scale=scales, size=st.sampled_from([1, 3, 5]), seed=seeds)
def test_carafe_stays_between_the_extremes_of_the_neighbourhood(scale, size, seed):
    upsampler = with_any_weights(CARAFE(2, 2, scale, size, compressed=4), seed)
    (framed,) = framed_for(upsampler, 4, 5, seed)
    sr = upsampler(framed)
    around = crop(framed, upsampler.halo - size // 2)
    highest = F.max_pool2d(around, size, stride=1)
    lowest = -F.max_pool2d(-around, size, stride=1)
    assert (blocks(sr, scale) <= highest[..., None, None] + 1e-12).all()
    assert (blocks(sr, scale) >= lowest[..., None, None] - 1e-12).all()


@pytest.mark.parametrize(("inputs", "outputs"), [(2, 2), (3, 2)])
@pytest.mark.parametrize(("size", "encoder"), [(3, 3), (5, 3), (3, 1)])
@pytest.mark.parametrize("scale", [2, 3])
def test_carafe_is_the_loop_of_the_paper(scale, size, encoder, inputs, outputs):
    upsampler = with_any_weights(CARAFE(inputs, outputs, scale, size, encoder, compressed=3))
    beyond = 3
    image = picture(1, inputs, 2 * beyond + 3, 2 * beyond + 2)
    got = upsampler(crop(image, beyond - upsampler.halo))[0].numpy()

    # Kernel prediction: compress, encode, rearrange to s H x s W x k^2, normalise (section 3.2).
    compressed = F.conv2d(image, upsampler.compress.weight, upsampler.compress.bias)
    encoded = F.conv2d(
        compressed, upsampler.encode.weight, upsampler.encode.bias, padding=encoder // 2
    )
    kernels = F.pixel_shuffle(encoded, scale)[0].numpy()
    source = image
    if inputs != outputs:  # CARAFE itself keeps the number of channels
        source = F.conv2d(image, upsampler.project.weight, upsampler.project.bias, padding=1)
    source = source[0].numpy()
    # Reassembly (section 3.3): location l' = (x', y') looks at l = floor(l' / s).
    radius = size // 2
    for row, column in np.ndindex(got.shape[1:]):
        large_row, large_column = row + scale * beyond, column + scale * beyond
        logits = kernels[:, large_row, large_column].reshape(size, size)
        weights = np.exp(logits) / np.exp(logits).sum()
        i, j = large_row // scale, large_column // scale
        expected = np.zeros(outputs)
        for n in range(-radius, radius + 1):
            for m in range(-radius, radius + 1):
                expected += weights[n + radius, m + radius] * source[:, i + n, j + m]
        assert np.abs(got[:, row, column] - expected).max() < 1e-12


@every_scale
@pytest.mark.parametrize("size", [3, 5])
def test_carafe_with_a_bilinear_start_is_bilinear_but_for_a_thousandth_for_each_neighbour(
    size, scale
):
    upsampler = CARAFE(2, 2, scale, size, init="bilinear").double()
    image = picture(1, 2, 6, 7)
    framed = mirror_pad(image, upsampler.halo)
    bilinear = enlarge(image, scale, "bilinear")
    assert largest(upsampler(framed) - bilinear) < 0.03  # of a picture between 0 and 1

    nn.init.zeros_(upsampler.encode.weight)  # which begin near zero
    around = mirror_pad(image, size // 2)
    mean = F.interpolate(F.avg_pool2d(around, size, stride=1), scale_factor=scale)
    floor = 1e-3 * size**2
    expected = (bilinear + floor * mean) / (1 + floor)
    assert largest(upsampler(framed) - expected) < 1e-6


@every_scale
def test_carafe_starts_near_the_mean_of_the_neighbourhood_by_default(scale):
    upsampler = CARAFE(2, 2, scale).double()
    image = picture(1, 2, 6, 7)
    mean = F.avg_pool2d(mirror_pad(image, 2), 5, stride=1)
    mean = F.interpolate(mean, scale_factor=scale)
    assert largest(upsampler(mirror_pad(image, upsampler.halo)) - mean) < 0.01


def test_carafe_has_the_parameters_of_the_paper():
    # 1x1 to 64 channels, then 3x3 to s^2 k^2 = 4 x 25, both with biases.
    assert count(CARAFE(256, 256, 2)) == 256 * 64 + 64 + 64 * 9 * 100 + 100
    assert count(CARAFE(32, 1, 2)) == 32 * 64 + 64 + 64 * 9 * 100 + 100 + 32 * 9 + 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kernel_size": 4}, "kernel_size must be odd and positive, got 4"),
        ({"encoder_size": 2}, "encoder_size must be odd and positive, got 2"),
        ({"compressed": 0}, "compressed must be at least 1, got 0"),
        ({"init": "icnr"}, "init must be default or bilinear, got 'icnr'"),
        ({"init": "bilinear", "kernel_size": 1}, "init=bilinear needs a kernel_size of at least 3"),
    ],
)
def test_a_bad_option_of_carafe_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        CARAFE(2, 1, 3, **options)


# Deconvolution of any kernel


@pytest.mark.parametrize(
    ("scale", "size", "less", "more"),
    [(2, 3, 2, 4), (2, 9, 8, 10), (3, 4, 3, 6), (3, 8, 6, 9), (4, 9, 8, 12), (4, 5, 4, 8)],
)
def test_a_kernel_that_the_scale_does_not_divide_is_warned_of_with_two_that_it_does(
    scale, size, less, more
):
    message = f"kernel size {size} .* of the scale {scale} .*kernel_size={less} or {more} would not"
    with pytest.warns(CheckerboardWarning, match=message):
        Deconv(2, 1, scale, kernel_size=size)


@given(scale=st.integers(1, 5), times=st.integers(1, 4), data=st.data())
def test_a_kernel_that_the_scale_divides_is_not_warned_of(scale, times, data):
    padding = data.draw(st.none() | st.integers(0, scale * times - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Deconv(2, 1, scale, kernel_size=scale * times, padding=padding)
        Deconv(2, 1, scale)


@given(data=st.data(), scale=scales, seed=seeds)
def test_a_padding_moves_the_picture_and_changes_nothing_else(data, scale, seed):
    size = data.draw(st.integers(scale, 3 * scale))
    padding = data.draw(st.integers(0, size - 1))
    centred, moved = (Deconv(2, 1, scale, size, p).double() for p in (None, padding))
    moved.load_state_dict(with_any_weights(centred, seed).state_dict())
    wide = 8
    framed = picture(1, 2, 2 * wide, 2 * wide, seed=seed)
    offset = padding - centred.padding
    first = crop(centred(framed), scale * (wide - 2 - centred.halo))
    start = scale * (wide - 2 - moved.halo) - offset
    second = moved(framed)[..., start : start + 4 * scale, start : start + 4 * scale]
    assert first.shape == second.shape
    assert largest(first - second) < 1e-12


@pytest.mark.parametrize(
    ("scale", "size", "padding"), [(2, 6, 2), (3, 9, 3), (4, 12, 4), (3, 8, 3)]
)
def test_the_default_padding_centres_the_kernel(scale, size, padding):
    assert Deconv(2, 1, scale, size).padding == padding


@every_scale
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 3), (4, 2), (2, 5)])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_a_frozen_deconv_interpolates_and_its_kernel_is_not_trained(mode, inputs, outputs, scale):
    upsampler = Deconv(inputs, outputs, scale, init=mode, frozen=True).double()
    assert not upsampler.deconv.weight.requires_grad
    assert upsampler.deconv.bias is None
    image = picture(2, inputs, 5, 6)
    expected = enlarge(image, scale, mode)[:, torch.arange(outputs) % inputs]
    assert largest(upsampler(mirror_pad(image, upsampler.halo)) - expected) < 1e-6
    trained = [name for name, p in upsampler.named_parameters() if p.requires_grad]
    if inputs == outputs:
        assert trained == []
    else:
        assert trained == ["project.weight", "project.bias"]
        assert upsampler.project.weight.shape == (outputs, inputs, 3, 3)
        assert upsampler.deconv.weight.shape[:2] == (outputs, outputs)


@torch.enable_grad()
@pytest.mark.parametrize("phase_bias", [False, True])
def test_training_leaves_a_frozen_kernel_as_it_was(phase_bias):
    upsampler = Deconv(3, 2, 2, init="bilinear", frozen=True, phase_bias=phase_bias)
    before = upsampler.deconv.weight.clone()
    first = upsampler.project.weight.clone()
    optimiser = torch.optim.Adam(upsampler.parameters(), lr=0.1)
    for _ in range(3):
        framed = framed_for(upsampler, 4, 4)[0].float()
        (upsampler(framed) - 1).square().mean().backward()
        optimiser.step()
    assert upsampler.deconv.weight.grad is None
    assert torch.equal(upsampler.deconv.weight, before)
    assert not torch.equal(upsampler.project.weight, first)
    if phase_bias:
        assert largest(upsampler.phase_bias) > 0


@every_scale
def test_a_phase_bias_is_added_to_its_phase_and_starts_at_nought(scale):
    plain = Deconv(2, 3, scale, phase_bias=True).double()
    assert plain.deconv.bias is None
    assert largest(plain.phase_bias) == 0
    assert count(plain) == 2 * 3 * (3 * scale) ** 2 + 3 * scale**2
    framed = framed_for(plain, 3, 4)[0]
    before = plain(framed)
    plain.phase_bias.data = picture(3, scale, scale)
    added = blocks(plain(framed) - before, scale)
    assert largest(added - plain.phase_bias[None, :, None, None]) < 1e-12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding": -1}, "padding must be at least 0 and under 9, got -1"),
        ({"padding": 9}, "padding must be at least 0 and under 9, got 9"),
        ({"kernel_size": 2}, "kernel_size must be at least the scale 3, got 2"),
        ({"init": "bilinear", "padding": 0}, "init=bilinear at scale 3 needs a kernel_size"),
        ({"init": "nearest", "kernel_size": 3, "padding": 1}, "init=nearest at scale 3 needs"),
    ],
)
def test_a_bad_option_of_deconv_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        Deconv(2, 1, 3, **options)


@every_scale
@pytest.mark.parametrize("init", ["nearest", "bilinear"])
def test_an_interpolating_start_fits_any_kernel_and_padding_that_hold_it(init, scale):
    taps = transposed_form(subpixel_form(Interpolate(1, 1, scale, mode=init)))
    image = picture(1, 2, 4, 5)
    for before in (0, 1, 3):
        for after in (0, 2):
            size, padding = taps.size + before + after, taps.padding + before
            upsampler = Deconv(2, 2, scale, size, padding, init=init).double()
            sr = upsampler(mirror_pad(image, upsampler.halo))
            assert largest(sr - enlarge(image, scale, init)) < 1e-6
    with pytest.raises(ValueError, match=f"init={init}"):
        Deconv(2, 2, scale, taps.size + 1, taps.padding + 2, init=init)


# Interpolation with aligned corners, and to any size


SQUARE = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])


@pytest.mark.parametrize(
    ("size", "mode", "align_corners", "expected"),
    [
        ((4, 4), "nearest", False, [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]),
        (
            (4, 4),
            "bilinear",
            False,
            [
                [1, 1.25, 1.75, 2],
                [1.5, 1.75, 2.25, 2.5],
                [2.5, 2.75, 3.25, 3.5],
                [3, 3.25, 3.75, 4],
            ],
        ),
        (
            (4, 4),
            "bilinear",
            True,
            [
                [1, 1.3333, 1.6667, 2],
                [1.6667, 2, 2.3333, 2.6667],
                [2.3333, 2.6667, 3, 3.3333],
                [3, 3.3333, 3.6667, 4],
            ],
        ),
        (
            (3, 5),
            "bilinear",
            True,
            [[1, 1.25, 1.5, 1.75, 2], [2, 2.25, 2.5, 2.75, 3], [3, 3.25, 3.5, 3.75, 4]],
        ),
        ((3, 5), "nearest", False, [[1, 1, 1, 2, 2], [1, 1, 1, 2, 2], [3, 3, 3, 4, 4]]),
    ],
)
def test_stretching_gives_the_examples_of_nn_upsample(size, mode, align_corners, expected):
    stretched = stretch(SQUARE, *size, mode, align_corners)
    assert stretched.dtype == torch.float32
    assert largest(stretched - torch.tensor([[expected]])) < 1e-4
    options = {} if mode == "nearest" else {"align_corners": align_corners}
    by_torch = nn.Upsample(size=size, mode=mode, **options)(SQUARE)
    assert largest(stretched - by_torch) < 1e-6


@given(
    old=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    new=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=seeds,
)
def test_stretching_is_torchs_interpolation_at_any_size(old, new, seed):
    x = picture(2, 2, *old, seed=seed)
    assert torch.equal(stretch(x, *new, "nearest"), F.interpolate(x, size=new, mode="nearest"))
    for align_corners in (False, True):
        by_torch = F.interpolate(x, size=new, mode="bilinear", align_corners=align_corners)
        assert largest(stretch(x, *new, "bilinear", align_corners) - by_torch) < 1e-12


@given(old=st.integers(1, 40), new=st.integers(1, 200))
def test_nearest_is_a_whole_quotient_also_where_single_precision_would_round_it(old, new):
    x = torch.arange(old, dtype=torch.float64).view(1, 1, 1, old)
    expected = [i * old // new for i in range(new)]
    assert stretch(x, 1, new, "nearest").flatten().tolist() == expected


@given(scale=scales, height=sizes, width=sizes, mode=st.sampled_from(MODES), seed=seeds)
def test_stretching_by_a_whole_factor_is_enlarging(scale, height, width, mode, seed):
    x = picture(1, 2, height, width, seed=seed)
    stretched = stretch(x, scale * height, scale * width, mode)
    assert largest(stretched - enlarge(x, scale, mode)) < 1e-12


@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    mode=st.sampled_from(MODES),
    align_corners=st.booleans(),
    seed=seeds,
)
def test_stretching_to_the_same_size_changes_nothing(size, mode, align_corners, seed):
    x = picture(1, 1, *size, seed=seed)
    aligned = align_corners and mode != "nearest"
    assert largest(stretch(x, *size, mode, aligned) - x) < 1e-12


@given(
    new=st.tuples(st.integers(2, 30), st.integers(2, 30)),
    mode=st.sampled_from(["bilinear", "bicubic"]),
    seed=seeds,
)
def test_with_aligned_corners_the_corners_stay(new, mode, seed):
    x = picture(1, 1, 5, 6, seed=seed)
    stretched = stretch(x, *new, mode, align_corners=True)
    assert largest(stretched[..., :: new[0] - 1, :: new[1] - 1] - x[..., ::4, ::5]) < 1e-12


def keys(t):
    """Keys' cubic with a = -1/2."""
    t = abs(t)
    if t <= 1:
        return 1.5 * t**3 - 2.5 * t**2 + 1
    return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0


@given(old=st.integers(1, 7), new=st.integers(1, 25), align_corners=st.booleans(), seed=seeds)
def test_bicubic_stretching_is_a_sum_of_keys_cubics_over_a_mirrored_line(
    old, new, align_corners, seed
):
    line = picture(old, seed=seed).numpy()
    mirrored = np.pad(line, 8, mode="symmetric")
    expected = []
    for i in range(new):
        if align_corners:
            place = i * (old - 1) / (new - 1) if new > 1 else 0
        else:
            place = (i + 0.5) * old / new - 0.5
        expected.append(sum(keys(j - place) * mirrored[j + 8] for j in range(-8, old + 8)))
    stretched = stretch(torch.from_numpy(line)[None, None, None], 1, new, "bicubic", align_corners)
    assert stretched.flatten().tolist() == pytest.approx(expected, abs=1e-12)


@given(scale=scales, height=sizes, width=sizes, seed=seeds)
def test_aligned_corners_are_torchs_for_bilinear(scale, height, width, seed):
    upsampler = Interpolate(2, 2, scale, mode="bilinear", align_corners=True)
    x = picture(1, 2, height, width, seed=seed)
    by_torch = F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=True)
    assert (upsampler.halo, upsampler.whole, count(upsampler)) == (0, True, 0)
    assert largest(upsampler(x) - by_torch) < 1e-12


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@every_scale
def test_between_unequal_channels_a_convolution_of_the_mirrored_picture_comes_first(scale, mode):
    upsampler = with_any_weights(Interpolate(3, 2, scale, mode, align_corners=True))
    x = picture(1, 3, 5, 6)
    projected = F.conv2d(mirror_pad(x, 1), upsampler.project.weight, upsampler.project.bias)
    expected = stretch(projected, 5 * scale, 6 * scale, mode, align_corners=True)
    assert upsampler(x).shape == (1, 2, 5 * scale, 6 * scale)
    assert largest(upsampler(x) - expected) < 1e-12


def test_with_aligned_corners_the_pixels_drift_so_that_a_window_is_not_the_same():
    upsampler = Interpolate(1, 1, 2, mode="bilinear", align_corners=True)
    x = picture(1, 1, 8, 8)
    assert largest(upsampler(x[..., 2:, :]) - upsampler(x)[..., 4:, :]) > 1e-2


def test_nearest_has_no_corners_to_align():
    with pytest.raises(ValueError, match="align_corners is for bilinear and bicubic"):
        Interpolate(1, 1, 2, mode="nearest", align_corners=True)
