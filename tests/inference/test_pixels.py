"""Guards: pixels of any kind of picture become pixels of the same kind, rounded to the nearest."""

import copy
from functools import partial

import numpy as np
import pytest
import torch
from models.variants import NEAREST, WHOLE, variant

from srlab.imaging.resample import enlarge
from srlab.inference.colour import upscale_colour
from srlab.inference.fast_copy import fast_copy
from srlab.inference.pixels import OnPixels, to_levels, to_pixels, upscale_pixels
from srlab.models.espcn import ESPCN
from srlab.models.plain import Plain
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle

COLOURS = {1: "y", 3: "rgb"}
# Frames narrower and wider than what alpha's bicubic wants, a grid, and one that is not cut.
NETWORKS = [
    ("plain", 1, NEAREST),
    ("espcn", 1, None),
    ("edsr", 1, None),
    ("edsr", 3, None),
    ("unet", 3, None),
    ("espcn of relu + bicubic", 3, WHOLE),
]


def pixels_of(height, width, channels, bits=8):
    kind = np.uint8 if bits == 8 else np.uint16
    return np.random.default_rng(0).integers(0, 2**bits, (height, width, channels), dtype=kind)


def assembled(model, pixels, tile, at_once=1):
    return np.concatenate(list(upscale_pixels(model, pixels, tile, at_once)))


def unlike(ours, theirs):
    return abs(ours.astype(int) - theirs.astype(int)).max()


@pytest.mark.parametrize(("name", "sees", "head"), NETWORKS)
def test_pixels_in_strips_are_the_whole_pictures(name, sees, head):
    model = variant(name, 3, sees, head, disturbed=False).float()
    for channels in (1, 2, 3, 4):
        for bits in (8, 16):
            pixels = pixels_of(21, 38, channels, bits)
            strips = assembled(OnPixels(model, COLOURS[sees]), pixels, 10, 2)
            top = 2**bits - 1
            x = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] / top
            colours = channels - (channels in (2, 4))
            with torch.inference_mode():
                sr = upscale_colour(x[:, :colours], model, COLOURS[sees], model.scale)
                alpha = enlarge(x[:, colours:], model.scale).clamp(0, 1)
            expected = (torch.cat([sr, alpha], dim=1)[0].permute(1, 2, 0) * top).numpy()
            assert strips.dtype == pixels.dtype
            assert strips.shape == expected.shape
            assert np.abs(strips - expected).max() < 0.5 + 1e-5 * top


def test_levels_and_pixels_are_each_others_inverse():
    for bits in (8, 16):
        pixels = pixels_of(3, 5, 4, bits)
        back = to_pixels(to_levels(pixels))
        assert back.dtype == pixels.dtype
        assert np.array_equal(back, pixels)


@pytest.mark.parametrize("bits", [8, 16])
def test_values_are_rounded_to_the_nearest_level_and_clamped(bits):
    top = 2**bits - 1

    class Shift(Plain):
        def forward(self, lr, halo=0):
            return super().forward(lr, halo) + self.by / top

    model = Shift(partial(Interpolate, mode="nearest"), 2)
    pixels = np.array([[[0], [7], [top]]], dtype=np.uint8 if bits == 8 else np.uint16)
    for by, expected in ((0.4, [0, 7, top]), (0.6, [1, 8, top]), (-0.6, [0, 6, top - 1])):
        model.by = by
        sr = assembled(OnPixels(model, "y"), pixels, 0)
        assert sr[0, ::2, 0].tolist() == expected


def test_half_precision_is_near_and_leaves_interpolation_alone():
    pixels = pixels_of(20, 30, 3)
    model = ESPCN(PixelShuffle, 3).eval()
    exact = assembled(OnPixels(model, "y"), pixels, 0).astype(int)
    half = assembled(OnPixels(model, "y", torch.bfloat16), pixels, 0)  # casts its weights
    assert 0 < np.abs(half - exact).max() <= 3
    bicubic = Plain(Interpolate, 3)
    for precision in (torch.bfloat16, torch.float16):
        assert np.array_equal(
            assembled(OnPixels(bicubic, "y", precision), pixels, 0),
            assembled(OnPixels(bicubic, "y"), pixels, 0),
        )


# Each kind of layer that is cast, and what is not: interpolation, gathering, pooling.
@pytest.mark.parametrize(
    "name",
    ["espcn", "espcn + nearest", "srcnn", "fsrcnn", "compact", "edsr + bicubic", "unet", "vdsr"],
)
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_weights_that_are_cast_once_give_what_autocast_gives(name, kind):
    model = fast_copy(variant(name, 3, 3, disturbed=False).float())
    pixels = pixels_of(12, 15, 3)
    lr = torch.rand(1, 3, 12 + 2 * model.frame, 15 + 2 * model.frame)
    with torch.inference_mode(), torch.autocast("cpu", kind):
        expected = model(lr, halo=model.frame).float()
    ours = OnPixels(copy.deepcopy(model), "rgb", kind)
    full = assembled(OnPixels(model, "rgb"), pixels, 0)
    assert unlike(assembled(ours, pixels, 0), full) <= (2 if kind == torch.float16 else 4)
    if kind == torch.float16:  # kernels of bf16 are rounded in another way
        with torch.inference_mode():
            assert torch.equal(ours._once(lr, model.frame), expected)
