"""Guards: a checkerboard is measured as it is: in kernels, in what networks make, in pictures."""

import functools
import math

import pytest
import torch
import torch.nn.functional as F
from common import above
from hypothesis import given
from hypothesis import strategies as st

from srlab.data.photos import held_out
from srlab.imaging.colour import luma, quantise
from srlab.imaging.files import read_pixels, to_tensor
from srlab.imaging.resample import (
    crop,
    crop_to_multiple,
    enlarge,
    mirror_pad,
    phase_taps,
    shrink,
)
from srlab.metrics.checkerboard import (
    flat_ripple,
    kernel_ripple,
    phase_variance,
    picture_ripple,
    spectral_ratio,
)
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv
from srlab.upsamplers.shuffle import deconv_to_subpixel
from srlab.upsamplers.starts import initial_kernel

seeds = st.integers(0, 2**32 - 2)
scales = st.integers(2, 5)
SCALES = (2, 3, 4)
MODES = ("nearest", "bilinear", "bicubic")


@functools.cache
def photos():
    return {path.stem: luma(to_tensor(read_pixels(path))) for path in held_out().paths}


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pattern(scale, level, seed=0):
    """A pattern (s, s) of zero mean whose rms is ``level`` grey levels."""
    drawn = noise(scale, scale, seed=seed)
    drawn = drawn - drawn.mean()
    return drawn / drawn.square().mean().sqrt() * level / 255


