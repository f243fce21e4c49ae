"""Guards: pictures of all kinds become any size, are named after it, and it is told by what."""

import numpy as np
import pytest
from common import for_all, ran
from PIL import Image

from srlab.imaging.frames import read_frames
from srlab.imaging.picture import read_picture
from srlab.imaging.png import PngWriter
from srlab.inference.resizing import resize_rows
from srlab.weights import CLEAN

USUAL = CLEAN["balanced"]


@pytest.fixture
def photo(tmp_path):
    """A smooth picture of 20 x 30 pixels."""
    coarse = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize((30, 20), Image.Resampling.BICUBIC)
    smooth.save(tmp_path / "photo.png")
    return smooth


def upscaled(folder, *arguments):
    result = ran(folder, "upscale", *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def pixels_of(path):
    return read_picture(path).pixels


COMES, WHY = "which comes with srlab", "as photo.png is lossless"
# What is asked, the name and the size of what is made, and by what.
ASKED = [
    (
        "scale=2.5",
        "photo_x2.5.png",
        (75, 50),
        f"by {USUAL}_x3, {COMES}, then bicubic down to x2.5, {WHY};",
    ),
    ("scale=2.0", "photo_x2.png", (60, 40), f"by {USUAL}_x2, {COMES}, {WHY};"),
    ("scale=8", "photo_x8.png", (240, 160), f"by {USUAL}_x2 and {USUAL}_x4 in turn, which come"),
    ("size=90x60", "photo_90x60.png", (90, 60), f"by {USUAL}_x3, {COMES}, {WHY};"),
    ("size=90X58", "photo_90x58.png", (90, 58), f"by {USUAL}_x3, {COMES}, then bicubic down to 90"),
    ("width=100", "photo_w100.png", (100, 67), f"by {USUAL}_x4, {COMES}, then bicubic down to a w"),
    ("width=20", "photo_w20.png", (20, 13), "by bicubic to a width of 20 where a picture has"),
    ("size=30x20", "photo_30x20.png", (30, 20), "by bicubic to 30x20 where a picture has as many"),
    ("size=15x40", "photo_15x40.png", (15, 40), f"by {USUAL}_x2, {COMES}, then bicubic down to 15"),
    ("height=35", "photo_h35.png", (53, 35), f"by {USUAL}_x2, {COMES}, then bicubic down to a hei"),
]


def test_a_picture_becomes_any_size_and_is_named_after_it(photo, tmp_path):
    def check(asked, name, size, said):
        lines = upscaled(tmp_path, "photo.png", asked)
        assert any(line.startswith(said) for line in lines), lines
        with Image.open(tmp_path / name) as made:
            assert made.size == size

    for_all(ASKED, check)


def test_any_size_is_the_networks_picture_made_smaller_once(photo, tmp_path):
    upscaled(tmp_path, "photo.png", "model=espcn_x2", "output=whole.png")
    lines = upscaled(tmp_path, "photo.png", "model=espcn_x2", "scale=1.7", "tile=16")
    assert lines[0] == "by espcn_x2 of x2, then bicubic down to x1.7"
    expected = np.concatenate(list(resize_rows(pixels_of(tmp_path / "whole.png"), 34, 51)))
    made = pixels_of(tmp_path / "photo_x1.7.png").astype(int)
    assert abs(made - expected).max() <= 1  # tiles may round to the next level
    upscaled(tmp_path, "photo.png", "model=bicubic", "width=51", "output=plain.png")
    direct = np.concatenate(list(resize_rows(np.asarray(photo), 34, 51)))
    assert np.array_equal(pixels_of(tmp_path / "plain.png"), direct)


def test_a_picture_becomes_smaller_by_bicubic_alone(photo, tmp_path):
    for size in ("13x9", "30x20"):
        upscaled(tmp_path, "photo.png", "model=espcn_x2", f"size={size}", "output=small.png")
        columns, rows = map(int, size.split("x"))
        direct = np.concatenate(list(resize_rows(np.asarray(photo), rows, columns)))
        assert np.array_equal(pixels_of(tmp_path / "small.png"), direct)
        (tmp_path / "small.png").unlink()
    assert np.array_equal(direct, np.asarray(photo))  # of its own size it stays as it is


def test_a_shape_that_changes_is_told(photo, tmp_path):
    lines = upscaled(tmp_path, "photo.png", "model=bicubic", "size=60x60")
    said = "photo.png: as 60x60 it looks 33 % narrower than it was; width=60 or height=60 alone "
    assert lines[0].startswith(said)
    assert len(upscaled(tmp_path, "photo.png", "model=bicubic", "width=61")) == 1


def test_alpha_grey_16_bits_frames_and_pages_become_any_size(photo, tmp_path):
    folder = tmp_path / "all"
    folder.mkdir()
    frames = [photo, photo.rotate(180)]
    photo.convert("L").save(folder / "grey.png")
    photo.convert("RGBA").rotate(20).save(folder / "alpha.png")
    deep = np.random.default_rng(0).integers(0, 2**16, (20, 30, 3), dtype=np.uint16)
    with (
        (folder / "deep.png").open("wb") as file,
        PngWriter(file, 20, 30, 3, 16, None, None) as png,
    ):
        png.write(deep)
    for name in ("a.gif", "b.webp", "c.png"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:], duration=80)
    frames[0].save(folder / "d.tif", save_all=True, append_images=[photo.resize((40, 20))])
    upscaled(tmp_path, "all", "model=espcn_x2", "width=57")
    made = tmp_path / "all_w57"
    shapes = {name: pixels_of(made / f"{name}_w57.png").shape for name in ("grey", "alpha", "deep")}
    assert shapes == {"grey": (38, 57, 1), "alpha": (38, 57, 4), "deep": (38, 57, 3)}
    assert pixels_of(made / "deep_w57.png").dtype == np.uint16
    for name in ("a_w57.gif", "b_w57.webp", "c_w57.png"):
        assert [frame.size for frame, _ in read_frames(made / name)] == [(38, 57)] * 2
    assert [page.size for page, _ in read_frames(made / "d_w57.tif")] == [(38, 57), (29, 57)]
    upscaled(tmp_path, "all", "model=espcn_x2", "width=30")  # smaller, as large and larger
    made = tmp_path / "all_w30"
    shapes = {name: pixels_of(made / f"{name}_w30.png").shape for name in ("grey", "deep")}
    assert shapes == {"grey": (20, 30, 1), "deep": (20, 30, 3)}
    assert np.array_equal(pixels_of(made / "deep_w30.png"), deep)
    assert [frame.size for frame, _ in read_frames(made / "a_w30.gif")] == [(20, 30)] * 2
    assert [page.size for page, _ in read_frames(made / "d_w30.tif")] == [(20, 30), (15, 30)]


