"""Guards: pictures of 16 bits keep all of them, however a file stores them, in and out."""

import io
import warnings
from contextlib import suppress
from itertools import product

import numpy as np
import pytest
import tifffile
from common import for_all
from PIL import Image

from srlab.errors import DepthWarning, UserError
from srlab.imaging.files import read_pixels
from srlab.imaging.formats.metadata import Metadata
from srlab.imaging.picture import Picture, read_picture
from srlab.imaging.writing import picture_writer

DEEP = np.random.default_rng(0).integers(0, 65536, (21, 30, 4), dtype=np.uint16)
ORIENTATION_6 = [(274, 3, 1, 6, True)]


def save_tiff(path, channels, byteorder="<", **options):
    pixels = DEEP[..., :channels] if channels > 1 else DEEP[..., 0]
    options.setdefault("photometric", "rgb" if channels > 2 else "minisblack")
    if channels == 4:
        options.setdefault("extrasamples", ["unassalpha"])
    if "planarconfig" in options:
        pixels = np.moveaxis(pixels, 2, 0).copy()
    with tifffile.TiffWriter(path, byteorder=byteorder) as file:
        file.write(pixels, **options)


def test_a_tiff_of_16_bits_is_read_however_it_is_stored(tmp_path):
    def check(channels, options):
        save_tiff(tmp_path / "a.tif", channels, **options)
        pixels = read_picture(tmp_path / "a.tif").pixels
        from_white = options.get("photometric") == "miniswhite"
        assert np.array_equal(pixels, DEEP[..., :channels] ^ (65535 * from_white))

    ways = [
        {}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True},
        {"compression": "zlib", "byteorder": ">"}, {"byteorder": ">"}, {"rowsperstrip": 4},
        {"tile": (16, 16)}, {"tile": (16, 16), "compression": "zlib"},
    ]  # fmt: skip
    apart = [{"planarconfig": "separate"}, {"planarconfig": "separate", "compression": "zlib"}]
    cases = [(n, way) for n in (3, 4) for way in ways + apart]
    for_all([*cases, *((1, way) for way in ways), (1, {"photometric": "miniswhite"})], check)


def test_alpha_that_colours_are_multiplied_by_is_taken_out_of_them(tmp_path):
    pixels = np.full((4, 5, 4), 20_000, dtype=np.uint16)
    pixels[..., 3] = 40_000
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", extrasamples=["assocalpha"])
    assert (read_picture(tmp_path / "a.tif").pixels == [32_768] * 3 + [40_000]).all()


def test_a_tiff_is_turned_upright_once(tmp_path):
    for options in ({}, {"planarconfig": "separate"}):
        save_tiff(tmp_path / "a.tif", 3, extratags=ORIENTATION_6, **options)
        pixels = read_picture(tmp_path / "a.tif").pixels
        assert np.array_equal(pixels, np.rot90(DEEP[..., :3], -1))


def test_fewer_bits_than_16_are_stretched_to_them(tmp_path):
    for head, channels in ((b"P6", 3), (b"P5", 1)):
        levels = DEEP[..., :channels] % 1024
        data = head + b" 30 21 1023\n" + levels.astype(">u2").tobytes()
        (tmp_path / "a.ppm").write_bytes(data)
        pixels = read_picture(tmp_path / "a.ppm").pixels
        assert np.array_equal(pixels, levels.astype(np.uint32) * 65535 // 1023)


def test_our_tiff_is_what_every_reader_finds(tmp_path):
    path = tmp_path / "a.tif"

    def check(channels, bits, step):
        pixels = DEEP[..., :channels] if bits == 16 else DEEP[..., :channels].astype(np.uint8)
        pixels = np.tile(pixels, (15, 20, 1))  # more than one strip
        like = Picture(pixels, Metadata(resolution=(300, 200)))
        height, width = pixels.shape[:2]
        with path.open("wb") as file, picture_writer(file, ".tif", height, width, like) as write:
            for first in range(0, height, step):
                write(pixels[first : first + step])
        stored = pixels[..., [0, 0, 0, 1]] if channels == 2 and bits == 16 else pixels
        assert np.array_equal(tifffile.imread(path).reshape(stored.shape), stored)
        assert np.array_equal(read_picture(path).pixels, stored)
        with Image.open(path) as image:
            assert image.info["dpi"] == (300, 200)

    for_all(product((1, 2, 3, 4), (8, 16), (7, 2000)), check)


def test_training_rounds_16_bits_to_the_nearest_of_8_and_says_so(tmp_path):
    save_tiff(tmp_path / "rgb.tif", 3)
    save_tiff(tmp_path / "grey.tif", 1)
    like = Picture(DEEP[..., :2])
    with (tmp_path / "la.png").open("wb") as file, picture_writer(file, ".png", 21, 30, like) as w:
        w(like.pixels)

    def check(name, channels):
        with pytest.warns(DepthWarning, match=f"16 bits in {tmp_path} are rounded to 8"):
            pixels = read_pixels(tmp_path / name)
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == channels
        assert np.abs(pixels - DEEP[..., :channels] / 257).max() <= 0.5

    for_all([("rgb.tif", 3), ("grey.tif", 1), ("la.png", 1)], check)


def test_rounding_is_said_once_for_each_folder(tmp_path):
    places = [tmp_path / folder / name for folder in "ab" for name in ("1.png", "2.png")]
    for place in places:
        place.parent.mkdir(exist_ok=True)
        like = Picture(DEEP[..., :3])
        with place.open("wb") as file, picture_writer(file, ".png", 21, 30, like) as write:
            write(like.pixels)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        for place in places:
            read_pixels(place)
    assert sum(issubclass(one.category, DepthWarning) for one in said) == 2


def test_a_tiff_that_lacks_strips_is_cut_off_and_not_black_below(tmp_path):
    def check(bits, planes, packing):
        pixels = (DEEP[..., :3] >> (16 - bits)).astype(f"uint{bits}")
        pixels = pixels if planes == "contig" else pixels.transpose(2, 0, 1)
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, pixels, photometric="rgb", planarconfig=planes, compression=packing)
        read_picture(path)
        with tifffile.TiffFile(path, mode="r+b") as file:
            file.pages[0].tags["ImageLength"].overwrite(2100)
        with pytest.raises(UserError, match="its pixels are cut off"):
            read_picture(path)

    for_all(product((8, 16), ("contig", "separate"), (None, "zlib")), check)


def test_damaged_tiffs_are_told_in_a_sentence(tmp_path):
    for options in ({}, {"compression": "zlib"}, {"planarconfig": "separate"}):
        save_tiff(tmp_path / "a.tif", 3, **options)
        whole = (tmp_path / "a.tif").read_bytes()
        rng = np.random.default_rng(0)
        for _ in range(30):
            data = bytearray(whole)
            for place in rng.integers(0, 400, 3):
                data[place] = rng.integers(0, 256)
            cut = rng.integers(100, len(data) + 1)
            (tmp_path / "b.tif").write_bytes(data[:cut])
            with suppress(UserError):  # and nothing else
                read_picture(tmp_path / "b.tif")


def test_a_kind_of_tiff_that_is_not_read_is_told(tmp_path):
    out = io.BytesIO()
    options = {"photometric": "minisblack", "planarconfig": "contig"}
    tifffile.imwrite(out, DEEP[..., :2], extrasamples=["unassalpha"], **options)
    (tmp_path / "a.tif").write_bytes(out.getvalue())
    with pytest.raises(UserError, match=r"a\.tif .*a TIFF with a kind of pixels"):
        read_picture(tmp_path / "a.tif")
