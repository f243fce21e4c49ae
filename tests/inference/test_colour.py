"""Guards: colour pictures are upscaled by networks that see luma alone or all channels."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from srlab.imaging.colour import luma, rgb_to_ycbcr, ycbcr_to_rgb
from srlab.imaging.resample import crop, enlarge, mirror_pad
from srlab.inference.colour import by_bicubic, following, upscale_colour
from srlab.models.base import Model
from srlab.models.espcn import ESPCN
from srlab.testing.waiting import rehearsal
from srlab.upsamplers.pixel_shuffle import PixelShuffle

# What another order of summation may change in single precision, on the range of 0 to 1.
ROUNDING = 1e-6


def image(*shape, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64).to(dtype)


def far(a, b):
    assert a.shape == b.shape
    return (a - b).abs().max().item()


class Sharpen(Model):
    """A network that is anything but bicubic, without weights."""

    def __init__(self, scale, channels):
        super().__init__()
        self.scale, self.channels, self.halo = scale, channels, 2

    def forward(self, lr, halo=0):
        assert lr.shape[1] == self.channels
        framed = mirror_pad(lr, self.halo - halo)
        return enlarge(crop(framed, 2), self.scale) + 0.2 * enlarge(
            crop(framed, 2) - nn.functional.avg_pool2d(framed, 5, 1), self.scale
        )


@pytest.mark.parametrize("chroma", [by_bicubic, following])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_a_y_network_makes_the_luma(scale, chroma):
    lr = 0.3 + 0.4 * image(1, 3, 8, 11, dtype=torch.float64)  # far from 0 and 1: nothing clamps
    model = Sharpen(scale, 1)
    sr = upscale_colour(lr, model, "y", scale, chroma=chroma)
    assert sr.shape == (1, 3, 8 * scale, 11 * scale)
    assert far(luma(sr), model(luma(lr))) < 1e-12
    bicubic = enlarge(rgb_to_ycbcr(lr), scale)
    assert far(luma(sr), bicubic[:, :1]) > 1e-2
    if chroma is by_bicubic or scale == 1:
        assert far(rgb_to_ycbcr(sr)[:, 1:], bicubic[:, 1:]) < 1e-12


def test_chroma_follows_added_luma_as_their_regression_says(monkeypatch):
    monkeypatch.setattr("srlab.inference.colour._WEAK", 0.0)
    lr = 0.3 + 0.4 * image(1, 3, 3, 3, dtype=torch.float64)
    added, row, column = 0.05, 4, 4  # the middle of the enlarged picture
    bicubic, sr = (
        upscale_colour(lr, partial(lambda x, by: enlarge(x, 3) + by, by=by), "y", 3)
        for by in (0.0, added)
    )
    y, cb, cr = rgb_to_ycbcr(lr)[0].flatten(1).numpy()
    moved = (rgb_to_ycbcr(sr) - rgb_to_ycbcr(bicubic))[0, :, row, column]
    for plane, change in ((cb, moved[1]), (cr, moved[2])):
        assert change.item() == pytest.approx(added * np.polyfit(y, plane, 1)[0], abs=1e-9)


def test_chroma_is_bicubic_where_luma_hardly_varies():
    noise = 1e-3 * image(1, 3, 9, 12)  # a variance of 1e-7, and as much of rounding as 16 bits have
    lr = ((0.6 + noise) * 65535).round() / 65535
    sharp = Sharpen(2, 1)
    made = [
        upscale_colour(lr, lambda y: sharp(y) + 0.05, "y", 2, chroma=chroma)
        for chroma in (by_bicubic, following)
    ]
    assert far(*made) < 1e-4


def test_where_two_colours_meet_what_is_made_stays_between_them():
    one, other = torch.tensor([[0.8, 0.2, 0.2], [0.6, 0.6, 0.7]], dtype=torch.float64)
    share = image(1, 1, 9, 12, dtype=torch.float64).round()
    mix = lambda share: (1 - share) * one.view(1, 3, 1, 1) + share * other.view(1, 3, 1, 1)  # noqa: E731
    model = Sharpen(2, 1)
    bicubic, sr = (
        upscale_colour(mix(share), model, "y", 2, chroma=chroma)
        for chroma in (by_bicubic, following)
    )
    first, second = luma(mix(torch.zeros_like(share))), luma(mix(torch.ones_like(share)))
    meant = mix((luma(sr) - first[..., :1, :1]) / (second - first)[..., :1, :1])
    assert far(sr, meant) < 0.5 * far(bicubic, meant)


def test_with_bicubic_for_a_network_colour_is_bicubic_too():
    lr = image(1, 3, 8, 11, dtype=torch.float64)
    expected = enlarge(lr, 3).clamp(0, 1)
    for colour in ("y", "rgb"):
        assert far(upscale_colour(lr, partial(enlarge, scale=3), colour, 3), expected) < 1e-12


@pytest.mark.parametrize(("colour", "channels"), [("y", 1), ("rgb", 3)])
def test_grey_stays_grey(colour, channels):
    lr = 0.3 + 0.4 * image(1, 1, 8, 11)
    sr = upscale_colour(lr, Sharpen(2, channels), colour, 2)
    assert sr.shape == (1, 1, 16, 22)
    assert far(sr, Sharpen(2, 1)(lr)) < ROUNDING


@pytest.mark.parametrize(("colour", "channels"), [("y", 1), ("rgb", 3)])
def test_grey_that_is_stored_as_rgb_stays_grey(colour, channels):
    lr = image(1, 1, 8, 11).expand(-1, 3, -1, -1)
    sr = upscale_colour(lr, Sharpen(2, channels), colour, 2)
    assert sr.shape == (1, 3, 16, 22)
    assert far(sr[:, 0], sr[:, 1]) < ROUNDING
    assert far(sr[:, 0], sr[:, 2]) < ROUNDING


def test_an_rgb_network_sees_all_channels_as_they_are():
    lr = 0.3 + 0.4 * image(1, 3, 8, 11)
    model = ESPCN(PixelShuffle, 2, channels=3)
    with torch.inference_mode():
        sr = upscale_colour(lr, model, "rgb", 2)
        assert far(sr, model(lr).clamp(0, 1)) == 0


def test_an_rgb_networks_channels_are_averaged_for_a_grey_picture():
    lr = image(1, 1, 8, 11)
    shift = torch.tensor([0.0, 0.03, 0.06]).view(1, 3, 1, 1)
    sr = upscale_colour(lr, lambda x: 0.5 * x + shift, "rgb", 1)
    assert far(sr, 0.5 * lr + 0.03) < ROUNDING


@given(
    seed=st.integers(0, 999),
    gain=st.floats(-5, 5),
    colour=st.sampled_from(["y", "rgb"]),
    channels=st.sampled_from([1, 3]),
)
def test_the_output_is_within_0_and_1_whatever_the_network_gives(seed, gain, colour, channels):
    lr = image(1, channels, 6, 7, seed=seed).round()
    sr = upscale_colour(lr, lambda x: gain * enlarge(x, 2), colour, 2)
    assert sr.shape == (1, channels, 12, 14)
    assert sr.min() >= 0
    assert sr.max() <= 1


def test_a_clamp_is_needed():
    lr = image(1, 3, 6, 7).round()
    assert enlarge(lr, 2).max() > 1.01
    assert enlarge(lr, 2).min() < -0.01
    assert ycbcr_to_rgb(enlarge(rgb_to_ycbcr(lr), 2)).max() > 1.01


def test_a_y_network_sees_only_the_luma():
    seen = []

    def network(x):
        seen.append(x)
        return enlarge(x, 2)

    lr = image(1, 3, 6, 7)
    upscale_colour(lr, network, "y", 2)
    assert len(seen) == 1
    assert far(seen[0], luma(lr)) == 0


def test_colour_conversion_waits_for_no_gpu():
    picture = torch.rand(2, 3, 5, 6, device="meta")
    with rehearsal():
        for convert in (luma, rgb_to_ycbcr, ycbcr_to_rgb):
            convert(picture)
