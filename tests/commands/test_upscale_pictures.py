"""Guards: files are upscaled one after the other, whole or not at all, and failures are told."""

import signal
import sys
from functools import partial

import numpy as np
import pytest
from common import ran
from PIL import Image

from srlab.commands.upscale.pictures import upscale_files
from srlab.imaging.sizes import by_factor
from srlab.inference.pixels import OnPixels, upscale_pixels
from srlab.models.plain import Plain
from srlab.upsamplers.interpolation import Interpolate


def always(upscale):
    """Enlarge every file by the same."""
    return lambda _: upscale


def pixels_of(height, width, channels):
    shape = (height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_an_error_that_nobody_expects_is_not_swallowed(tmp_path, monkeypatch):
    Image.fromarray(pixels_of(20, 31, 3)).save(tmp_path / "a.png")

    def fails(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "save", fails)
    jobs = [(tmp_path / "a.png", tmp_path / "b.jpg")]
    with pytest.raises(MemoryError):
        upscale_files(jobs, always(lambda x: [x.repeat(2, 0).repeat(2, 1)]), by_factor(2))
    assert not (tmp_path / "b.jpg").exists()


def test_files_are_made_one_after_the_other_and_failures_told_at_the_end(tmp_path, capsys):
    names = ["a.png", "b.jpg", "c.webp", "broken.png", "d.png"]
    for number, name in enumerate(names):
        Image.fromarray(pixels_of(20 + number, 31, 3)).save(tmp_path / name)
    (tmp_path / "broken.png").write_text("no picture")
    jobs = [(tmp_path / name, tmp_path / f"large-{name}") for name in names]
    model = OnPixels(Plain(Interpolate, 2), "y")
    failures = upscale_files(jobs, always(partial(upscale_pixels, model, tile=16)), by_factor(2))
    assert len(failures) == 1
    assert "broken.png is not a readable image" in failures[0]
    for number, name in enumerate(names):
        if name == "broken.png":
            continue
        with Image.open(tmp_path / f"large-{name}") as image:
            assert image.size == (62, 40 + 2 * number)
    said = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert said == ["[1/5]", "[2/5]", "[3/5]", "[5/5]"]


def test_a_format_that_is_too_small_is_told_before_the_work(tmp_path):
    Image.fromarray(pixels_of(1, 9000, 1)[..., 0]).save(tmp_path / "a.png")

    def never(pixels):
        raise AssertionError("the work has begun")

    failures = upscale_files(
        [(tmp_path / "a.png", tmp_path / "b.webp")], always(never), by_factor(2)
    )
    said = "a WEBP file cannot hold 18000x2 pixels, only 16,383 a side; use .png"
    assert failures == [f"{tmp_path / 'a.png'}: {said}"]  # one of many in a folder
    assert not (tmp_path / "b.webp").exists()


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_an_interruption_leaves_no_half_file(tmp_path, kind):
    Image.fromarray(pixels_of(20, 31, 3)).save(tmp_path / "a.png")

    def interrupted(pixels):
        yield from upscale_pixels(OnPixels(Plain(Interpolate, 2), "y"), pixels[:10], 0)
        raise KeyboardInterrupt

    job = tmp_path / "a.png", tmp_path / f"b.{kind}"
    with pytest.raises(KeyboardInterrupt):
        upscale_files([job], always(interrupted), by_factor(2))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_progress_is_shown_on_a_terminal_alone(tmp_path, monkeypatch, capsys):
    Image.fromarray(pixels_of(40, 8, 3)).save(tmp_path / "a.png")
    model = OnPixels(Plain(Interpolate, 2), "y")
    upscale = always(partial(upscale_pixels, model, tile=16))
    clock = iter(range(0, 10_000, 5))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    upscale_files([(tmp_path / "a.png", tmp_path / "b.png")], upscale, by_factor(2))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    upscale_files([(tmp_path / "a.png", tmp_path / "c.png")], upscale, by_factor(2))
    err = capsys.readouterr().err
    assert " 35 %" in err
    assert err.endswith("\r\033[K")


def test_a_signal_that_comes_when_all_is_done_meets_what_was_there_before(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    before = signal.getsignal(signal.SIGTERM)
    assert ran(tmp_path, "upscale", "model=nearest", "scale=2", "input=a.png").returncode == 0
    assert signal.getsignal(signal.SIGTERM) == before
