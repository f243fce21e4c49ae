"""Guards: what a file says of its picture goes over, with the new size, and the rest is named."""

import io
import zlib
from itertools import product

import numpy as np
import pytest
from common import for_all
from PIL import ExifTags, Image, PngImagePlugin

from srlab.imaging.formats.metadata import left_out
from srlab.imaging.picture import Picture, read_picture
from srlab.imaging.writing import output_format, picture_writer

PIXELS = np.zeros((6, 8, 3), dtype=np.uint8)
XMP = (
    b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><d tiff:Orientation='6' exif:PixelXDimension=\"8\">"
    b"<tiff:ImageLength>6</tiff:ImageLength></d></x:xmpmeta>"
)
WIDTH, HEIGHT = 0xA002, 0xA003


def exif(orientation=1):
    block = Image.Exif()
    block[ExifTags.Base.Make] = "A Maker"
    block[ExifTags.Base.Orientation] = orientation
    inner = block.get_ifd(ExifTags.IFD.Exif)
    inner[WIDTH], inner[HEIGHT] = 8, 6
    return block


def save(path, **options):
    Image.fromarray(PIXELS).save(path, **options)


def doubled(source, target):
    """Read a file, write it at twice its size, and return it as it was written and as Pillow."""
    picture = read_picture(source)
    large = picture.pixels.repeat(2, axis=0).repeat(2, axis=1)
    height, width = large.shape[:2]
    with (
        target.open("wb") as file,
        picture_writer(file, target.suffix, height, width, picture) as write,
    ):
        write(large)
    image = Image.open(io.BytesIO(target.read_bytes()))
    image.load()
    return picture, image


def test_what_both_formats_hold_goes_over_with_the_new_size(tmp_path):
    def check(source, target):
        path = tmp_path / f"a{source}"
        save(path, dpi=(300, 300), xmp=XMP, exif=exif().tobytes())
        picture, image = doubled(path, tmp_path / f"b{target}")
        tags = image.getexif()
        inner = tags.get_ifd(ExifTags.IFD.Exif)
        assert (inner[WIDTH], inner[HEIGHT]) == (16, 12)
        again = read_picture(tmp_path / f"b{target}").said
        if source != ".webp":  # Pillow writes no resolution there, and no XMP in others
            dpi = tags[ExifTags.Base.XResolution] if target == ".webp" else again.resolution[0]
            assert round(float(dpi)) == 300
        if source not in (".png", ".tif"):
            assert b"Orientation='1'" in again.xmp
            assert b'PixelXDimension="16"' in again.xmp
            assert b"<tiff:ImageLength>12<" in again.xmp
        assert left_out(picture.said, output_format(target)) == ()

    for_all(product((".jpg", ".png", ".tif", ".webp"), (".jpg", ".png", ".tif", ".webp")), check)


def test_words_and_gamma_of_a_png_are_kept_in_png_and_named_elsewhere(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "steps: 20")
    info.add_text("packed", "words " * 50, zip=True)
    info.add_itxt("title", "Häuser", lang="de")
    info.add(b"gAMA", (100_000).to_bytes(4, "big"))
    save(tmp_path / "a.png", pnginfo=info)
    picture, image = doubled(tmp_path / "a.png", tmp_path / "b.png")
    assert image.text == {"parameters": "steps: 20", "packed": "words " * 50, "title": "Häuser"}
    assert image.info["gamma"] == 1
    for form in ("JPEG", "WEBP", "TIFF", "BMP"):
        assert left_out(picture.said, form) == ("text", "gamma")


