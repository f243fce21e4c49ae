"""Guards: pictures are read and written pixel for pixel, in every format and orientation."""

import io
import struct
import zlib
from itertools import product

import numpy as np
import pytest
from common import for_all
from PIL import Image, ImageOps

from srlab.errors import UserError
from srlab.imaging.files import read_pixels
from srlab.imaging.formats.opening import open_image
from srlab.imaging.picture import Picture, read_picture
from srlab.imaging.writing import check_fits, picture_writer

# torchvision announces the end of its decoders, which read 16-bit colour here.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The image decoding and encoding capabilities:DeprecationWarning"
)

ORIENTATION, MAKER, EXIF_IFD, TAKEN = 0x0112, 0x010F, 0x8769, 0x9003
ICC = b"a colour profile " * 40
SIZE = (7, 11)


def noise(*shape, top=255, seed=0):
    kind = np.uint8 if top < 256 else np.uint16
    return np.random.default_rng(seed).integers(0, top + 1, shape, dtype=kind)


def write_picture(path, picture, kind, step=3):
    """Write a picture in strips of a few rows, as a file of that kind."""
    height, width = picture.pixels.shape[:2]
    with path.open("wb") as file, picture_writer(file, kind, height, width, picture) as write:
        for first in range(0, height, step):
            write(picture.pixels[first : first + step])


def picture_of(pixels):
    """Make a picture of pixels (H, W, 1 to 4)."""
    return Picture(pixels)


def exif_block(orientation=None):
    block = Image.Exif()
    block[MAKER] = "A Maker"
    block.get_ifd(EXIF_IFD)[TAKEN] = "2020:02:29 12:00:00"
    if orientation is not None:
        block[ORIENTATION] = orientation
    return block


def opened(path):
    """Open a file by Pillow, whatever its name says."""
    return Image.open(io.BytesIO(path.read_bytes()))


def parsed(exif):
    block = Image.Exif()
    block.load(exif)
    return block


