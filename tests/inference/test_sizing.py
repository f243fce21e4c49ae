"""Guards: tiles are as large, and as many at once, as halo and memory allow."""

import torch
from models.variants import VARIANTS, variant

from srlab.inference.sizing import automatic_number, automatic_tile
from srlab.models.edsr import EDSR
from srlab.models.espcn import ESPCN
from srlab.models.plain import Plain
from srlab.models.srcnn import SRCNN
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle


def test_tiles_are_larger_for_larger_halos_and_bounded_by_memory():
    assert automatic_tile(ESPCN(PixelShuffle, 3)) == 192
    assert automatic_tile(Plain(Interpolate, 2)) == 192
    assert 64 <= automatic_tile(SRCNN(Interpolate, 4)) < 192  # features at high resolution
    deep = EDSR(PixelShuffle, 2, blocks=16, features=8).eval()
    assert ((automatic_tile(deep) + 2 * deep.halo) / automatic_tile(deep)) ** 2 < 1.26
    wide = EDSR(PixelShuffle, 4, blocks=16, features=256).eval()
    assert deep.halo < automatic_tile(wide) < automatic_tile(deep)


def test_as_many_tiles_at_once_as_there_are_threads_if_they_fit():
    usual = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert automatic_number(ESPCN(PixelShuffle, 3), 128) == 2
        assert automatic_number(ESPCN(PixelShuffle, 3), 10_000) == 1
        assert automatic_number(ESPCN(PixelShuffle, 3), 0) == 1
    finally:
        torch.set_num_threads(usual)


def test_a_size_is_found_for_every_network():
    for name in VARIANTS:
        model = variant(name)
        assert automatic_tile(model) >= max(model.halo, 32)
