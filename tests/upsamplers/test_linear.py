from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from common import largest, picture
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from srlab.imaging.resample import REACH, crop, enlarge, interpolate, mirror_pad
from srlab.upsamplers.boxed import Boxed
from srlab.upsamplers.carafe import CARAFE
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.linear import (
    NotLinear,
    SubPixel,
    differences,
    subpixel_form,
    take_over,
    transposed_form,
)
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv
from srlab.upsamplers.staged import Staged
from srlab.upsamplers.unpool import Unpool

MODES = sorted(REACH)

LINEAR = {
    "pixel_shuffle": PixelShuffle,
    "pixel_shuffle 1x1": partial(PixelShuffle, kernel_size=1),
    "pixel_shuffle 5x5": partial(PixelShuffle, kernel_size=5),
    "deconv": Deconv,
    "deconv 7x7": partial(Deconv, kernel_size=7),
    "deconv off centre": partial(Deconv, kernel_size=9, padding=1),
    "deconv phase_bias": partial(Deconv, phase_bias=True),
    "deconv frozen": partial(Deconv, init="bilinear", frozen=True),
    "resize_conv": ResizeConv,
    "resize_conv bilinear": partial(ResizeConv, mode="bilinear"),
    "resize_conv bicubic 3x3": partial(ResizeConv, mode="bicubic", kernel_size=3),
    "nearest": partial(Interpolate, mode="nearest"),
    "bilinear": partial(Interpolate, mode="bilinear"),
    "bicubic": partial(Interpolate, mode="bicubic"),
    "staged": partial(Staged, stage=PixelShuffle),
    "staged deconv": partial(Staged, stage=partial(Deconv, kernel_size=5)),
    "boxed": partial(Boxed, inner=PixelShuffle),
    "boxed deconv": partial(Boxed, inner=partial(Deconv, kernel_size=5, phase_bias=True)),
}

seeds = st.integers(0, 2**32 - 1)
scales = st.sampled_from([2, 3, 4, 5])
channels = st.sampled_from([(1, 1), (2, 2), (3, 1), (1, 3)])
sizes = st.integers(1, 5)
every_linear = pytest.mark.parametrize("name", LINEAR)
every_scale = pytest.mark.parametrize("scale", [2, 3, 4, 5])


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def with_any_weights(module, seed=0):
    """Replace the start, which may be sparse or symmetric, by random numbers."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    return module


def linear(name, inputs, outputs, scale, seed=0):
    if name.startswith("staged") and scale == 5:
        scale = 6
    return with_any_weights(LINEAR[name](inputs, outputs, scale), seed)


def framed_for(module, height, width, seed=0, n=1):
    h = module.halo
    return picture(n, module.in_channels, height + 2 * h, width + 2 * h, seed=seed) - 0.5


def zero_framed(module, x):
    return F.pad(x, [module.halo] * 4)


def scattered(framed, halo, kernel, padding, scale):
    """Scatter by torch's transposed convolution and cut out what lies over the framed picture."""
    rows, columns = (scale * (n - 2 * halo) for n in framed.shape[-2:])
    start = scale * halo + padding
    canvas = F.pad(F.conv_transpose2d(framed, kernel, stride=scale), [0, start, 0, start])
    return canvas[..., start : start + rows, start : start + columns]


# The form


