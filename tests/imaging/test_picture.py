import io
import struct
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from torchvision.io import ImageReadMode, decode_image

from srlab.errors import UserError
from srlab.imaging.files import list_images, open_image, read_pixels, to_pixels, to_tensor
from srlab.imaging.picture import Picture, read_picture
from srlab.imaging.png import PngWriter
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


def picture_of(pixels, icc=None, exif=None):
    """Make a picture of pixels (H, W, 1 to 4)."""
    return Picture(pixels, icc, exif)


def exif_block(orientation=None):
    block = Image.Exif()
    block[MAKER] = "A Maker"
    block.get_ifd(EXIF_IFD)[TAKEN] = "2020:02:29 12:00:00"
    if orientation is not None:
        block[ORIENTATION] = orientation
    return block


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


# --- reading and writing pixels


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)])
def test_8_bit_pixels_survive_a_round_trip(tmp_path, mode, channels, suffix):
    pixels = noise(*SIZE, channels)
    source, copy = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    Image.fromarray(pixels[..., 0] if mode == "L" else pixels).save(source)
    assert Image.open(io.BytesIO(source.read_bytes())).mode == mode
    picture = read_picture(source)
    assert picture.bits == 8
    assert picture.pixels.dtype == np.uint8
    assert np.array_equal(picture.pixels, pixels)
    write_picture(copy, picture, suffix)
    written = Image.open(io.BytesIO(copy.read_bytes()))
    assert written.mode == mode
    assert np.array_equal(np.array(written).reshape(pixels.shape), pixels)
    assert np.array_equal(read_picture(copy).pixels, pixels)


