"""Guards: what training and evaluation read of image files: grey or RGB of 8 bits."""

import struct

import numpy as np
import pytest
import torch
from common import for_all
from PIL import Image

from srlab.errors import UserError
from srlab.imaging.files import list_images, read_pixels, to_pixels, to_tensor
from srlab.imaging.formats.opening import open_first


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_training_sees_grey_as_one_channel_and_all_else_as_three(tmp_path):
    def check(mode, channels):
        image = Image.fromarray(noise(7, 11, 3)).convert(mode)
        image.save(tmp_path / "a.png")
        pixels = read_pixels(tmp_path / "a.png")
        assert pixels.dtype == np.uint8
        assert pixels.shape == (7, 11, channels)
        expected = np.array(image.convert("L" if channels == 1 else "RGB")).reshape(pixels.shape)
        assert np.array_equal(pixels, expected)

    for_all({"1": 1, "L": 1, "LA": 1, "P": 3, "RGB": 3, "RGBA": 3}.items(), check)


def test_training_refuses_more_than_16_bits(tmp_path):
    Image.fromarray(noise(7, 11).astype(np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(UserError, match=r"float\.tif has more than 16 bits"):
        read_pixels(tmp_path / "float.tif")


def test_pixels_and_tensors_are_each_others_inverse():
    def check(channels):
        pixels = np.arange(256, dtype=np.uint8).repeat(channels).reshape(16, 16, channels)
        image = to_tensor(pixels)
        assert image.shape == (1, channels, 16, 16)
        assert image.dtype == torch.float64
        assert (image.min(), image.max()) == (0, 1)
        assert np.array_equal(to_pixels(image), pixels)
        assert np.array_equal(to_pixels(image.float()), pixels)

    for_all((1, 3), check)


def test_a_folder_without_pictures_is_told(tmp_path):
    with pytest.raises(UserError, match="gone does not exist"):
        list_images(tmp_path / "gone")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match="holds no image"):
        list_images(tmp_path)


def test_heic_is_named_with_the_extra_that_reads_it(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(UserError, match=r"a\.jpg .*HEIC.*pip install 'srlab\[heif\]'"):
        read_pixels(tmp_path / "a.jpg")


@pytest.mark.parametrize("packing", ["raw", "tiff_lzw", "tiff_deflate", "jpeg", "packbits"])
def test_a_tiff_that_says_more_rows_than_it_holds_is_refused(packing, tmp_path):
    path = tmp_path / "a.tif"
    Image.fromarray(noise(11, 13, 3)).save(path, compression=packing)
    assert read_pixels(path).shape == (11, 13, 3)
    data = bytearray(path.read_bytes())
    (entry,) = (e for e in (struct.pack("<HHI", 257, kind, 1) for kind in (3, 4)) if e in data)
    data[data.index(entry) + 8] = 22  # its length
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.tif is not a readable image"):
        read_pixels(path)


def test_a_gif_whose_screen_is_huge_and_whose_frame_is_small_is_refused(tmp_path):
    path = tmp_path / "a.gif"
    Image.fromarray(noise(11, 13)).save(path)
    data = path.read_bytes()
    path.write_bytes(data[:6] + struct.pack("<HH", 9_000, 6_000) + data[10:])
    with pytest.raises(UserError, match="first frame is lost in 9000x6000 pixels"):
        read_pixels(path)
    path.write_bytes(data[:6] + struct.pack("<HH", 60, 40) + data[10:])
    assert read_pixels(path).shape[:2] == (40, 60)


def test_a_webp_that_is_larger_than_its_frames_can_be_is_refused(tmp_path):
    path = tmp_path / "a.webp"
    frames = [Image.fromarray(noise(11, 13, 3) // n) for n in (1, 2)]
    frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
    data = bytearray(path.read_bytes())
    assert data[12:16] == b"VP8X"
    data[24:27] = (20_000 - 1).to_bytes(3, "little")  # the width of its canvas
    path.write_bytes(data)
    with pytest.raises(UserError, match="none of its frames can be as large as 20000x11"):
        open_first(path, first_frame=True)