@every_linear
@given(scale=scales, io=channels, height=sizes, width=sizes, seed=seeds)
def test_a_linear_upsampler_is_a_convolution_at_low_resolution_and_pixel_shuffle(
    name, scale, io, height, width, seed
):
    single = linear(name, *io, scale, seed)
    form = subpixel_form(single)
    assert (form.in_channels, form.out_channels, form.scale) == (*io, single.scale)
    assert form.size <= 2 * single.halo + 1
    framed = framed_for(single, height, width, seed, n=2)
    by_form = form(crop(framed, single.halo - form.size // 2))
    error = largest(by_form - single(framed.float()))
    assert error < 1e-5 * max(1, largest(by_form))
    assert largest(by_form - single.double()(framed)) < 1e-12 * max(1, largest(by_form))


def test_reading_off_the_form_changes_nothing():
    layer = linear("boxed deconv", 2, 1, 3)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.train()
    subpixel_form(layer)
    assert layer.training
    assert all(value.dtype == torch.float32 for value in layer.state_dict().values())
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


@given(size=st.sampled_from([1, 3, 5]), margin=st.integers(1, 2), scale=scales, seed=seeds)
def test_the_form_is_the_smallest_one(size, margin, scale, seed):
    layer = PixelShuffle(2, 2, scale, kernel_size=size + 2 * margin)
    inner = picture(2 * scale**2, 2, size, size, seed=seed) - 0.5
    layer.conv.weight.data = F.pad(inner, [margin] * 4)
    layer.double()
    assert subpixel_form(layer).size == size


@pytest.mark.parametrize("where", [(0, 0), (0, 2), (4, 3), (2, 4)])
def test_a_single_tiny_weight_in_the_outer_ring_counts(where):
    layer = PixelShuffle(1, 1, 2, kernel_size=5)
    nn.init.zeros_(layer.conv.weight)
    nn.init.zeros_(layer.conv.bias)
    layer.conv.weight.data[:, :, 2, 2] = 1e4
    layer.conv.weight.data[3, 0, *where] = 1e-9
    assert subpixel_form(layer).size == 5


@every_scale
def test_the_form_of_pixel_shuffle_is_its_own_weights(scale):
    layer = linear("pixel_shuffle", 3, 2, scale)
    form = subpixel_form(layer)
    assert torch.equal(form.kernel.float(), layer.conv.weight)
    assert torch.equal(form.bias.float(), layer.conv.bias)


@pytest.mark.parametrize(
    "make",
    [
        CARAFE,
        partial(CARAFE, init="bilinear"),
        Unpool,
        partial(Interpolate, mode="bilinear", align_corners=True),
    ],
)
def test_what_is_no_fixed_convolution_has_no_form(make):
    layer = make(2, 2, 2)
    with pytest.raises(NotLinear, match=f"^{type(layer).__name__} is no"):
        subpixel_form(layer)


def test_an_upsampler_from_elsewhere_has_a_form_only_if_it_is_linear():
    def elsewhere(*middle):
        layer = nn.Sequential(nn.Conv2d(2, 12, 3), *middle, nn.PixelShuffle(2))
        layer.in_channels, layer.scale, layer.halo = 2, 2, 1
        return layer

    layer = elsewhere()
    assert torch.equal(subpixel_form(layer).kernel.float(), layer[0].weight)
    with pytest.raises(NotLinear, match="Sequential is not linear"):
        subpixel_form(elsewhere(nn.Tanh()))
    with pytest.raises(ValueError, match="Sequential needs an attribute in_channels"):
        subpixel_form(nn.Sequential(nn.Upsample(scale_factor=2)))


# The transposed form


@every_linear
@given(scale=scales, io=channels, height=sizes, width=sizes, seed=seeds)
def test_a_linear_upsampler_is_a_transposed_convolution_in_any_frame_and_in_one_of_zeros(
    name, scale, io, height, width, seed
):
    layer = linear(name, *io, scale, seed).double()
    scale = layer.scale
    form = transposed_form(subpixel_form(layer))
    assert form.kernel.shape == (*io, form.size, form.size)
    assert form.bias.shape == (io[1], scale, scale)
    assert 0 <= form.padding < form.size >= scale
    framed = framed_for(layer, height, width, seed)
    bias = form.bias.repeat(1, height, width)
    expected = scattered(framed, layer.halo, form.kernel, form.padding, scale) + bias
    assert largest(layer(framed) - expected) < 1e-12 * max(1, largest(expected))

    x = crop(framed, layer.halo)
    expected = scattered(x, 0, form.kernel, form.padding, scale) + bias
    assert largest(layer(zero_framed(layer, x)) - expected) < 1e-12 * max(1, largest(expected))


@given(data=st.data(), scale=scales, io=channels, phases=st.booleans(), seed=seeds)
def test_the_transposed_form_of_a_deconv_is_its_own_kernel_bit_for_bit(
    data, scale, io, phases, seed
):
    size = data.draw(st.integers(scale, 4 * scale))
    padding = data.draw(st.integers(0, size - 1))
    layer = with_any_weights(Deconv(*io, scale, size, padding, phase_bias=phases), seed)
    form = transposed_form(subpixel_form(layer))
    assert (form.size, form.padding) == (size, padding)
    assert torch.equal(form.kernel.float(), layer.deconv.weight)
    if phases:
        assert torch.equal(form.bias.float(), layer.phase_bias)
    else:
        assert form.one_bias
        assert torch.equal(form.bias[:, 0, 0].float(), layer.deconv.bias)


def test_phases_share_a_bias_only_if_all_of_them_do():
    bias = torch.zeros(2, 3, 3)
    bias[0] = 5
    form = partial(transposed_form_with, torch.ones(18, 1, 1, 1, dtype=torch.float64))
    assert form(bias).one_bias
    bias[1, 2, 2] = 1e-9
    assert not form(bias).one_bias


def transposed_form_with(kernel, bias):
    return transposed_form(SubPixel(kernel, bias.flatten(), 3))


@pytest.mark.parametrize("tap", [(0, 0), (2, 2), (0, 2), (1, 1), (2, 1)])
@pytest.mark.parametrize("phase", [(0, 0), (1, 0), (-1, -1)])
@every_scale
def test_a_kernel_of_a_single_tap_wherever_it_lies_is_a_transposed_convolution(scale, phase, tap):
    layer = PixelShuffle(1, 1, scale).double()
    nn.init.zeros_(layer.conv.weight)
    layer.conv.weight.data.view(scale, scale, 3, 3)[*phase, *tap] = 1
    form = subpixel_form(layer)
    deconv = Deconv(1, 1, scale, **Deconv.options_for(form)).double()
    take_over(deconv, form)
    framed = picture(1, 1, 6, 7)
    expected = layer(framed)
    assert largest(deconv(crop(framed, 1 - deconv.halo)) - expected) < 1e-12
    spread = transposed_form(form)
    expected = expected - spread.bias.repeat(1, 4, 5)
    got = scattered(framed, 1, spread.kernel, spread.padding, scale)
    assert largest(got - expected) < 1e-12


@every_scale
def test_a_kernel_of_zeros_still_has_a_transposed_form(scale):
    layer = PixelShuffle(2, 1, scale)
    nn.init.zeros_(layer.conv.weight)
    form = transposed_form(subpixel_form(layer))
    assert (form.size, form.padding, largest(form.kernel)) == (scale, 0, 0)
    deconv = Deconv(2, 1, scale, **Deconv.options_for(subpixel_form(layer)))
    take_over(deconv, subpixel_form(layer))
    assert largest(deconv.deconv.weight) == 0
    assert torch.equal(deconv.phase_bias.flatten(), layer.conv.bias)


@every_scale
@pytest.mark.parametrize(
    ("mode", "kernel"),
    [
        ("nearest", lambda t: (abs(t) < 0.5).astype(float)),
        ("bilinear", lambda t: np.maximum(1 - abs(t), 0)),
        (
            "bicubic",  # Keys 1981, a = -1/2
            lambda t: np.where(
                abs(t) <= 1,
                1.5 * abs(t) ** 3 - 2.5 * t**2 + 1,
                np.where(abs(t) < 2, -0.5 * abs(t) ** 3 + 2.5 * t**2 - 4 * abs(t) + 2, 0),
            ),
        ),
    ],
)
def test_interpolation_scatters_its_kernel_sampled_at_the_distances_of_the_pixels(
    mode, kernel, scale
):
    form = transposed_form(subpixel_form(Interpolate(1, 1, scale, mode=mode)))
    line = kernel((np.arange(form.size) - form.padding + 0.5) / scale - 0.5)
    assert largest(form.kernel[0, 0] - torch.from_numpy(np.outer(line, line))) < 1e-12


# One layer takes over another


@given(data=st.data(), scale=scales, io=channels, seed=seeds)
def test_a_deconv_goes_to_pixel_shuffle_and_back_bit_for_bit(data, scale, io, seed):
    size = data.draw(st.integers(scale, 3 * scale))
    padding = data.draw(st.integers(0, size - 1))
    first = with_any_weights(Deconv(*io, scale, size, padding), seed)
    form = subpixel_form(first)
    shuffle = PixelShuffle(*io, scale, **PixelShuffle.options_for(form))
    take_over(shuffle, form)
    there = subpixel_form(shuffle)
    options = Deconv.options_for(there)
    assert options == {"kernel_size": size, "padding": padding, "phase_bias": False}
    second = Deconv(*io, scale, **options)
    take_over(second, there)
    assert torch.equal(second.deconv.weight, first.deconv.weight)
    assert torch.equal(second.deconv.bias, first.deconv.bias)
    framed = picture(1, io[0], 5 + 2 * shuffle.halo, 6 + 2 * shuffle.halo).float()
    other = crop(framed, shuffle.halo - first.halo)
    assert largest(shuffle(framed) - first(other)) < 1e-5


@given(size=st.sampled_from([1, 3, 5]), scale=scales, io=channels, seed=seeds)
def test_pixel_shuffle_goes_to_a_deconv_with_phase_biases_and_back_bit_for_bit(
    size, scale, io, seed
):
    first = with_any_weights(PixelShuffle(*io, scale, kernel_size=size), seed)
    form = subpixel_form(first)
    deconv = Deconv(*io, scale, **Deconv.options_for(form))
    assert deconv.deconv.bias is None
    take_over(deconv, form)
    assert deconv.deconv.weight.numel() == first.conv.weight.numel()
    assert deconv.phase_bias.numel() == first.conv.bias.numel()
    second = PixelShuffle(*io, scale, kernel_size=size)
    take_over(second, subpixel_form(deconv))
    assert torch.equal(second.conv.weight, first.conv.weight)
    assert torch.equal(second.conv.bias, first.conv.bias)


@every_linear
@pytest.mark.parametrize("target", [PixelShuffle, Deconv])
@given(scale=scales, io=channels, seed=seeds)
def test_pixel_shuffle_and_deconv_can_take_over_every_linear_upsampler(
    name, target, scale, io, seed
):
    source = linear(name, *io, scale, seed).double()
    form = subpixel_form(source)
    layer = target(*io, source.scale, **target.options_for(form)).double()
    take_over(layer, form)
    widest = max(layer.halo, source.halo)
    framed = picture(2, io[0], 3 + 2 * widest, 4 + 2 * widest, seed=seed)
    expected = source(crop(framed, widest - source.halo))
    got = layer(crop(framed, widest - layer.halo))
    assert largest(got - expected) < 1e-12 * max(1, largest(expected))


@every_scale
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 2)])
@pytest.mark.parametrize("mode", MODES)
def test_a_resize_conv_finds_its_weights_again_in_the_form_it_became(mode, inputs, outputs, scale):
    first = with_any_weights(ResizeConv(inputs, outputs, scale, mode=mode)).double()
    shuffle = PixelShuffle(inputs, outputs, scale, kernel_size=2 * first.halo + 1).double()
    take_over(shuffle, subpixel_form(first))
    second = ResizeConv(inputs, outputs, scale, mode=mode).double()
    take_over(second, subpixel_form(shuffle))
    assert largest(second.conv.weight - first.conv.weight) < 1e-9
    assert largest(second.conv.bias - first.conv.bias) < 1e-12