@pytest.mark.parametrize("suffix", [".bmp", ".webp", ".jpg", ".tif", ".png", ".PNG"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_format_holds_opaque_pictures(tmp_path, suffix, channels):
    smooth = np.linspace(40, 200, 16 * 16 * channels).reshape(16, 16, channels).astype(np.uint8)
    write_picture(tmp_path / "a", picture_of(smooth), suffix)
    again = read_picture(tmp_path / "a").pixels
    lossless = suffix not in (".webp", ".jpg")
    again = again[..., :channels] if suffix == ".webp" else again  # it knows no greyscale
    assert again.shape == smooth.shape
    assert np.abs(again - smooth.astype(int)).max() <= (0 if lossless else 6)


def test_a_palette_with_a_transparent_entry_is_read_as_rgba(tmp_path):
    colours = np.array([(10, 20, 30, 255), (40, 50, 60, 255), (70, 80, 90, 0), (1, 2, 3, 255)])
    index = noise(*SIZE, top=3)
    image = Image.new("P", SIZE[::-1])
    image.putdata(index.ravel().tolist())
    image.putpalette(colours[:, :3].ravel().tolist())
    image.save(tmp_path / "a.png", transparency=2)
    picture = read_picture(tmp_path / "a.png")
    assert np.array_equal(picture.pixels, colours[index])
    write_picture(tmp_path / "b.png", picture, ".png")
    assert np.array_equal(read_picture(tmp_path / "b.png").pixels, colours[index])


def test_an_opaque_palette_is_read_as_rgb(tmp_path):
    image = Image.new("P", (2, 1))
    image.putdata([0, 1])
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture.pixels.tolist() == [[[10, 20, 30], [40, 50, 60]]]


def test_a_transparent_colour_is_read_as_alpha(tmp_path):
    pixels = noise(*SIZE, 3)
    key = tuple(int(v) for v in pixels[2, 3])
    Image.fromarray(pixels).save(tmp_path / "a.png", transparency=key)
    found = read_picture(tmp_path / "a.png").pixels
    assert np.array_equal(found[..., :3], pixels)
    assert np.array_equal(found[..., 3], np.where((pixels == key).all(axis=-1), 0, 255))
    assert found[2, 3, 3] == 0


def test_1_bit_pixels_are_read_as_black_and_white(tmp_path):
    bits = noise(*SIZE, top=1)
    Image.fromarray(bits * 255).convert("1").save(tmp_path / "a.png")
    assert Image.open(io.BytesIO((tmp_path / "a.png").read_bytes())).mode == "1"
    picture = read_picture(tmp_path / "a.png")
    assert np.array_equal(picture.pixels, bits[..., None] * 255)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_survives_a_round_trip_bit_by_bit(tmp_path, channels):
    pixels = noise(*SIZE, channels, top=65535)
    (tmp_path / "a.png").write_bytes(deep_png(pixels))
    picture = read_picture(tmp_path / "a.png")
    assert picture.bits == 16
    assert picture.pixels.dtype == np.uint16
    assert np.array_equal(picture.pixels, pixels)
    write_picture(tmp_path / "b.png", picture, ".png")
    assert np.array_equal(read_picture(tmp_path / "b.png").pixels, pixels)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_16_bit_level_survives(tmp_path, channels):
    pixels = np.arange(65536 * channels, dtype=np.uint32) % 65536
    pixels = pixels.astype(np.uint16).reshape(256, 256, channels)
    write_picture(tmp_path / "a.png", picture_of(pixels), ".png")
    assert np.array_equal(read_picture(tmp_path / "a.png").pixels, pixels)


@given(st.data())
def test_other_readers_find_the_same_16_bit_pixels_in_our_png(data):
    height, width = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    channels = data.draw(st.integers(1, 4))
    pixels = noise(height, width, channels, top=65535, seed=data.draw(st.integers(0, 999)))
    out = io.BytesIO()
    with PngWriter(out, height, width, channels, 16) as png:
        png.write(pixels)
    encoded = out.getvalue()
    decoded = decode_image(
        torch.frombuffer(bytearray(encoded), dtype=torch.uint8), mode=ImageReadMode.UNCHANGED
    )
    assert decoded.dtype == torch.uint16
    assert np.array_equal(decoded.permute(1, 2, 0).numpy(), pixels)
    pillow = Image.open(io.BytesIO(encoded))
    pillow.load()
    assert pillow.size == (width, height)
    if channels == 1:
        assert pillow.mode == "I;16"
        assert np.array_equal(np.array(pillow), pixels[..., 0])
    else:  # of colour and of alpha it keeps the upper byte
        kept = np.array(pillow.convert("LA") if channels == 2 else pillow)
        assert np.array_equal(kept, pixels >> 8)


def test_pillows_16_bit_grey_is_read_bit_by_bit(tmp_path):
    pixels = noise(*SIZE, top=65535)
    for suffix in ("png", "tif"):
        Image.fromarray(pixels).save(tmp_path / f"a.{suffix}")
        picture = read_picture(tmp_path / f"a.{suffix}")
        assert picture.bits == 16
        assert np.array_equal(picture.pixels[..., 0], pixels)


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".webp", ".bmp"])
def test_formats_without_16_bits_get_8(tmp_path, suffix):
    pixels = np.full((16, 16, 3), 30_000, dtype=np.uint16)
    write_picture(tmp_path / "a", picture_of(pixels), suffix)
    again = read_picture(tmp_path / "a")
    assert again.bits == 8
    assert np.abs(again.pixels - 30_000 / 257).max() < 3


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_16_bit_colour_is_read_as_alpha(tmp_path, channels):
    pixels = noise(*SIZE, channels, top=65535)
    key = (b"tRNS", pixels[2, 3].astype(">u2").tobytes())
    (tmp_path / "a.png").write_bytes(deep_png(pixels, extra=[key]))
    picture = read_picture(tmp_path / "a.png")
    assert picture.pixels.shape[2] == channels + 1
    assert picture.pixels[2, 3, -1] == 0


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".bmp"])
@pytest.mark.parametrize("channels", [2, 4])
def test_jpeg_and_bmp_drop_alpha_and_keep_the_colours_behind_it(tmp_path, suffix, channels):
    pixels = np.full((16, 16, channels), 200, dtype=np.uint8)
    pixels[..., -1] = 0
    write_picture(tmp_path / "a", picture_of(pixels), suffix)
    again = read_picture(tmp_path / "a")
    assert again.pixels.shape[2] == channels - 1
    assert np.abs(again.pixels - 200).max() <= 1


