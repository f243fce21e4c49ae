from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from srlab.imaging.colour import luma, rgb_to_ycbcr, ycbcr_to_rgb
from srlab.imaging.resample import crop, enlarge, mirror_pad
from srlab.inference.colour import upscale_colour
from srlab.inference.ensemble import self_ensemble
from srlab.inference.tiles import upscale_tiled
from srlab.models.base import Model
from srlab.models.espcn import ESPCN
from srlab.models.plain import Plain
from srlab.models.srcnn import SRCNN
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv

# What another order of summation may change in single precision, on the range of 0 to 1.
ROUNDING = 1e-6

NETWORKS = {
    "espcn": lambda: ESPCN(PixelShuffle, 3),
    "espcn x4": lambda: ESPCN(PixelShuffle, 4, activation="relu"),
    "espcn deconv": lambda: ESPCN(Deconv, 2),
    "espcn deconv that scale does not divide": lambda: ESPCN(partial(Deconv, kernel_size=8), 3),
    "espcn resize_conv": lambda: ESPCN(ResizeConv, 2),
    "espcn resize_conv bicubic": lambda: ESPCN(partial(ResizeConv, mode="bicubic"), 4),
    "espcn bicubic": lambda: ESPCN(Interpolate, 2),
    "espcn nearest": lambda: ESPCN(partial(Interpolate, mode="nearest"), 2),
    "espcn residual": lambda: ESPCN(PixelShuffle, 2, residual="bicubic"),
    "espcn rgb": lambda: ESPCN(PixelShuffle, 2, channels=3),
    "srcnn": lambda: SRCNN(Interpolate, 2),
    "srcnn 9-5-5": lambda: SRCNN(Interpolate, 2, kernels="9-5-5"),
    "srcnn x3": lambda: SRCNN(Interpolate, 3),
    "srcnn residual": lambda: SRCNN(Interpolate, 4, residual="bicubic"),
    "srcnn deconv": lambda: SRCNN(Deconv, 2),
    "bicubic": lambda: Plain(Interpolate, 4),
    "bicubic x3": lambda: Plain(Interpolate, 3),
    "bilinear": lambda: Plain(partial(Interpolate, mode="bilinear"), 2),
    "nearest": lambda: Plain(partial(Interpolate, mode="nearest"), 2),
}


def network(name):
    """Make a network with random weights whose output has about the range of a picture."""
    torch.manual_seed(3)
    model = NETWORKS[name]().eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_normal_(parameter, gain=0.7)
        else:
            nn.init.normal_(parameter, std=0.1)
    return model


def image(*shape, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64).to(dtype)


def far(a, b):
    assert a.shape == b.shape
    return (a - b).abs().max().item()


@torch.inference_mode()
def plainly(model, lr):
    return model(lr)


# --- tiles


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("size", "tile"),
    [
        ((12, 18), 6),  # tiles fit
        ((13, 19), 6),  # 1 pixel is left over
        ((17, 11), 7),
        ((5, 23), 11),  # fewer rows than a tile
        ((7, 6), 3),  # smaller than the halo
        ((4, 3), 1),
    ],
)
def test_tiles_give_the_whole_picture(name, size, tile):
    model = network(name)
    lr = image(1, model.channels, *size)
    whole = plainly(model, lr)
    assert whole.std() > 1e-3
    assert far(upscale_tiled(model, lr, tile), whole) < ROUNDING


@pytest.mark.parametrize(
    "name", ["bicubic", "bicubic x3", "bilinear", "espcn", "srcnn", "srcnn x3"]
)
def test_tiles_give_the_whole_picture_also_far_from_its_first_pixel(name):
    model = network(name)
    lr = image(1, 1, 4, 2000)
    assert far(upscale_tiled(model, lr, 500), plainly(model, lr)) < ROUNDING


def test_some_of_these_tiles_are_smaller_than_the_halo():
    assert min(network(name).halo for name in ("espcn", "srcnn 9-5-5")) > 3


@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    tile=st.integers(1, 14),
    name=st.sampled_from(["espcn", "srcnn", "espcn resize_conv", "bicubic"]),
)
def test_the_size_of_a_tile_changes_nothing(height, width, tile, name):
    model = network(name)
    lr = image(1, 1, height, width, seed=height)
    assert far(upscale_tiled(model, lr, tile), plainly(model, lr)) < ROUNDING


@pytest.mark.parametrize("name", ["espcn", "espcn rgb", "srcnn", "bilinear"])
def test_in_double_precision_tiles_are_the_whole_picture_to_a_trillionth(name):
    model = network(name).double()
    lr = image(2, model.channels, 13, 17, dtype=torch.float64)
    tiled = upscale_tiled(model, lr, 5)
    assert tiled.dtype == torch.float64
    assert far(tiled, plainly(model, lr)) < 1e-12