@every_scale
@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (3, 2)])
@pytest.mark.parametrize("mode", MODES)
def test_nearest_resizing_and_a_convolution_can_be_any_interpolation(mode, inputs, outputs, scale):
    source = with_any_weights(Interpolate(inputs, outputs, scale, mode=mode)).double()
    form = subpixel_form(source)
    layer = ResizeConv(inputs, outputs, scale, **ResizeConv.options_for(form)).double()
    take_over(layer, form)
    assert max(differences(subpixel_form(layer), form)) < 1e-10


@every_scale
@pytest.mark.parametrize("mode", MODES)
def test_interpolation_takes_over_what_is_a_convolution_and_that_interpolation(mode, scale):
    first = with_any_weights(Interpolate(3, 2, scale, mode=mode)).double()
    second = Interpolate(3, 2, scale, mode=mode).double()
    take_over(second, subpixel_form(first))
    assert largest(second.project.weight - first.project.weight) < 1e-10
    other = next(m for m in MODES if m != mode)
    with pytest.raises(ValueError, match=r"^Interpolate cannot represent it: "):
        take_over(Interpolate(3, 2, scale, mode=other), subpixel_form(first))


@every_scale
def test_a_box_takes_over_what_the_box_is_a_factor_of(scale):
    first = with_any_weights(Boxed(2, 2, scale, PixelShuffle)).double()
    second = Boxed(2, 2, scale, PixelShuffle).double()
    take_over(second, subpixel_form(first))
    assert largest(second.inner.conv.weight - first.inner.conv.weight) < 1e-9
    bilinear = subpixel_form(Interpolate(2, 2, scale, mode="bilinear"))
    take_over(second, bilinear)
    assert max(differences(subpixel_form(second), bilinear)) < 1e-6