def test_alpha_survives_webp(tmp_path):
    pixels = np.full((16, 16, 4), 200, dtype=np.uint8)
    pixels[:8, :, 3] = 60
    write_picture(tmp_path / "a.webp", picture_of(pixels), ".webp")
    assert np.array_equal(read_picture(tmp_path / "a.webp").pixels[..., 3], pixels[..., 3])


# --- orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_pictures_are_turned_upright(tmp_path, suffix, orientation):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise(*SIZE, 3)).save(path, exif=exif_block(orientation))
    whole = Image.open(io.BytesIO(path.read_bytes()))
    assert whole.getexif()[ORIENTATION] == orientation
    upright = np.array(ImageOps.exif_transpose(whole).convert("RGB"))
    picture = read_picture(path)
    assert upright.shape[:2] == (SIZE if orientation < 5 else SIZE[::-1])
    assert np.array_equal(picture.pixels, upright)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_pictures_are_turned_upright(tmp_path, channels, orientation):
    pixels = noise(*SIZE, channels, top=65535)
    (tmp_path / "a.png").write_bytes(deep_png(pixels, orientation))
    picture = read_picture(tmp_path / "a.png")
    for channel in range(channels):  # Pillow turns one plane of 16 bits at a time
        plane = Image.fromarray(np.ascontiguousarray(pixels[..., channel]))
        plane.getexif()[ORIENTATION] = orientation
        upright = np.array(ImageOps.exif_transpose(plane))
        assert np.array_equal(picture.pixels[..., channel], upright)
    assert picture.pixels.shape[:2] == (SIZE if orientation < 5 else SIZE[::-1])


def turned_picture(path, orientation):
    """Write a file with an orientation and other EXIF; a name in `deep` gets 16 bits."""
    if path.stem == "deep":
        path.write_bytes(deep_png(noise(*SIZE, 3, top=65535), orientation))
    else:
        block = exif_block(orientation).tobytes()  # as bytes: a TIFF then holds its inner block too
        Image.fromarray(noise(*SIZE, 3)).save(path, exif=block)
    return read_picture(path)


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "deep.png", "a.webp", "a.tif"])
def test_the_orientation_is_gone_once_it_is_obeyed_and_other_exif_is_kept(
    tmp_path, name, orientation
):
    picture = turned_picture(tmp_path / name, orientation)
    kept = parsed(picture.exif)
    assert ORIENTATION not in kept
    assert kept[MAKER] == "A Maker"
    assert kept.get_ifd(EXIF_IFD)[TAKEN] == "2020:02:29 12:00:00"

    copy = tmp_path / f"copy.{name.partition('.')[2]}"
    write_picture(copy, picture, copy.suffix)
    written = Image.open(io.BytesIO(copy.read_bytes()))
    assert written.size == picture.pixels.shape[1::-1]
    assert written.getexif()[MAKER] == "A Maker"
    assert written.getexif().get_ifd(EXIF_IFD)[TAKEN] == "2020:02:29 12:00:00"
    assert ORIENTATION not in written.getexif()


@pytest.mark.parametrize("name", ["a.jpg", "deep.png"])
def test_an_orientation_of_1_is_gone_too(tmp_path, name):
    kept = parsed(turned_picture(tmp_path / name, 1).exif)
    assert kept[MAKER] == "A Maker"
    assert ORIENTATION not in kept


def test_what_a_tiff_says_of_its_layout_is_not_taken_for_exif(tmp_path):
    picture = turned_picture(tmp_path / "a.tif", 6)
    assert set(parsed(picture.exif)) == {MAKER, EXIF_IFD}


