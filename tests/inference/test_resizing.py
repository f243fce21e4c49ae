"""Guards: any size by one interpolation, whatever way the rows come."""

import numpy as np
import pytest
import torch
from common import above
from torch.nn.functional import interpolate

from srlab.imaging.resample import mirror_pad, stretch
from srlab.inference.resizing import resize_rows
from srlab.inference.streams import RowStream


def noise(height, width, kind):
    top = np.iinfo(kind).max
    return np.random.default_rng(0).integers(0, top, (height, width, 3), kind, endpoint=True)


def resized(picture, height, width, mode="bicubic"):
    return np.concatenate(list(resize_rows(picture, height, width, mode)))


def off(made, expected):
    """By how many levels it is off at most."""
    expected = expected[0].permute(1, 2, 0).clamp(0, np.iinfo(made.dtype).max).numpy()
    return abs(made - expected).max()


def exact(pixels):
    return torch.from_numpy(pixels.astype(np.float64)).permute(2, 0, 1)[None]


def test_smaller_is_torchs_antialiased_bicubic_of_a_mirrored_picture():
    errors = {}
    for factor in (5 / 6, 3 / 4, 3 / 8):
        for kind in (np.uint8, np.uint16):
            pixels = noise(72, 96, kind)
            framed = mirror_pad(exact(pixels), 24)
            size = [round(side * factor) for side in framed.shape[2:]]
            border = round(24 * factor)
            whole = interpolate(framed, size=size, mode="bicubic", antialias=True)
            made = resized(pixels, *(side - 2 * border for side in size))
            expected = whole[..., border:-border, border:-border]
            errors[factor, kind] = off(made, expected)
    assert above(errors, 0.52) == {}


def test_larger_is_the_kernel_itself():
    pixels = noise(37, 41, np.uint8)
    for mode in ("bicubic", "bilinear"):
        assert off(resized(pixels, 100, 97, mode), stretch(exact(pixels), 100, 97, mode)) < 0.5001
    line = np.arange(3, dtype=np.uint8).reshape(1, 3, 1)
    assert resized(line, 1, 5, "nearest")[0, :, 0].tolist() == [0, 0, 1, 2, 2]


def test_rows_that_come_in_parts_make_the_same_pixels():
    pixels = noise(150, 31, np.uint8)
    for height, width in ((70, 30), (149, 31), (2, 1), (400, 50)):
        whole = resized(pixels, height, width)
        for step in (1, 7, 64):
            parts = (pixels[first : first + step] for first in range(0, 150, step))
            stream = RowStream(parts, pixels.shape, pixels.dtype)
            assert np.array_equal(resized(stream, height, width), whole)


def test_a_stream_holds_no_more_than_is_wanted_and_says_what_is_gone():
    pixels = noise(40, 3, np.uint8)
    stream = RowStream((pixels[row : row + 4] for row in range(0, 40, 4)), (48, 3, 3), np.uint8)
    for first in range(0, 34, 2):
        assert np.array_equal(stream[first : first + 7], pixels[first : first + 7])
        assert sum(len(part) for _, part in stream._held) <= 7 + 2 * 3
    with pytest.raises(IndexError, match="row 27 is forgotten"):
        stream[27:40]
    with pytest.raises(IndexError, match="row 40 of a picture that ends at row 40"):
        stream[36:41]