def random_form(inputs=2, outputs=2, scale=3, **options):
    return subpixel_form(with_any_weights(PixelShuffle(inputs, outputs, scale, **options)))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (ResizeConv, "ResizeConv cannot represent it: its kernel would be off by [0-9.]+$"),
        (Interpolate, "Interpolate cannot represent it: its kernel would be off by [0-9.]+$"),
        (partial(Boxed, inner=PixelShuffle), "Boxed cannot represent it: its kernel would be off"),
        (Deconv, "Deconv cannot represent it: its biases would be off by [0-9.]+$"),  # one bias
        (
            partial(PixelShuffle, kernel_size=1),
            "PixelShuffle cannot represent it: it takes a 3x3 kernel .*, and there are 1x1$",
        ),
        (
            partial(Deconv, kernel_size=6),
            "Deconv cannot represent it: it takes a kernel_size of 9 with padding 3, and there are "
            "6 and 2$",
        ),
        (
            partial(Deconv, padding=4),
            "Deconv cannot represent it: it takes a kernel_size of 9 with padding 3, and there are "
            "9 and 4$",
        ),
        (partial(Deconv, frozen=True), "Deconv cannot represent it: its kernel is frozen$"),
        (CARAFE, "CARAFE cannot take over another upsampler's kernel$"),
        (Unpool, "Unpool cannot take over another upsampler's kernel$"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_in_a_sentence(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        take_over(make(2, 2, 3), random_form())


@pytest.mark.parametrize("make", [PixelShuffle, partial(Deconv, phase_bias=True)])
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ((1, 1, 2), (3, 1, 2)),  # which would be spread over three channels
        ((1, 9, 2), (1, 4, 3)),  # which has as many numbers
        ((2, 2, 2), (3, 2, 2)),
        ((2, 2, 2), (2, 3, 2)),
        ((2, 2, 2), (2, 2, 3)),
    ],
)
def test_a_form_of_other_channels_or_another_scale_is_refused(make, theirs, ours):
    with pytest.raises(ValueError, match=f"{type(make(*ours)).__name__} cannot"):
        take_over(make(*ours), random_form(*theirs))