REFUSED = [
    (("scale=0.5",), "scale must be above 1"),
    (("scale=nan",), "scale must be above 1"),
    (("scale=large",), "scale is a number above 1, as in scale=3 or scale=2.5, got 'large'"),
    (("scale=64.5",), "scale must be at most 64, got 64.5"),
    (("size=3840",), "size is WIDTHxHEIGHT in pixels, as in size=3840x2160, got '3840'"),
    (("size=0x10",), "got '0x10'"),
    (("width=0",), "width must be at least 1 pixel, got 0"),
    (("width=60", "size=60x40"), "give one of scale, size, width and height, not size and width"),
    (("scale=2", "height=40"), "not scale and height"),
    (("width=60", "height=40"), "width and height together are size=60x40"),
    (("height=1281",), "photo.png: 30x20 cannot become 1922x1281: sides grow 64 times at most"),
    (("size=60x40", "tile=-1"), "tile must be"),
    (("size=50x30", "model=bicubic", "tile=-1"), "tile must be"),
]


def test_sizes_that_make_no_sense_are_refused_in_a_sentence(photo, tmp_path):
    def check(arguments, said):
        result = ran(tmp_path, "upscale", "photo.png", *arguments)
        assert result.returncode == 2
        assert said in result.stderr
        assert result.stderr.count("\n") == 1

    for_all(REFUSED, check)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["photo.png"]