def deep_png(pixels, orientation=None, extra=()):
    """Encode uint16 pixels (H, W, C) as PNG: rows unfiltered, unlike srlab's own."""

    def chunk(name, data):
        check = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)

    height, width, channels = pixels.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)), *extra]
    if orientation is not None:
        chunks.append((b"eXIf", exif_block(orientation).tobytes().removeprefix(b"Exif\0\0")))
    chunks += [(b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks)


# --- pixels


def test_8_bit_pixels_survive_a_round_trip(tmp_path):
    def check(mode, channels, suffix):
        pixels = noise(*SIZE, channels)
        source, copy = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
        Image.fromarray(pixels[..., 0] if mode == "L" else pixels).save(source)
        assert opened(source).mode == mode
        picture = read_picture(source)
        assert picture.bits == 8
        assert picture.pixels.dtype == np.uint8
        assert np.array_equal(picture.pixels, pixels)
        write_picture(copy, picture, suffix)
        assert opened(copy).mode == mode
        assert np.array_equal(np.array(opened(copy)).reshape(pixels.shape), pixels)
        assert np.array_equal(read_picture(copy).pixels, pixels)

    modes = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
    for_all([(m, modes[m], suffix) for m in modes for suffix in (".png", ".tif")], check)


def test_every_16_bit_level_survives_a_round_trip_as_png(tmp_path):
    def check(channels):
        levels = np.arange(65536, dtype=np.uint16)
        rng = np.random.default_rng(channels)
        planes = [rng.permutation(levels).reshape(128, 512) for _ in range(channels)]
        pixels = np.stack(planes, axis=-1)
        (tmp_path / "a.png").write_bytes(deep_png(pixels))
        picture = read_picture(tmp_path / "a.png")
        assert picture.bits == 16
        assert picture.pixels.dtype == np.uint16
        assert np.array_equal(picture.pixels, pixels)
        write_picture(tmp_path / "b.png", picture, ".png", step=50)
        assert np.array_equal(read_picture(tmp_path / "b.png").pixels, pixels)

    for_all((1, 2, 3, 4), check)


def test_pillows_16_bit_grey_is_read_bit_by_bit(tmp_path):
    def check(suffix):
        pixels = noise(*SIZE, top=65535)
        Image.fromarray(pixels).save(tmp_path / f"a.{suffix}")
        picture = read_picture(tmp_path / f"a.{suffix}")
        assert picture.bits == 16
        assert np.array_equal(picture.pixels[..., 0], pixels)

    for_all(("png", "tif"), check)


def test_every_format_holds_opaque_pictures(tmp_path):
    def check(suffix, channels):
        smooth = np.linspace(40, 200, 16 * 16 * channels).reshape(16, 16, channels).astype(np.uint8)
        write_picture(tmp_path / "a", picture_of(smooth), suffix)
        again = read_picture(tmp_path / "a").pixels
        lossless = suffix not in (".webp", ".jpg")
        again = again[..., :channels] if suffix == ".webp" else again  # it knows no greyscale
        assert again.shape == smooth.shape
        assert np.abs(again - smooth.astype(int)).max() <= (0 if lossless else 6)

    for_all(product((".bmp", ".webp", ".jpg", ".tif", ".png", ".PNG"), (1, 3)), check)


def test_formats_without_16_bits_get_the_nearest_of_8(tmp_path):
    levels = np.arange(65536).reshape(256, 256, 1).astype(np.uint16)

    def check(suffix):
        write_picture(tmp_path / "a", picture_of(levels), suffix)
        again = read_picture(tmp_path / "a")
        assert again.bits == 8
        off = np.abs(again.pixels[..., :1] - levels / 257).max()
        assert off <= 0.5 if suffix == ".bmp" else off < 6

    for_all((".jpg", ".webp", ".bmp"), check)


def test_alpha_survives_webp(tmp_path):
    pixels = np.full((16, 16, 4), 200, dtype=np.uint8)
    pixels[:8, :, 3] = 60
    write_picture(tmp_path / "a.webp", picture_of(pixels), ".webp")
    assert np.array_equal(read_picture(tmp_path / "a.webp").pixels[..., 3], pixels[..., 3])


def test_a_palette_is_read_as_rgb_or_as_rgba_where_an_entry_is_transparent(tmp_path):
    colours = np.array([(10, 20, 30, 255), (40, 50, 60, 255), (70, 80, 90, 0), (1, 2, 3, 255)])
    index = noise(*SIZE, top=3)
    image = Image.new("P", SIZE[::-1])
    image.putdata(index.ravel().tolist())
    image.putpalette(colours[:, :3].ravel().tolist())
    for extras, channels in (({}, 3), ({"transparency": 2}, 4)):
        image.save(tmp_path / "a.png", **extras)
        picture = read_picture(tmp_path / "a.png")
        assert np.array_equal(picture.pixels, colours[index][..., :channels])
        write_picture(tmp_path / "b.png", picture, ".png")
        assert np.array_equal(read_picture(tmp_path / "b.png").pixels, picture.pixels)


def test_a_transparent_colour_is_read_as_alpha(tmp_path):
    def check(bits, channels):
        pixels = noise(*SIZE, channels, top=2**bits - 1)
        if bits == 8:
            key = tuple(int(v) for v in pixels[2, 3])
            image = Image.fromarray(pixels if channels == 3 else pixels[..., 0])
            image.save(tmp_path / "a.png", transparency=key if channels == 3 else key[0])
        else:
            key = (b"tRNS", pixels[2, 3].astype(">u2").tobytes())
            (tmp_path / "a.png").write_bytes(deep_png(pixels, extra=[key]))
        found = read_picture(tmp_path / "a.png").pixels
        transparent = (pixels == pixels[2, 3]).all(axis=-1)
        assert np.array_equal(found[..., :-1], pixels)
        assert np.array_equal(found[..., -1], np.where(transparent, 0, 2**bits - 1))

    for_all(product((8, 16), (1, 3)), check)


def test_1_bit_pixels_are_read_as_black_and_white(tmp_path):
    bits = noise(*SIZE, top=1)
    Image.fromarray(bits * 255).convert("1").save(tmp_path / "a.png")
    assert opened(tmp_path / "a.png").mode == "1"
    picture = read_picture(tmp_path / "a.png")
    assert np.array_equal(picture.pixels, bits[..., None] * 255)


# --- orientation and EXIF


def test_pictures_are_turned_upright(tmp_path):
    def check(suffix, orientation):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(noise(*SIZE, 3)).save(path, exif=exif_block(orientation))
        assert opened(path).getexif()[ORIENTATION] == orientation
        upright = np.array(ImageOps.exif_transpose(opened(path)).convert("RGB"))
        assert upright.shape[:2] == (SIZE if orientation < 5 else SIZE[::-1])
        assert np.array_equal(read_picture(path).pixels, upright)

    for_all(product(("jpg", "png", "webp", "tif"), range(1, 9)), check)


def test_16_bit_pictures_are_turned_upright(tmp_path):
    def check(channels, orientation):
        pixels = noise(*SIZE, channels, top=65535)
        (tmp_path / "a.png").write_bytes(deep_png(pixels, orientation))
        picture = read_picture(tmp_path / "a.png")
        for channel in range(channels):  # Pillow turns one plane of 16 bits at a time
            plane = Image.fromarray(np.ascontiguousarray(pixels[..., channel]))
            plane.getexif()[ORIENTATION] = orientation
            upright = np.array(ImageOps.exif_transpose(plane))
            assert np.array_equal(picture.pixels[..., channel], upright)

    for_all(product((1, 4), range(1, 9)), check)


def turned_picture(path, orientation):
    """Write a file with an orientation and other EXIF; a name in `deep` gets 16 bits."""
    if path.stem == "deep":
        path.write_bytes(deep_png(noise(*SIZE, 3, top=65535), orientation))
    else:
        block = exif_block(orientation).tobytes()  # as bytes: a TIFF then holds its inner block too
        Image.fromarray(noise(*SIZE, 3)).save(path, exif=block)
    return read_picture(path)


def test_the_orientation_is_gone_once_it_is_obeyed_and_other_exif_is_kept(tmp_path):
    def check(name, orientation):
        picture = turned_picture(tmp_path / name, orientation)
        copy = tmp_path / f"copy.{name.partition('.')[2]}"
        write_picture(copy, picture, copy.suffix)
        assert opened(copy).size == picture.pixels.shape[1::-1]
        for block in (parsed(picture.said.exif), opened(copy).getexif()):
            assert ORIENTATION not in block
            assert block[MAKER] == "A Maker"
            assert block.get_ifd(EXIF_IFD)[TAKEN] == "2020:02:29 12:00:00"

    for_all(product(("a.jpg", "a.png", "deep.png", "a.webp", "a.tif"), (1, 3, 6)), check)


def test_what_a_tiff_says_of_its_layout_is_not_taken_for_exif(tmp_path):
    picture = turned_picture(tmp_path / "a.tif", 6)
    assert set(parsed(picture.said.exif)) == {MAKER, EXIF_IFD}


def test_exif_goes_over_into_other_formats(tmp_path):
    def check(source, suffix):
        write_picture(tmp_path / "b", turned_picture(tmp_path / source, 3), suffix)
        block = opened(tmp_path / "b").getexif()
        assert block[MAKER] == "A Maker"
        assert block.get_ifd(EXIF_IFD)[TAKEN] == "2020:02:29 12:00:00"

    for_all(product(("a.jpg", "deep.png", "a.tif"), (".jpg", ".png", ".webp", ".tif")), check)


def test_a_picture_that_has_neither_exif_nor_profile_gets_none(tmp_path):
    only_turned = Image.Exif()
    only_turned[ORIENTATION] = 6
    small = Image.fromarray(noise(*SIZE, 3))
    small.save(tmp_path / "a.jpg")
    small.save(tmp_path / "a.png")
    small.save(tmp_path / "turned.jpg", exif=only_turned)
    (tmp_path / "deep.png").write_bytes(deep_png(noise(*SIZE, 3, top=65535)))

    def check(name):
        picture = read_picture(tmp_path / name)
        assert picture.said.exif is None
        assert picture.said.icc is None
        write_picture(tmp_path / "copy.png", picture, ".png")
        assert b"eXIf" not in (tmp_path / "copy.png").read_bytes()
        assert b"iCCP" not in (tmp_path / "copy.png").read_bytes()

    for_all(("a.jpg", "a.png", "turned.jpg", "deep.png"), check)


# --- colour profiles


def test_a_colour_profile_is_kept(tmp_path):
    def check(suffix, deep_channels):
        source, copy = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
        if deep_channels:
            profile = (b"iCCP", b"a name\0\0" + zlib.compress(ICC))
            pixels = noise(*SIZE, deep_channels, top=65535)
            source.write_bytes(deep_png(pixels, extra=[profile]))
        else:
            Image.fromarray(noise(*SIZE, 3)).save(source, icc_profile=ICC)
        picture = read_picture(source)
        assert picture.said.icc == ICC
        write_picture(copy, picture, suffix)
        assert opened(copy).info["icc_profile"] == ICC
        assert read_picture(copy).said.icc == ICC

    cases = [(".png", n) for n in (1, 2, 3, 4)]
    for_all([*cases, (".png", 0), (".jpg", 0), (".tif", 0), (".webp", 0)], check)


def test_a_cmyk_profile_is_not_given_to_the_rgb_pixels(tmp_path):
    Image.new("CMYK", SIZE, (10, 20, 30, 40)).save(tmp_path / "a.jpg", icc_profile=ICC)
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.pixels.shape[2] == 3
    assert picture.said.icc is None


# --- what cannot be read or written

READERS = (read_picture, read_pixels, open_image)


def test_what_is_no_picture_is_told_by_name(tmp_path):
    (tmp_path / "text.png").write_text("this is no picture")
    (tmp_path / "folder.png").mkdir()

    def check(read, name, words):
        with pytest.raises(UserError, match=rf"{name}\.png {words}"):
            read(tmp_path / f"{name}.png")

    cases = [("gone", "does not exist")]
    cases += [(name, "is not a readable image") for name in ("text", "folder")]
    for_all([(read, *case) for read in READERS for case in cases], check)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow warns of a TIFF, then refuses it
def test_a_file_that_was_cut_off_is_told_by_name(tmp_path):
    def check(suffix):
        path = tmp_path / f"cut.{suffix}"
        if suffix == "deep.png":
            path.write_bytes(deep_png(noise(64, 64, 3, top=65535)))
        else:
            Image.fromarray(noise(64, 64, 3)).save(path)
        whole = path.read_bytes()
        for share, read in product((0.3, 0.6, 0.9), READERS):
            path.write_bytes(whole[: int(share * len(whole))])
            with pytest.raises(UserError, match=f"cut.{suffix} is not a readable image"):
                read(path)

    for_all(("jpg", "png", "tif", "webp", "bmp", "deep.png"), check)


def test_a_type_that_is_unknown_is_refused(tmp_path):
    def check(kind):
        with pytest.raises(UserError, match="cannot write type"):
            write_picture(tmp_path / "a", picture_of(noise(*SIZE, 3)), kind)

    for_all((".xyz", "", "png", ".docx"), check)


def test_pixels_beyond_16_bits_are_refused(tmp_path):
    for dtype, words in ((np.float32, "floating"), (np.int32, "16 bits")):
        values = (np.arange(77).reshape(SIZE) * 10_000).astype(dtype)
        Image.fromarray(values).save(tmp_path / "a.tif")
        with pytest.raises(UserError, match=rf"a\.tif .*{words}"):
            read_picture(tmp_path / "a.tif")


def test_a_picture_that_a_format_cannot_hold_is_refused_before_the_work():
    def check(kind, height, width, words):
        begin = picture_writer(io.BytesIO(), kind, height, width, picture_of(noise(1, 1, 3)))
        with pytest.raises(UserError, match=words):
            begin.__enter__()
        check_fits(".png", height, width, 3)

    cases = [
        (".jpg", 65_501, 1, "JPEG file cannot hold 1x65501 pixels, only 65,500 a side"),
        (".jpeg", 1, 65_501, "JPEG file cannot hold 65501x1 pixels"),
        (".webp", 1, 16_384, "WEBP file cannot hold 16384x1 pixels, only 16,383 a side"),
        (".tif", 40_000, 40_000, "TIFF file cannot hold 40000x40000 pixels, only 4 GiB"),
        (".bmp", 40_000, 40_000, "BMP file cannot hold"),
    ]
    for_all(cases, check)


def test_the_largest_pictures_are_written(tmp_path):
    for kind, side in ((".jpg", (1, 65_500)), (".webp", (16_383, 1))):
        write_picture(tmp_path / "a", picture_of(noise(*side, 1)), kind, step=10_000)
        assert read_picture(tmp_path / "a").pixels.shape[:2] == side