def test_a_form_as_good_as_representable_is_taken_over_if_the_tolerance_says_so():
    source = with_any_weights(ResizeConv(1, 1, 2))
    form = subpixel_form(source)
    form.kernel[0, 0, 0, 0] += 1e-3
    with pytest.raises(ValueError, match="off by"):
        take_over(ResizeConv(1, 1, 2), form)
    take_over(ResizeConv(1, 1, 2), form, tolerance=1e-2)


# Independent of the code above: torch's own layers, matrices, loops


@pytest.mark.parametrize(
    ("scale", "size", "padding", "expected"),
    [(2, 9, 4, 5), (3, 9, 4, 5), (4, 9, 4, 3), (2, 4, 1, 3), (4, 8, 2, 3), (2, 6, 2, 3),
     (3, 7, 2, 3)],
)  # fmt: skip
def test_torchs_transposed_convolution_is_a_deconv_in_a_frame_of_zeros(
    scale, size, padding, expected
):
    torchs = nn.ConvTranspose2d(
        2, 3, size, stride=scale, padding=padding, output_padding=scale - size + 2 * padding
    ).double()
    deconv = Deconv(2, 3, scale, kernel_size=size, padding=padding).double()
    deconv.deconv.load_state_dict(torchs.state_dict())
    x = picture(2, 2, 5, 6)
    assert torchs(x).shape == (2, 3, 5 * scale, 6 * scale)
    assert largest(deconv(zero_framed(deconv, x)) - torchs(x)) < 1e-12
    assert subpixel_form(deconv).size == expected


