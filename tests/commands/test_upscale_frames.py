"""Guards: animations and pages are upscaled frame by frame, or it is told why not."""

from functools import partial

import numpy as np
import pytest
from common import ran
from PIL import Image, PngImagePlugin

from srlab.commands.upscale.pictures import upscale_files
from srlab.imaging.frames import read_frames
from srlab.imaging.sizes import by_factor
from srlab.inference.pixels import OnPixels, upscale_pixels
from srlab.models.plain import Plain
from srlab.upsamplers.interpolation import Interpolate

TWICE = partial(upscale_pixels, OnPixels(Plain(Interpolate, 2), "y"), tile=16)


def by_twice(_):
    """Enlarge every file by the same."""
    return TWICE


@pytest.fixture
def moving(tmp_path):
    """An animation of three frames."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 20, 31, 3), dtype=np.uint8)
    first, *others = map(Image.fromarray, noise)
    first.save(tmp_path / "a.png", save_all=True, append_images=others, duration=[70, 80, 90])
    return tmp_path / "a.png"


def test_each_frame_becomes_what_it_would_become_alone(moving, tmp_path, capsys):
    target = tmp_path / "b.png"
    assert upscale_files([(moving, target)], by_twice, by_factor(2)) == []
    assert f"{target}  62x40, 3 frames" in capsys.readouterr().out
    made = list(read_frames(target))
    assert [milliseconds for _, milliseconds in made] == [70, 80, 90]
    for (small, _), (large, _) in zip(read_frames(moving), made, strict=True):
        assert np.array_equal(large.pixels, np.concatenate(list(TWICE(small.pixels))))


def test_what_cannot_hold_frames_or_pages_is_told_with_the_ways_out(moving, tmp_path):
    pages = tmp_path / "p.tif"
    Image.new("L", (9, 8)).save(pages, save_all=True, append_images=[Image.new("L", (9, 8))])
    jobs = [(moving, tmp_path / "b.jpg"), (pages, tmp_path / "b.png"), (moving, tmp_path / "c.tif")]
    many, paged = upscale_files(jobs, by_twice, by_factor(2))
    assert many.startswith(f"{moving} has 3 frames, which {tmp_path / 'b.jpg'} cannot hold: write ")
    assert "2 pages" in paged
    assert paged.endswith("write .tif, or take the first alone by first_frame=true")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "c.tif", "p.tif"]
    first = [(moving, tmp_path / "d.jpg")]
    assert upscale_files(first, by_twice, by_factor(2), first_frame=True) == []


def test_what_a_format_does_not_hold_is_said_once(moving, tmp_path, capsys):
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "steps: 20")
    for name in "xy":
        Image.new("RGB", (9, 8)).save(tmp_path / f"{name}.png", pnginfo=info, dpi=(300, 300))
    jobs = [(tmp_path / f"{name}.png", tmp_path / f"{name}.gif") for name in "xy"]
    upscale_files([*jobs, (moving, tmp_path / "z.tif")], by_twice, by_factor(2))
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not kept")]
    assert said == [
        "not kept in GIF: resolution, text, more than 256 colours a frame and half transparency",
        "not kept in TIFF: times of frames",
    ]


def test_a_frame_that_is_damaged_leaves_no_file(moving, tmp_path):
    with Image.open(moving) as image:
        image.save(tmp_path / "a.gif", save_all=True)
    whole = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(whole[: len(whole) * 4 // 5])
    (told,) = upscale_files([(tmp_path / "a.gif", tmp_path / "b.gif")], by_twice, by_factor(2))
    assert "a.gif is not a readable image" in told
    assert not (tmp_path / "b.gif").exists()


def test_format_and_quality_are_asked_for_on_the_command_line(moving, tmp_path):
    with Image.open(moving) as image:
        image.convert("RGB").save(tmp_path / "p.png")
    base = ("upscale", "p.png", "model=nearest", "scale=2")
    for word, said in (
        ("quality=0", "quality goes from 1 to 100, got 0"),
        ("quality=50", "add format=jpeg or format=webp"),
    ):
        done = ran(tmp_path, *base, word)
        assert done.returncode == 2
        assert said in done.stderr
    for quality in (30, 95):
        assert ran(tmp_path, *base, "format=jpeg", f"quality={quality}").returncode == 0
        (tmp_path / "p_x2.jpg").rename(tmp_path / f"{quality}.jpg")
    assert (tmp_path / "30.jpg").stat().st_size < (tmp_path / "95.jpg").stat().st_size / 2
