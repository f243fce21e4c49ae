"""Guards: what compressed a picture is read from its file, JPEG's quality exactly as libjpeg's."""

import numpy as np
import pytest
from common import for_all
from PIL import Image
from skimage import data

from srlab.imaging.compression import Compression, compression_of

SMALL = Image.fromarray(data.chelsea()[:40, :56])


def saved(folder, name, image=SMALL, **options):
    image.save(folder / name, **options)
    return folder / name


def test_the_quality_of_a_jpeg_is_libjpegs(tmp_path):
    found = {
        (quality, image.mode): compression_of(saved(tmp_path, "a.jpg", image, quality=quality))
        for quality in range(1, 101)
        for image in (SMALL, SMALL.convert("L"))
    }
    wrong = {key: one for key, one in found.items() if one != Compression("JPEG", key[0])}
    assert not wrong


def test_other_tables_are_of_the_quality_that_is_nearest(tmp_path):
    path = saved(tmp_path, "a.jpg", quality="web_high")  # a photo editor's
    found = compression_of(path)
    assert found.codec == "JPEG"
    assert 70 <= found.quality <= 95


# A file, how it is saved, and what took something from it.
FILES = [
    ("a.png", {}, None),
    ("a.bmp", {}, None),
    ("a.gif", {}, None),
    ("a.tif", {}, None),
    ("a.tif", {"compression": "tiff_lzw"}, None),
    ("a.tif", {"compression": "jpeg"}, "TIFF"),
    ("a.webp", {"lossless": True}, None),
    ("a.webp", {"lossless": True, "exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"}, None),
    ("a.webp", {"quality": 80}, "WebP"),
    ("a.webp", {"quality": 80, "icc_profile": b"odd"}, "WebP"),
    ("a.webp", {"save_all": True, "append_images": [SMALL.rotate(90)]}, "WebP"),
    ("a.avif", {"quality": 80}, "AVIF"),
]


def test_codecs_that_lose_something_are_told_from_those_that_do_not(tmp_path):
    def check(name, options, codec):
        if name == "a.avif" and "AVIF" not in Image.SAVE:
            return
        found = compression_of(saved(tmp_path, name, **options))
        assert found == (None if codec is None else Compression(codec))

    for_all(FILES, check)


def test_frames_of_both_kinds_are_lossy_and_thumbnails_do_not_count(tmp_path):
    flat, noisy = Image.new("RGB", (56, 40), "teal"), SMALL
    options = {"save_all": True, "append_images": [noisy, flat], "allow_mixed": True}
    assert compression_of(saved(tmp_path, "a.webp", flat, **options)) == Compression("WebP")
    page, thumbnail = SMALL.copy(), SMALL.resize((14, 10))
    page.encoderinfo = {"compression": "tiff_lzw", "tiffinfo": {254: 0}}
    kept = {"compression": "jpeg", "tiffinfo": {254: 1}, "append_images": [page]}
    assert compression_of(saved(tmp_path, "a.tif", thumbnail, save_all=True, **kept)) is None
    with Image.open(tmp_path / "a.tif") as image:
        assert image.info["compression"] == "jpeg"  # of its first page


def test_alpha_of_a_lossy_webp_does_not_hide_what_was_lost(tmp_path):
    seen = np.dstack([np.asarray(SMALL), np.arange(40 * 56, dtype=np.uint8).reshape(40, 56)])
    path = saved(tmp_path, "a.webp", Image.fromarray(seen), quality=50)
    assert compression_of(path) == Compression("WebP")


@pytest.mark.parametrize("content", [b"", b"RIFF\x10\0\0\0WEBPVP8X", b"\xff\xd8\xff\xe0", b"text"])
def test_a_file_that_cannot_be_opened_was_compressed_by_nothing(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    assert compression_of(tmp_path / "a.jpg") is None
    assert compression_of(tmp_path / "none.jpg") is None