@pytest.mark.parametrize("size", [1, 3, 5, 7])
@every_scale
def test_a_nearest_resize_conv_is_torchs_upsample_and_convolution_padded_with_zeros(scale, size):
    layer = ResizeConv(2, 3, scale, kernel_size=size).double()
    x = picture(2, 2, 5, 6)
    large = nn.Upsample(scale_factor=scale, mode="nearest")(x)
    apart = F.conv2d(large, layer.conv.weight, layer.conv.bias, padding=size // 2)
    assert largest(layer(zero_framed(layer, x)) - apart) < 1e-12


@pytest.mark.parametrize("size", [1, 3, 5])
@every_scale
def test_a_nearest_resize_conv_scatters_its_flipped_kernel_convolved_with_a_box(scale, size):
    layer = with_any_weights(ResizeConv(2, 3, scale, kernel_size=size)).double()
    weight = layer.conv.weight.numpy()
    kernel = np.zeros((2, 3, size + scale - 1, size + scale - 1))
    for m in range(size):
        for n in range(size):
            tap = weight[:, :, size - 1 - m, size - 1 - n].T
            kernel[:, :, m : m + scale, n : n + scale] += tap[:, :, None, None]
    form = transposed_form(subpixel_form(layer))
    assert (form.size, form.padding) == (size + scale - 1, size // 2)
    assert largest(form.kernel - torch.from_numpy(kernel)) < 1e-12
    x = picture(1, 2, 4, 5)
    by_torch = F.conv_transpose2d(
        x, torch.from_numpy(kernel), layer.conv.bias, stride=scale, padding=size // 2
    )
    assert largest(layer(zero_framed(layer, x)) - by_torch) < 1e-12


@every_scale
def test_a_transposed_convolution_with_the_known_taps_is_torchs_nearest_and_bilinear(scale):
    x = picture(2, 1, 5, 6)
    ones = torch.ones(1, 1, scale, scale, dtype=torch.float64)
    by_torch = F.interpolate(x, scale_factor=scale, mode="nearest")
    assert torch.equal(F.conv_transpose2d(x, ones, stride=scale), by_torch)
    nearest = transposed_form(subpixel_form(Interpolate(1, 1, scale, mode="nearest")))
    assert torch.equal(nearest.kernel, ones)

    size = 2 * scale - scale % 2
    line = 1 - (torch.arange(size).double() - (size - 1) / 2).abs() / scale
    tent = torch.outer(line, line)[None, None]
    padding = scale // 2 + scale  # ceil((s - 1) / 2), and the pixel of frame
    framed = F.pad(x, [1] * 4, mode="replicate")
    spread = F.conv_transpose2d(framed, tent, stride=scale, padding=padding)
    by_torch = F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
    assert largest(spread - by_torch) < 1e-12
    frozen = Deconv(1, 1, scale, init="bilinear", frozen=True).double()
    assert largest(frozen.deconv.weight.sum() - scale**2) < 1e-6
    assert largest(frozen(F.pad(x, [frozen.halo] * 4, mode="replicate")) - by_torch) < 1e-6


@every_scale
def test_a_frozen_bicubic_form_enlarges_as_bicubic_does(scale):
    form = subpixel_form(Interpolate(1, 1, scale))
    deconv = Deconv(1, 1, scale, **Deconv.options_for(form)).double()
    take_over(deconv, form)
    x = picture(1, 1, 6, 5)
    assert largest(deconv(mirror_pad(x, deconv.halo)) - enlarge(x, scale)) < 1e-12
    # torch's antialiased bicubic is the same kernel, but for the border.
    by_torch = F.interpolate(x, scale_factor=scale, mode="bicubic", antialias=True)
    inside = crop(deconv(mirror_pad(x, deconv.halo)) - by_torch, 2 * scale)
    assert largest(inside) < 1e-12


def matrix_of(layer, shape):
    """Return the matrix of a linear map of pictures ``shape``, by probing it with impulses."""
    count = int(np.prod(shape))
    impulses = torch.eye(count, dtype=torch.float64).view(count, 1, *shape)
    return layer(impulses).flatten(1).T


def test_a_3x3_convolution_of_4x4_pixels_is_a_matrix_of_4_by_16_and_its_transpose_enlarges():
    kernel = picture(1, 1, 3, 3)
    c = matrix_of(lambda x: F.conv2d(x, kernel), (4, 4))
    assert c.shape == (4, 16)
    assert [int((row != 0).sum()) for row in c] == [9, 9, 9, 9]
    x, y = picture(1, 1, 4, 4, seed=1), picture(1, 1, 2, 2, seed=2)
    assert largest(c @ x.flatten() - F.conv2d(x, kernel).flatten()) < 1e-12
    assert largest(c.T @ y.flatten() - F.conv_transpose2d(y, kernel).flatten()) < 1e-12


@given(data=st.data(), scale=scales, height=st.integers(1, 3), width=st.integers(1, 3))
def test_a_deconv_in_a_frame_of_zeros_is_the_transposed_matrix_of_a_strided_convolution(
    data, scale, height, width
):
    size = data.draw(st.integers(scale, 3 * scale))
    padding = data.draw(st.integers(0, size - 1))
    deconv = Deconv(1, 1, scale, kernel_size=size, padding=padding).double()
    nn.init.zeros_(deconv.deconv.bias)
    kernel = deconv.deconv.weight

    def convolve(x):
        # As much padding at the end as the last step of the stride needs.
        x = F.pad(x, [padding, size, padding, size])
        return F.conv2d(x, kernel, stride=scale)[..., :height, :width]

    enlarging = matrix_of(lambda x: deconv(zero_framed(deconv, x)), (height, width))
    shrinking = matrix_of(convolve, (scale * height, scale * width))
    assert enlarging.shape == (scale**2 * height * width, height * width)
    assert largest(enlarging - shrinking.T) < 1e-12


@pytest.mark.parametrize(("size", "padding"), [(1, 0), (3, 0), (3, 1), (3, 2), (4, 1), (5, 2)])
def test_a_deconv_of_stride_1_is_a_convolution_with_the_kernel_flipped_and_k_1_p_padded(
    size, padding
):
    kernel, bias = picture(2, 3, size, size), picture(3)
    x = picture(1, 2, 6, 7)
    flipped = kernel.flip(-1, -2).transpose(0, 1)
    conv = F.conv2d(x, flipped, bias, padding=size - 1 - padding)
    by_torch = F.conv_transpose2d(x, kernel, bias, padding=padding)
    assert largest(conv - by_torch) < 1e-12
    deconv = Deconv(2, 3, 1, kernel_size=size, padding=padding).double()
    deconv.deconv.weight.data, deconv.deconv.bias.data = kernel, bias
    ours = deconv(zero_framed(deconv, x))  # cut to the size of the input
    rows, columns = (min(a, b) for a, b in zip(ours.shape[-2:], by_torch.shape[-2:], strict=True))
    assert largest(ours[..., :rows, :columns] - by_torch[..., :rows, :columns]) < 1e-12


# Channel orders


def shuffled_by(order, x, scale):
    """Apply PixelShuffle, whose channel is ``c s^2 + a s + b``, to channels in another order.

    ``order(c, a, b)`` is the channel that holds phase (a, b) of output channel c.
    """
    outputs = x.shape[1] // scale**2
    indices = [order(c, a, b) for c in range(outputs) for a in range(scale) for b in range(scale)]
    layer = PixelShuffle(x.shape[1], outputs, scale, kernel_size=1).double()
    nn.init.zeros_(layer.conv.bias)
    # What another framework's kernel must go through: its output channels are permuted.
    theirs = torch.eye(x.shape[1], dtype=torch.float64)[:, :, None, None]
    layer.conv.weight.data = theirs[indices]
    return layer(x).numpy()


def depth_to_space(x, scale, mode):
    """ONNX's DepthToSpace as its specification has it, NCHW."""
    n, c, h, w = x.shape
    if mode == "DCR":
        x = x.reshape(n, scale, scale, c // scale**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        x = x.reshape(n, c // scale**2, scale, scale, h, w).transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(n, c // scale**2, scale * h, scale * w)


def phase_shift(x, r):
    """The first TensorFlow code for ESPCN that was passed around, for one channel, NHWC."""
    n, a, b, _ = x.shape
    x = x.reshape(n, a, b, r, r).transpose(0, 1, 2, 4, 3)
    x = np.concatenate([np.squeeze(part, 1) for part in np.split(x, a, axis=1)], axis=2)
    x = np.concatenate([np.squeeze(part, 1) for part in np.split(x, b, axis=1)], axis=2)
    return x.reshape(n, a * r, b * r, 1)


@every_scale
def test_the_channel_orders_of_other_systems_are_permutations_of_the_outputs(scale):
    s, outputs = scale, 3
    x = picture(2, outputs * s**2, 3, 4)
    torchs = shuffled_by(lambda c, a, b: c * s**2 + a * s + b, x, s)
    assert np.array_equal(torchs, F.pixel_shuffle(x, s).numpy())
    assert np.array_equal(torchs, depth_to_space(x.numpy(), s, "CRD"))
    dcr = depth_to_space(x.numpy(), s, "DCR")
    assert np.array_equal(shuffled_by(lambda c, a, b: (a * s + b) * outputs + c, x, s), dcr)
    assert not np.array_equal(dcr, torchs)

    one = x[:, : s**2]
    tensorflows = phase_shift(one.permute(0, 2, 3, 1).numpy(), s)[..., 0]
    assert np.array_equal(shuffled_by(lambda c, a, b: b * s + a, one, s)[:, 0], tensorflows)
    assert not np.array_equal(F.pixel_shuffle(one, s)[:, 0].numpy(), tensorflows)


@every_scale
def test_the_periodic_shuffling_of_the_paper_is_another_permutation(scale):
    r, outputs = scale, 2
    x = picture(1, outputs * r**2, 3, 4)
    # PS(T)[x, y, c] = T[x // r, y // r, C r (y mod r) + C (x mod r) + c], x the row (eq. 4).
    expected = np.empty((1, outputs, 3 * r, 4 * r))
    for c, row, column in np.ndindex(expected.shape[1:]):
        channel = outputs * r * (column % r) + outputs * (row % r) + c
        expected[0, c, row, column] = x[0, channel, row // r, column // r]
    got = shuffled_by(lambda c, a, b: outputs * r * b + outputs * a + c, x, r)
    assert np.array_equal(got, expected)


@every_scale
def test_interpolation_after_its_projection_is_one_kernel(scale):
    layer = with_any_weights(Interpolate(3, 2, scale)).double()
    x = picture(1, 3, 3 + 2 * layer.halo, 4 + 2 * layer.halo)
    by_hand = interpolate(F.conv2d(x, layer.project.weight, layer.project.bias), scale, "bicubic")
    assert largest(subpixel_form(layer)(x) - by_hand) < 1e-12


@pytest.mark.parametrize(
    ("scale", "size"), [(s, k) for s in (2, 3, 4) for k in range(s, 3 * s + 3)]
)
def test_a_boxed_upsampler_holds_its_own_form(scale, size):
    make = partial(Boxed, inner=partial(Deconv, kernel_size=size))
    form = subpixel_form(make(3, 2, scale))
    take_over(make(3, 2, scale), form)


def test_a_single_stage_holds_what_it_is_made_of_and_several_hold_nothing():
    make = partial(Staged, stage=PixelShuffle)
    take_over(make(3, 2, 3), subpixel_form(PixelShuffle(3, 2, 3)))
    with pytest.raises(ValueError, match="no kernel is split into 2 stages"):
        take_over(make(3, 2, 4), subpixel_form(PixelShuffle(3, 2, 4)))


def test_what_is_held_is_held_against_its_own_size():
    tiny = subpixel_form(PixelShuffle(2, 1, 2))
    tiny = SubPixel(tiny.kernel * 1e-7, tiny.bias * 1e-7, 2)
    with pytest.raises(ValueError, match="kernel would be off"):
        take_over(ResizeConv(2, 1, 2), tiny)