@pytest.mark.parametrize("tile", [0, 18, 19, 500])
def test_a_picture_that_fits_in_one_tile_is_taken_whole(tile):
    seen = []

    class Spy(Plain):
        def forward(self, lr, halo=0):
            seen.append((tuple(lr.shape), halo))
            return super().forward(lr, halo)

    upscale_tiled(Spy(Interpolate, 2), image(1, 1, 12, 18), tile)
    assert seen == [((1, 1, 12, 18), 0)]


@pytest.mark.parametrize(
    ("size", "tiles"),
    [
        ((12, 18), [(6, 6)] * 6),
        ((5, 18), [(5, 6)] * 3),
        ((17, 8), [(6, 8), (6, 8), (5, 8)]),
    ],
)
def test_tiles_are_alike_and_no_larger_than_asked_for_but_for_their_frame(size, tiles):
    seen = []

    class Spy(Plain):
        def forward(self, lr, halo=0):
            seen.append((lr.shape[-2] - 2 * halo, lr.shape[-1] - 2 * halo))
            assert halo == self.halo
            return super().forward(lr, halo)

    upscale_tiled(Spy(Interpolate, 2), image(1, 1, *size), 8)
    assert seen == tiles


def test_upscaling_in_tiles_keeps_no_graph():
    model = network("espcn")
    for tile in (0, 4):
        assert not upscale_tiled(model, image(1, 1, 6, 6), tile).requires_grad


# --- self-ensemble


@given(seed=st.integers(0, 999), scale=st.sampled_from([2, 3, 4]))
def test_the_ensemble_of_bicubic_is_bicubic(seed, scale):
    lr = image(1, 1, 7, 10, seed=seed)
    model = Plain(Interpolate, scale)
    assert far(self_ensemble(model, lr), model(lr)) < ROUNDING
    precise = lr.double()
    assert far(self_ensemble(model, precise), model(precise)) < 1e-12


SYMMETRIES = [
    pytest.param(lambda x, t=t, f=f: (x.mT if t else x).flip(f), id=f"{'T' if t else ''}{f}")
    for t in (False, True)
    for f in ([], [-1], [-2], [-2, -1])
]


@pytest.mark.parametrize("turn", SYMMETRIES)
@pytest.mark.parametrize("name", ["espcn", "srcnn", "espcn resize_conv", "espcn rgb"])
def test_the_ensemble_turns_with_its_input(name, turn):
    model = network(name).double()
    lr = image(2, model.channels, 6, 9, dtype=torch.float64)
    with torch.inference_mode():
        turned = self_ensemble(model, turn(lr))
        assert far(turned, turn(self_ensemble(model, lr))) < 1e-12


@pytest.mark.parametrize("turn", SYMMETRIES[1:])
def test_a_network_alone_does_not_turn_with_its_input(turn):
    model = network("espcn").double()
    lr = image(1, 1, 6, 9, dtype=torch.float64)
    assert far(plainly(model, turn(lr)), turn(plainly(model, lr))) > 1e-3


def test_the_ensemble_is_the_mean_over_the_eight_symmetries():
    model = network("espcn").double()
    lr = image(1, 1, 5, 8, dtype=torch.float64)
    results = []
    for quarter in range(4):  # by quarter turns, where srlab transposes and flips
        for mirrored in (False, True):
            turned = torch.rot90(lr.flip(-1) if mirrored else lr, quarter, (-2, -1))
            back = torch.rot90(plainly(model, turned), -quarter, (-2, -1))
            results.append(back.flip(-1) if mirrored else back)
    assert len({r.sum().item() for r in results}) == 8  # they do differ
    with torch.inference_mode():
        assert far(self_ensemble(model, lr), sum(results) / 8) < 1e-12


def test_the_ensemble_of_tiles_is_that_of_the_whole_picture():
    model = network("espcn")
    lr = image(1, 1, 11, 14)
    tiled = self_ensemble(partial(upscale_tiled, model, tile=5), lr)
    assert far(tiled, self_ensemble(partial(plainly, model), lr)) < ROUNDING


# --- colour


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


@pytest.mark.parametrize("scale", [2, 3])
def test_a_y_network_makes_the_luma_and_bicubic_the_chroma(scale):
    lr = 0.3 + 0.4 * image(1, 3, 8, 11, dtype=torch.float64)  # far from 0 and 1: nothing clamps
    model = Sharpen(scale, 1)
    sr = upscale_colour(lr, model, "y", scale)
    assert sr.shape == (1, 3, 8 * scale, 11 * scale)
    assert far(luma(sr), model(luma(lr))) < 1e-12
    bicubic = enlarge(rgb_to_ycbcr(lr), scale)
    assert far(rgb_to_ycbcr(sr)[:, 1:], bicubic[:, 1:]) < 1e-12
    assert far(rgb_to_ycbcr(sr)[:, :1], bicubic[:, :1]) > 1e-2


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
    model = network("espcn rgb")
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
