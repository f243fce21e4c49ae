"""Guards: every reader finds in our PNG files the pixels, profile and EXIF that were written."""

import io
import zlib

import numpy as np
import pytest
import torch
from common import for_all
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.io import ImageReadMode, decode_image

from srlab.imaging import png
from srlab.imaging.png import PngWriter

pytestmark = pytest.mark.filterwarnings(
    "ignore:The image decoding and encoding capabilities:DeprecationWarning"
)


def pixels_of(height, width, channels, bits, seed=0):
    """A picture of noise, of flat areas and of slopes, so that every guess of Paeth's is taken."""
    generator = np.random.default_rng(seed)
    noise = generator.integers(0, 2**bits, (height, width, channels))
    slope = np.add.outer(np.arange(height), np.arange(width))[..., None] * 2 ** (bits - 8)
    choice = generator.integers(0, 3, (height, width, 1))
    mixed = np.select([choice == 0, choice == 1], [noise, slope % 2**bits], 2**bits - 1)
    return mixed.astype(np.uint8 if bits == 8 else np.uint16)


def written(pixels, step, **extras):
    height, width, channels = pixels.shape
    out = io.BytesIO()
    with PngWriter(out, height, width, channels, 8 * pixels.itemsize, **extras) as writer:
        for first in range(0, height, step):
            writer.write(pixels[first : first + step])
    return out.getvalue()


def by_torchvision(data):
    image = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    return decode_image(image, mode=ImageReadMode.UNCHANGED).permute(1, 2, 0).numpy()


@settings(max_examples=100)
@given(
    channels=st.integers(1, 4),
    bits=st.sampled_from([8, 16]),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    step=st.integers(1, 31),
    seed=st.integers(0, 999),
)
def test_readers_find_the_pixels_that_were_written(channels, bits, height, width, step, seed):
    pixels = pixels_of(height, width, channels, bits, seed)
    encoded = written(pixels, step)
    decoded = by_torchvision(encoded)
    assert decoded.dtype == pixels.dtype
    assert np.array_equal(decoded, pixels)
    pillow = Image.open(io.BytesIO(encoded))
    pillow.load()  # which checks the chunks' sums and that of the whole
    assert pillow.size == (width, height)
    if bits == 8 or channels == 1:
        assert bits == 8 or pillow.mode == "I;16"
        assert np.array_equal(np.array(pillow).reshape(pixels.shape), pixels)
    else:  # of colour and of alpha in 16 bits it keeps the upper byte
        kept = np.array(pillow.convert("LA") if channels == 2 else pillow)
        assert np.array_equal(kept, pixels >> 8)


def test_blocks_of_any_size_make_one_stream(monkeypatch):
    pixels = pixels_of(67, 301, 3, 8)

    def check(block):
        monkeypatch.setattr(png, "_BLOCK", block)
        encoded = written(pixels, 20)
        assert np.array_equal(by_torchvision(encoded), pixels)
        raw, rest = b"", encoded[8:]
        while rest:  # zlib itself checks the sum that is joined of the blocks'
            length = int.from_bytes(rest[:4], "big")
            raw += rest[8 : 8 + length] if rest[4:8] == b"IDAT" else b""
            rest = rest[12 + length :]
        assert len(zlib.decompress(raw)) == 67 * (1 + 3 * 301)

    for_all((1, 1000, 100_000), check)


def test_profile_and_exif_are_kept():
    block = Image.Exif()
    block[0x010F] = "A Maker"
    encoded = written(pixels_of(5, 4, 3, 8), 2, icc=b"a profile", exif=block.tobytes())
    image = Image.open(io.BytesIO(encoded))
    assert image.info["icc_profile"] == b"a profile"
    assert image.getexif()[0x010F] == "A Maker"


def test_flat_pictures_are_small():
    assert len(written(np.zeros((1000, 1000, 3), dtype=np.uint8), 100)) < 10_000


def test_rows_that_are_too_many_or_too_few_are_told():
    pixels = pixels_of(5, 4, 3, 8)
    with (
        pytest.raises(ValueError, match="more rows"),
        PngWriter(io.BytesIO(), 4, 4, 3, 8) as writer,
    ):
        writer.write(pixels)
    with (
        pytest.raises(ValueError, match="1 rows are missing"),
        PngWriter(io.BytesIO(), 6, 4, 3, 8) as writer,
    ):
        writer.write(pixels)
