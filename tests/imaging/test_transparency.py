"""Guards: colours that cannot be seen do not leak into those that can, and no alpha is lost."""

import io

import numpy as np
import pytest

from srlab.errors import UserError
from srlab.imaging.picture import Picture, fill_hidden
from srlab.imaging.writing import picture_writer
from srlab.inference.pixels import OnPixels, upscale_pixels
from srlab.models.plain import Plain
from srlab.upsamplers.interpolation import Interpolate


def disc(channels, dtype=np.uint8):
    """A white disc on black that cannot be seen."""
    y, x = np.mgrid[:24, :26]
    seen = (y - 11) ** 2 + (x - 12) ** 2 < 60
    most = np.iinfo(dtype).max
    return np.repeat((seen * most).astype(dtype)[..., None], channels, axis=2), seen


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_edge_of_a_white_disc_stays_white(channels, dtype):
    pixels, seen = disc(channels, dtype)
    filled = fill_hidden(pixels)
    assert (filled[..., :-1] == np.iinfo(dtype).max).all()
    assert np.array_equal(filled[..., -1], pixels[..., -1])
    assert np.array_equal(filled[seen], pixels[seen])
    model = OnPixels(Plain(Interpolate, 3), "y")
    sr = np.concatenate(list(upscale_pixels(model, filled, 16)))
    assert (sr[..., :-1] == np.iinfo(dtype).max).all()


def test_pictures_of_which_all_or_nothing_is_seen_stay_as_they_are():
    random = np.random.default_rng(0)
    for channels in (1, 2, 3, 4):
        pixels = random.integers(0, 256, (5, 6, channels), dtype=np.uint8)
        for alpha in (0, 255, 1):
            if channels in (2, 4):
                pixels[..., -1] = alpha
            assert fill_hidden(pixels) is pixels


@pytest.mark.parametrize("kind", [".jpg", ".bmp"])
def test_transparency_is_not_dropped_in_silence(kind):
    pixels, _ = disc(4)
    opaque = pixels.copy()
    opaque[..., -1] = 255
    with picture_writer(io.BytesIO(), kind, 24, 26, Picture(opaque)) as write:
        write(opaque)
    writer = picture_writer(io.BytesIO(), kind, 24, 26, Picture(pixels))
    with pytest.raises(UserError, match=r"no transparency: write \.png"), writer:
        pass