def over(image, tile):
    """Lay a pattern over a picture."""
    scale = tile.shape[-1]
    return image + tile.repeat(image.shape[-2] // scale, image.shape[-1] // scale)


# A kernel


def ones(scale, size):
    """A transposed kernel of ones, as a sub-pixel kernel."""
    rest = -size % scale
    return deconv_to_subpixel(F.pad(torch.ones(1, 1, size, size), (0, rest, 0, rest)), scale)


def test_kernels_of_ones_ripple_as_they_overlap():
    table = {
        (2, 3): 0.484, (2, 9): 0.158, (3, 4): 0.515, (3, 5): 0.408, (4, 7): 0.355, (4, 9): 0.275,
        (2, 4): 0, (3, 3): 0, (3, 9): 0, (4, 8): 0,
    }  # fmt: skip
    measured = {case: kernel_ripple(ones(*case), case[0]) for case in table}
    assert measured == pytest.approx(table, abs=5e-4)


def test_interpolation_has_no_ripple():
    ripples = {}
    for scale in (2, 3, 4, 5):
        for mode in MODES:
            line = torch.ones(scale, 1) if mode == "nearest" else phase_taps(scale, mode)
            kernel = torch.einsum("ay,bx->abyx", line, line).flatten(0, 1).unsqueeze(1)
            ripples[scale, mode] = kernel_ripple(kernel, scale)
    assert not above(ripples, 1e-15)


def test_the_initialisations_that_promise_no_ripple_have_none():
    ripples, others = {}, {}
    for scale in SCALES:
        for outputs in (1, 3):
            for init in ("icnr", "nearest", "bilinear"):
                kernel = initial_kernel(4, outputs, scale, 3, init)
                ripples[scale, outputs, init] = kernel_ripple(kernel, scale)
            kernel = initial_kernel(4, outputs, scale, 3, "default")
            others[scale, outputs] = kernel_ripple(kernel, scale)
    assert not above(ripples, 1e-6)
    assert min(others.values()) > 0.3


def subpixel_kernel(upsampler, inputs, scale):
    """The kernel that an upsampler amounts to: its answer to one pixel, read backwards."""
    far = upsampler.halo + 2
    pixel = torch.zeros(inputs, inputs, 2 * far + 1, 2 * far + 1, dtype=torch.float64)
    pixel[torch.arange(inputs), torch.arange(inputs), far, far] = 1
    with torch.no_grad():
        answer = upsampler(mirror_pad(pixel, upsampler.halo))
        answer -= upsampler(mirror_pad(torch.zeros_like(pixel), upsampler.halo))
    return F.pixel_unshuffle(answer, scale).transpose(0, 1).flip(-1, -2)


def test_a_resize_conv_has_no_ripple_whatever_its_weights():
    ripples = {}
    for scale in SCALES:
        for mode in MODES:
            upsampler = ResizeConv(3, 2, scale, mode=mode, init="default").double()
            ripples[scale, mode] = kernel_ripple(subpixel_kernel(upsampler, 3, scale), scale)
    assert not above(ripples, 1e-6)


def test_the_ripple_of_a_kernel_is_that_of_what_it_makes_of_flat_features():
    for scale in SCALES:
        for make in (PixelShuffle, Deconv):
            upsampler = make(1, 1, scale, init="default").double()
            with torch.no_grad():
                next(p for p in upsampler.parameters() if p.ndim == 1).zero_()
                sr = upsampler(torch.ones(1, 1, 9, 9, dtype=torch.float64))
            seen = (phase_variance(sr, scale).sqrt() / sr.mean().abs()).item()
            ripple = kernel_ripple(subpixel_kernel(upsampler, 1, scale), scale)
            assert ripple == pytest.approx(seen)


@given(seed=seeds, scale=scales, factor=st.floats(1e-3, 1e3), inputs=st.integers(1, 3))
def test_the_ripple_of_a_kernel_is_relative(seed, scale, factor, inputs):
    kernel = 1 + noise(2 * scale**2, inputs, 3, 3, seed=seed)
    ripple = kernel_ripple(kernel, scale)
    assert kernel_ripple(-factor * kernel, scale) == pytest.approx(ripple)
    assert kernel_ripple(kernel.flip(0), scale) == pytest.approx(ripple)
    assert kernel_ripple(kernel.roll(1, -1), scale) == pytest.approx(ripple)


def test_kernels_that_answer_no_flat_input_are_told_apart():
    assert kernel_ripple(torch.zeros(4, 1, 3, 3), 2) == 0
    alternating = torch.tensor([1.0, -1.0, -1.0, 1.0]).view(4, 1, 1, 1)
    assert kernel_ripple(alternating, 2) == math.inf


# What a network makes of flat pictures


def test_interpolation_leaves_flat_pictures_flat():
    ripples = {}
    for scale in SCALES:
        for mode in MODES:
            upscale = functools.partial(enlarge, scale=scale, mode=mode)
            ripples[scale, mode] = flat_ripple(upscale, scale, channels=3, border=2)
    assert not above(ripples, 1e-4)


@given(seed=seeds, scale=scales, level=st.floats(0.01, 20))
def test_a_pattern_that_a_network_adds_is_its_ripple(seed, scale, level):
    tile = pattern(scale, level, seed)
    ripple = flat_ripple(lambda lr: over(enlarge(lr, scale, "nearest").double(), tile), scale, 1, 3)
    assert ripple == pytest.approx(level, rel=1e-6)


def test_a_pattern_that_grows_with_the_grey_counts_by_its_rms_over_the_greys():
    def upscale(lr):
        return enlarge(lr, 2, "nearest").double() * over(torch.ones(2 * 8, 2 * 8), pattern(2, 2.55))

    assert flat_ripple(upscale, 2, 3, 0, greys=[0.5]) == pytest.approx(2.55 * 0.5)
    assert flat_ripple(upscale, 2, 3, 0, greys=[0.0, 1.0]) == pytest.approx(2.55 * math.sqrt(0.5))


@given(seed=seeds, scale=scales, border=st.integers(1, 6))
def test_the_border_of_a_flat_picture_does_not_count(seed, scale, border):
    def upscale(lr):
        sr = enlarge(lr, scale, "nearest").double()
        inside = F.pad(crop(torch.ones_like(sr), scale * border), (scale * border,) * 4)
        return torch.where(inside > 0, over(sr, pattern(scale, 1, seed)), noise(*sr.shape))

    assert flat_ripple(upscale, scale, 1, border) == pytest.approx(1, rel=1e-6)


def test_zeros_padded_at_the_border_are_out_of_reach():
    convs = [torch.nn.Conv2d(1, 8, 5, padding=2), torch.nn.Conv2d(8, 1, 3, padding=1)]
    network = torch.nn.Sequential(*convs, torch.nn.Upsample(scale_factor=3))
    assert flat_ripple(network, 3, 1, 3) < 1e-4


def test_the_pattern_of_a_network_that_pools_is_longer_and_counts_by_its_grid():
    def upscale(lr):
        sr = enlarge(lr, 2, "nearest").double()
        sr[..., ::8, :] += 8 / 255  # one row in eight: alike for both phases of period 2 but one
        return sr

    assert flat_ripple(upscale, 2, 1, 0, grid=4) == pytest.approx(7**0.5, rel=1e-6)
    assert flat_ripple(upscale, 2, 1, 0) == pytest.approx(1, rel=1e-6)


# A picture


@given(seed=seeds, scale=scales, height=st.integers(1, 6), width=st.integers(1, 6))
def test_phase_variance_is_the_power_of_the_lines_of_period_s(seed, scale, height, width):
    image = noise(2, 3, height * scale, width * scale, seed=seed)
    power = torch.fft.fft2(image).abs().square() / (height * width * scale**2) ** 2
    lines = power[..., ::height, ::width].sum(dim=(2, 3)) - power[..., 0, 0]
    assert phase_variance(image, scale).tolist() == pytest.approx(lines.mean(dim=1).tolist())


@given(seed=seeds, scale=scales, factor=st.floats(-10, 10), constant=st.floats(-10, 10))
def test_phase_variance_is_quadratic_and_blind_to_a_constant(seed, scale, factor, constant):
    image = noise(1, 1, 4 * scale, 5 * scale, seed=seed)
    variance = phase_variance(image, scale).item()
    assert phase_variance(factor * image + constant, scale).item() == pytest.approx(
        factor**2 * variance, abs=1e-9
    )


@given(seed=seeds, scale=scales, rows=st.integers(-9, 9), columns=st.integers(-9, 9))
def test_phase_variance_does_not_know_where_the_grid_begins(seed, scale, rows, columns):
    image = noise(1, 2, 4 * scale, 5 * scale, seed=seed)
    moved = image.roll((rows, columns), (2, 3))
    assert phase_variance(moved, scale).item() == pytest.approx(phase_variance(image, scale).item())


@given(seed=seeds, scale=scales, level=st.floats(0.01, 20), grey=st.floats(0, 1))
def test_a_pattern_over_a_flat_picture_reads_as_its_rms(seed, scale, level, grey):
    flat = torch.full((1, 1, 6 * scale, 4 * scale), grey, dtype=torch.float64)
    image = over(flat, pattern(scale, level, seed))
    assert picture_ripple(image, scale).item() == pytest.approx(level, rel=1e-6)
    assert phase_variance(image, scale).sqrt().item() * 255 == pytest.approx(level, rel=1e-6)


@given(seed=seeds, scale=scales, level=st.floats(0, 20))
def test_a_pattern_over_a_picture_reads_as_its_rms_but_for_what_the_picture_reads(
    seed, scale, level
):
    image = 0.1 * noise(1, 1, 5 * scale, 7 * scale, seed=seed)
    own = picture_ripple(image, scale).item()
    seen = picture_ripple(over(image, pattern(scale, level, seed + 1)), scale).item()
    assert abs(seen - level) <= own + 1e-6


@given(seed=seeds, scale=scales, constant=st.floats(-1, 1))
def test_the_ripple_of_a_picture_stays_when_it_is_brightened_turned_or_mirrored(
    seed, scale, constant
):
    image = 0.1 * noise(2, 1, 5 * scale, 6 * scale, seed=seed)
    ripple = pytest.approx(picture_ripple(image, scale).tolist())
    assert picture_ripple(image + constant, scale).tolist() == ripple
    for other in (image.flip(-1), image.flip(-2), image.transpose(-1, -2)):
        assert picture_ripple(other, scale).tolist() == ripple


@given(seed=seeds, scale=scales, rows=st.integers(0, 2), columns=st.integers(0, 2))
def test_the_ripple_of_a_periodic_picture_stays_when_the_window_moves_by_blocks(
    seed, scale, rows, columns
):
    image = 0.1 * noise(1, 1, 3 * scale, 3 * scale, seed=seed).repeat(1, 1, 4, 4)
    side, top, left = 8 * scale, rows * scale, columns * scale  # 6 blocks inside: two periods
    ripple = picture_ripple(image[..., :side, :side], scale).item()
    moved = picture_ripple(image[..., top : top + side, left : left + side], scale).item()
    assert moved == pytest.approx(ripple)


@pytest.mark.parametrize("scale", SCALES)
def test_a_slope_is_no_ripple(scale):
    y, x = torch.arange(10.0 * scale).double(), torch.arange(12.0 * scale).double()
    image = ((3 * y[:, None] - 2 * x) / 255).expand(1, 1, -1, -1)
    assert picture_ripple(image, scale).item() < 1e-9
    assert phase_variance(image, scale).sqrt().item() * 255 > 1


def test_rows_and_columns_beyond_a_multiple_of_the_scale_do_not_count():
    image = noise(1, 1, 20, 22)
    assert torch.equal(picture_ripple(image, 3), picture_ripple(image[..., :18, :21], 3))


def test_a_picture_needs_three_blocks_a_side():
    for scale in SCALES:
        assert picture_ripple(noise(1, 1, 3 * scale, 3 * scale), scale).item() > 0
        with pytest.raises(ValueError, match=f"at least {3 * scale} pixels a side"):
            picture_ripple(noise(1, 1, 3 * scale, 3 * scale - 1), scale)


@given(
    seed=seeds,
    scale=scales,
    height=st.integers(3, 6),
    width=st.integers(3, 6),
    contrast=st.sampled_from([0.0, 1e-3, 0.1, 1.0]),
)
def test_the_ripple_of_a_picture_is_made_step_by_step_as_it_is_told(
    seed, scale, height, width, contrast
):
    image = 0.5 + contrast * noise(2, 3, height * scale, width * scale, seed=seed)
    means = F.avg_pool2d(F.avg_pool2d(image, scale, 1), scale, 1)  # over 2 s - 1, a triangle
    deviation = F.pixel_unshuffle(crop(image, scale) - crop(means, 1), scale)
    deviation = deviation.unflatten(1, (3, scale**2)) * 255
    blocks = F.avg_pool2d(image, scale).unfold(2, 3, 1).unfold(3, 3, 1).flatten(4) * 255
    weight = 1 / (4 + blocks.var(dim=4, correction=0)).unsqueeze(2)
    phases = (deviation * weight).sum(dim=(3, 4)) / weight.sum(dim=(3, 4))
    ripple = phases.var(dim=2, correction=0).mean(dim=1).sqrt()
    assert picture_ripple(image, scale).tolist() == pytest.approx(ripple.tolist(), abs=1e-9)


# Photographs


def shaved(image, scale):
    return crop(quantise(image), scale)


@pytest.mark.parametrize("scale", SCALES)
def test_photographs_and_what_interpolation_makes_of_them_read_clean(scale):
    rippled = {}
    for name, photo in photos().items():
        hr = crop_to_multiple(photo, scale)
        lr = quantise(shrink(hr, scale))
        made = {"photograph": hr} | {mode: enlarge(lr, scale, mode) for mode in MODES}
        for kind, image in made.items():
            most = 0.15 if kind in ("photograph", "nearest") else 0.05
            ripple = picture_ripple(shaved(image, scale), scale).item()
            if not ripple < most:
                rippled[name, kind] = ripple
    assert not rippled


@pytest.mark.parametrize("scale", SCALES)
def test_a_ripple_over_a_photograph_is_seen_and_measured(scale):
    off = {}
    for name, photo in photos().items():
        hr = crop_to_multiple(photo, scale)
        bicubic = enlarge(quantise(shrink(hr, scale)), scale)
        for level in (0.5, 1, 2):
            tile = pattern(scale, level, seed=scale)
            for kind, image in (("photograph", hr), ("bicubic", bicubic)):
                ripple = picture_ripple(shaved(over(image, tile), scale), scale).item()
                off[name, kind, level] = abs(ripple - level)
    assert not above(off, 0.2)


@pytest.mark.parametrize("scale", SCALES)
def test_a_ripple_over_half_of_a_photograph_is_seen(scale):
    hr = crop_to_multiple(photos()["chelsea"], scale)
    half = hr.shape[-1] // 2 // scale * scale
    image = torch.cat([over(hr[..., :half], pattern(scale, 4)), hr[..., half:]], dim=-1)
    assert 1 < picture_ripple(shaved(image, scale), scale).item() < 3


# The spectrum


@pytest.mark.parametrize("scale", SCALES)
def test_noise_has_no_lines_and_a_pattern_has(scale):
    image = noise(8, 1, 60, 60)
    assert spectral_ratio(image, scale).mean().item() == pytest.approx(0, abs=2)
    assert (spectral_ratio(over(image, 2 * 255 * pattern(scale, 1)), scale) > 20).all()
    flat = torch.full((1, 1, 60, 60), 0.3)
    assert spectral_ratio(flat, scale).item() == pytest.approx(0, abs=0.1)


@given(seed=seeds, scale=scales, level=st.floats(0.5, 5))
def test_the_lines_are_the_phase_variance(seed, scale, level):
    image = noise(1, 2, 8 * scale, 9 * scale, seed=seed)
    louder = over(image, pattern(scale, 255 * level, seed))
    times = (phase_variance(louder, scale) / phase_variance(image, scale)).item()
    gain = (spectral_ratio(louder, scale) - spectral_ratio(image, scale)).item()
    assert gain == pytest.approx(10 * math.log10(times))