def test_the_gamma_of_srgb_is_no_loss(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", (45_455).to_bytes(4, "big"))
    info.add(b"sRGB", b"\0")
    save(tmp_path / "a.png", pnginfo=info)
    assert left_out(read_picture(tmp_path / "a.png").said, "JPEG") == ()


def test_a_resolution_turns_with_its_picture(tmp_path):
    save(tmp_path / "a.jpg", dpi=(300, 200), exif=exif(6).tobytes())
    _, image = doubled(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert image.info["dpi"] == (200, 300)
    inner = image.getexif().get_ifd(ExifTags.IFD.Exif)
    assert (inner[WIDTH], inner[HEIGHT]) == (12, 16)


def test_a_resolution_that_nobody_named_is_not_made_up(tmp_path):
    save(tmp_path / "a.jpg", exif=exif().tobytes())
    picture, image = doubled(tmp_path / "a.jpg", tmp_path / "b.png")
    assert picture.said.resolution is None
    assert "dpi" not in image.info


def test_the_comment_of_a_jpeg_becomes_words_of_a_png(tmp_path):
    save(tmp_path / "a.jpg", comment="a word")
    assert doubled(tmp_path / "a.jpg", tmp_path / "b.jpg")[1].info["comment"] == b"a word"
    picture, image = doubled(tmp_path / "a.jpg", tmp_path / "b.png")
    assert image.text == {"Comment": "a word"}
    assert left_out(picture.said, "WEBP") == ("comment",)


def test_damaged_parts_are_named_and_the_picture_is_read(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "steps: 20")
    save(tmp_path / "a.png", pnginfo=info)
    data = (tmp_path / "a.png").read_bytes()
    part = b"tEXtparameters\0steps: 20"
    end = data.index(part) + len(part)
    assert data[end : end + 4] == zlib.crc32(part).to_bytes(4, "big")
    whole = data.index(b"IEND") - 4  # after the pixels, where Pillow reads it without a check
    moved = data[: end - len(part) - 4] + data[end + 4 : whole]
    damaged = data[end - len(part) - 4 : end] + b"\0\0\0\0"
    (tmp_path / "b.png").write_bytes(moved + damaged + data[whole:])
    assert read_picture(tmp_path / "b.png").said.lost == ("tEXt, which is damaged",)


def test_blocks_that_jpeg_has_no_room_for_are_left_out_and_named(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "a.webp", xmp=XMP + b" " * 70_000)
    picture, image = doubled(tmp_path / "a.webp", tmp_path / "b.jpg")
    assert "xmp" not in image.info
    assert left_out(picture.said, "JPEG") == ("XMP",)
    Image.fromarray(PIXELS).save(tmp_path / "a.gif", comment=b"a" * 70_000)
    picture, image = doubled(tmp_path / "a.gif", tmp_path / "c.jpg")
    assert "comment" not in image.info
    assert left_out(picture.said, "JPEG") == ("comment",)


def test_a_resolution_beyond_what_a_format_counts_is_left_out_and_named(tmp_path):
    def resolution(given, kind):
        Image.fromarray(PIXELS).save(tmp_path / "a.tif", dpi=(given, given))
        picture, image = doubled(tmp_path / "a.tif", tmp_path / f"b.{kind}")
        return image.info.get("dpi"), left_out(picture.said, image.format)

    assert resolution(100_000, "jpg") == (None, ("resolution",))
    for kind in ("png", "bmp"):
        assert resolution(100_000, kind) == ((pytest.approx(100_000),) * 2, ())
        assert resolution(2_000_000_000, kind)[0] in (None, (pytest.approx(96, abs=0.1),) * 2)


@pytest.mark.parametrize(("quality", "sampling"), [(None, 0), (90, 0), (89, 2)])
def test_jpeg_of_high_quality_has_the_colour_of_every_pixel(quality, sampling):
    out, like = io.BytesIO(), Picture(PIXELS)
    with picture_writer(out, ".jpg", 6, 8, like, quality) as write:
        write(PIXELS)
    from PIL.JpegImagePlugin import get_sampling

    image = Image.open(out)
    assert get_sampling(image) == sampling
    like_pillow = io.BytesIO()
    Image.fromarray(PIXELS).save(like_pillow, "JPEG", quality=95 if quality is None else quality)
    assert image.quantization == Image.open(like_pillow).quantization