def test_nothing_is_left_of_exif_that_was_an_orientation_alone(tmp_path):
    block = Image.Exif()
    block[ORIENTATION] = 6
    Image.fromarray(noise(*SIZE, 3)).save(tmp_path / "a.jpg", exif=block)
    assert read_picture(tmp_path / "a.jpg").exif is None


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("source", ["a.jpg", "deep.png", "a.tif"])
def test_exif_goes_over_into_other_formats(tmp_path, source, suffix):
    write_picture(tmp_path / "b", turned_picture(tmp_path / source, 3), suffix)
    block = Image.open(io.BytesIO((tmp_path / "b").read_bytes())).getexif()
    assert block[MAKER] == "A Maker"
    assert block.get_ifd(EXIF_IFD)[TAKEN] == "2020:02:29 12:00:00"


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "deep.png"])
def test_a_picture_without_exif_gets_none(tmp_path, name):
    if name == "deep.png":
        (tmp_path / name).write_bytes(deep_png(noise(*SIZE, 3, top=65535)))
    else:
        Image.fromarray(noise(*SIZE, 3)).save(tmp_path / name)
    picture = read_picture(tmp_path / name)
    assert picture.exif is None
    assert picture.icc is None
    write_picture(tmp_path / "copy.png", picture, ".png")
    assert b"eXIf" not in (tmp_path / "copy.png").read_bytes()
    assert b"iCCP" not in (tmp_path / "copy.png").read_bytes()


# --- colour profiles


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_a_colour_profile_is_kept(tmp_path, suffix):
    source, copy = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    Image.fromarray(noise(*SIZE, 3)).save(source, icc_profile=ICC)
    picture = read_picture(source)
    assert picture.icc == ICC
    write_picture(copy, picture, suffix)
    assert Image.open(io.BytesIO(copy.read_bytes())).info["icc_profile"] == ICC


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_colour_profile_is_kept_in_16_bit_png(tmp_path, channels):
    pixels = noise(*SIZE, channels, top=65535)
    profile = (b"iCCP", b"a name\0\0" + zlib.compress(ICC))
    (tmp_path / "a.png").write_bytes(deep_png(pixels, extra=[profile]))
    picture = read_picture(tmp_path / "a.png")
    assert picture.icc == ICC
    write_picture(tmp_path / "b.png", picture, ".png")
    assert Image.open(io.BytesIO((tmp_path / "b.png").read_bytes())).info["icc_profile"] == ICC
    assert read_picture(tmp_path / "b.png").icc == ICC
    assert np.array_equal(read_picture(tmp_path / "b.png").pixels, pixels)


def test_a_cmyk_profile_is_not_given_to_the_rgb_pixels(tmp_path):
    Image.new("CMYK", SIZE, (10, 20, 30, 40)).save(tmp_path / "a.jpg", icc_profile=ICC)
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.pixels.shape[2] == 3
    assert picture.icc is None


# --- what cannot be read or written


@pytest.mark.parametrize("read", [read_picture, read_pixels, open_image])
def test_a_missing_file_is_told_by_name(tmp_path, read):
    with pytest.raises(UserError, match=r"gone\.png does not exist"):
        read(tmp_path / "gone.png")


@pytest.mark.parametrize("read", [read_picture, read_pixels, open_image])
def test_text_that_is_named_png_is_told_by_name(tmp_path, read):
    (tmp_path / "text.png").write_text("this is no picture")
    with pytest.raises(UserError, match=r"text\.png is not a readable image"):
        read(tmp_path / "text.png")


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow warns of a TIFF, then refuses it
@pytest.mark.parametrize("read", [read_picture, read_pixels, open_image])
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "bmp", "deep.png"])
def test_a_file_that_was_cut_off_is_told_by_name(tmp_path, suffix, read):
    path = tmp_path / f"cut.{suffix}"
    if suffix == "deep.png":
        path.write_bytes(deep_png(noise(64, 64, 3, top=65535)))
    else:
        Image.fromarray(noise(64, 64, 3)).save(path)
    whole = path.read_bytes()
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(UserError, match=f"cut.{suffix} is not a readable image"):
            read(path)


def test_a_folder_in_place_of_a_picture_is_told_by_name(tmp_path):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match=r"folder\.png is not a readable image"):
        read_picture(tmp_path / "folder.png")


@pytest.mark.parametrize("kind", [".xyz", "", "png", ".docx"])
def test_a_type_that_is_unknown_is_refused(tmp_path, kind):
    with pytest.raises(UserError, match="cannot write type"):
        write_picture(tmp_path / "a", picture_of(noise(*SIZE, 3)), kind)


@pytest.mark.parametrize(("dtype", "words"), [(np.float32, "floating"), (np.int32, "16 bits")])
def test_pixels_beyond_16_bits_are_refused(tmp_path, dtype, words):
    values = (np.arange(77).reshape(SIZE) * 10_000).astype(dtype)
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=rf"a\.tif .*{words}"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("kind", "height", "width", "words"),
    [
        (".jpg", 65_501, 1, "JPEG file cannot hold 1x65501 pixels, only 65,500 a side"),
        (".jpeg", 1, 65_501, "JPEG file cannot hold 65501x1 pixels"),
        (".webp", 1, 16_384, "WEBP file cannot hold 16384x1 pixels, only 16,383 a side"),
        (".tif", 40_000, 40_000, "TIFF file cannot hold 40000x40000 pixels, only 4 GiB"),
        (".bmp", 40_000, 40_000, "BMP file cannot hold"),
    ],
)
def test_a_picture_that_a_format_cannot_hold_is_refused_before_the_work(kind, height, width, words):
    begin = picture_writer(io.BytesIO(), kind, height, width, picture_of(noise(1, 1, 3)))
    with pytest.raises(UserError, match=words):
        begin.__enter__()
    check_fits(".png", height, width, 3)


@pytest.mark.parametrize("side", [(1, 65_500), (16_383, 1)])
def test_the_largest_pictures_are_written(tmp_path, side):
    kind = ".jpg" if side[0] == 1 else ".webp"
    write_picture(tmp_path / "a", picture_of(noise(*side, 1)), kind, step=10_000)
    assert read_picture(tmp_path / "a").pixels.shape[:2] == side


# --- pixels for training


@pytest.mark.parametrize(
    ("mode", "channels"), [("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGB", 3), ("RGBA", 3)]
)
def test_training_sees_grey_as_one_channel_and_all_else_as_three(tmp_path, mode, channels):
    image = Image.fromarray(noise(*SIZE, 3)).convert(mode)
    image.save(tmp_path / "a.png")
    pixels = read_pixels(tmp_path / "a.png")
    assert pixels.dtype == np.uint8
    assert pixels.shape == (*SIZE, channels)
    expected = np.array(image.convert("L" if channels == 1 else "RGB")).reshape(pixels.shape)
    assert np.array_equal(pixels, expected)


def test_training_refuses_16_bits(tmp_path):
    Image.fromarray(noise(*SIZE, top=65535)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=r"a\.png .*8 bits"):
        read_pixels(tmp_path / "a.png")


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_and_tensors_are_each_others_inverse(channels):
    pixels = np.arange(256, dtype=np.uint8).repeat(channels).reshape(16, 16, channels)
    image = to_tensor(pixels)
    assert image.shape == (1, channels, 16, 16)
    assert image.dtype == torch.float64
    assert (image.min(), image.max()) == (0, 1)
    assert np.array_equal(to_pixels(image), pixels)
    assert np.array_equal(to_pixels(image.float()), pixels)


def test_a_folder_without_pictures_is_told(tmp_path):
    with pytest.raises(UserError, match="gone is not a folder"):
        list_images(tmp_path / "gone")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match="holds no image"):
        list_images(tmp_path)
