"""Guards: every frame and page is read as it is seen, and written with its time."""

import io
from itertools import pairwise, product

import numpy as np
import pytest
from common import for_all
from PIL import Image, ImageDraw

from srlab.errors import UserError
from srlab.imaging.formats.animation import can_hold, frames_writer
from srlab.imaging.formats.canvas import changed
from srlab.imaging.formats.opening import holds_frames
from srlab.imaging.frames import read_frames
from srlab.imaging.picture import Picture, read_picture

SIZE = b"\x28\0\x1e\0"  # as GIF says it
TIMES = [100, 50, 70, 130, 20]
KINDS = ("gif", "webp", "png")


def same_size(height, width):
    return height, width


def drawn(number, seen_through):
    """A disc that moves over what can be seen through, or over a pattern."""
    image = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    if not seen_through:
        image.paste((90, 160, 30, 255), (0, 0, 25, 30))
        image.paste((0, 0, 0, 255), (25, 0, 40, 30))
    ImageDraw.Draw(image).ellipse((4 * number, 5, 4 * number + 9, 14), fill=(255, 0, 60, 255))
    return image


def save(path, seen_through=False, plays=0, **options):
    first, *others = (drawn(n, seen_through) for n in range(len(TIMES)))
    if path.suffix == ".gif":
        options |= {"disposal": 2} if seen_through else {}
        options |= {"loop": plays - 1 if plays else 0} if plays != 1 else {}
    else:
        options |= {"loop": plays}
    if path.suffix == ".webp":
        options |= {"lossless": True}
    first.save(path, save_all=True, append_images=others, duration=TIMES, **options)


def copied(source, target):
    """Write what a file holds at its own size, and return that as Pillow reads it: a list."""
    frames = read_frames(source)
    with target.open("wb") as file, frames_writer(file, target.suffix, frames, same_size) as add:
        for picture, milliseconds in frames:
            pixels = picture.pixels
            add(picture, (pixels[first : first + 7] for first in range(0, 30, 7)), milliseconds)
    with Image.open(io.BytesIO(target.read_bytes())) as image:
        seen, times = [], []
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            seen.append(np.array(image.convert("RGBA")).astype(int))
            times.append(image.info.get("duration"))
        return seen, times, image.info.get("loop")


@pytest.mark.parametrize("seen_through", [False, True])
def test_all_frames_go_over_as_they_are_seen_with_their_times(seen_through, tmp_path):
    def check(source, target):
        save(tmp_path / f"a.{source}", seen_through)
        seen, times, loop = copied(tmp_path / f"a.{source}", tmp_path / f"b.{target}")
        assert (times, loop) == (TIMES, 0)
        for number, pixels in enumerate(seen):
            expected = np.array(drawn(number, seen_through)).astype(int)
            assert np.array_equal(pixels[..., 3], expected[..., 3])
            off = np.abs(pixels - expected)[expected[..., 3] > 0]
            assert off.mean() < 4 if target == "webp" else not off.any()

    for_all(product(KINDS, KINDS), check)


def test_how_often_it_is_played_goes_over(tmp_path):
    def check(source, target, plays):
        save(tmp_path / f"a.{source}", plays=plays)
        copied(tmp_path / f"a.{source}", tmp_path / f"b.{target}")
        assert read_frames(tmp_path / f"b.{target}").plays == plays

    for_all(product(KINDS, KINDS, (0, 1, 3)), check)


def test_times_that_a_gif_cannot_say_are_made_good_by_the_next_ones(tmp_path):
    first, *others = (drawn(number, False) for number in range(8))
    path = tmp_path / "a.webp"
    first.save(path, save_all=True, append_images=others, duration=33, lossless=True)
    _, times, _ = copied(path, tmp_path / "b.gif")
    assert sum(times) == 260  # of 264
    assert set(times) == {30, 40}


def test_pages_keep_size_depth_and_resolution_each(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (9, 8), dtype=np.uint16)
    pages = [Image.fromarray(deep), Image.new("RGB", (20, 10), "red"), Image.new("1", (5, 6), 1)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:], dpi=(300, 300))
    frames = read_frames(tmp_path / "a.tif")
    assert [can_hold(f".{kind}", frames) for kind in (*KINDS, "tif")] == [False] * 3 + [True]
    target = tmp_path / "b.tif"
    with target.open("wb") as file, frames_writer(file, ".tif", frames, same_size) as add:
        for picture, milliseconds in frames:
            add(picture, [picture.pixels], milliseconds)
    first, second, third = (picture for picture, _ in read_frames(tmp_path / "b.tif"))
    assert np.array_equal(first.pixels[..., 0], deep)
    assert second.pixels.shape == (10, 20, 3)
    assert (third.pixels == 255).all()
    assert first.said.resolution == second.said.resolution == (300, 300)


def test_reduced_copies_in_a_tiff_are_no_pages(tmp_path):
    import tifffile

    pixels = np.arange(96, dtype=np.uint8).reshape(8, 12)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(pixels[::2, ::2], subfiletype=1)
        file.write(pixels)
    assert holds_frames(tmp_path / "a.tif") is None
    assert np.array_equal(read_picture(tmp_path / "a.tif").pixels[..., 0], pixels)


def test_the_still_picture_of_an_animation_is_no_frame(tmp_path):
    save(tmp_path / "a.png", default_image=True)
    frames = read_frames(tmp_path / "a.png")
    assert len(frames) == len(TIMES) - 1
    first, _ = next(iter(frames))
    assert np.array_equal(first.pixels, np.array(drawn(1, False)))


def test_the_first_is_taken_when_asked(tmp_path):
    for kind in (*KINDS, "tif"):
        path = tmp_path / f"a.{kind}"
        save(path)
        assert holds_frames(path) == {"tif": "TIFF"}.get(kind, kind.upper())
        with pytest.raises(UserError, match="has 5 frames or pages, of which only one"):
            read_picture(path)
        first = read_frames(path, first_frame=True)
        assert isinstance(first, Picture)
        assert np.array_equal(first.pixels[..., :3], np.array(drawn(0, False))[..., :3])


def test_a_png_that_moves_and_is_damaged_or_cut_anywhere_is_refused(tmp_path):
    save(tmp_path / "a.png", seen_through=True)
    whole = (tmp_path / "a.png").read_bytes()
    first = whole.index(b"fdAT")
    rng = np.random.default_rng(0)
    for number in range(60):
        data, place = bytearray(whole), int(rng.integers(first, len(whole) - 12))
        if number % 2:
            data[place] ^= 1 << int(rng.integers(8))
        else:
            data = data[:place]
        (tmp_path / "b.png").write_bytes(data)
        with pytest.raises(UserError, match=r"b\.png is not a readable image"):
            read_frames(tmp_path / "b.png")


def test_what_goes_beyond_the_canvas_of_a_gif_is_not_seen(tmp_path):
    save(tmp_path / "a.gif", seen_through=True)
    data = bytearray((tmp_path / "a.gif").read_bytes())
    second = [i for i in range(len(data)) if data[i : i + 1] + data[i + 5 : i + 9] == b"," + SIZE][
        1
    ]
    data[second + 1] = 3  # columns to the right
    (tmp_path / "b.gif").write_bytes(data)
    frames = read_frames(tmp_path / "b.gif")
    whole = np.array(drawn(1, True))
    _, (moved, _), *_ = frames
    assert np.array_equal(moved.pixels[:, 3:, 3], whole[:, :-3, 3])
    assert {picture.size for picture, _ in frames} == {(30, 40)}


def test_a_damaged_frame_is_told_by_name(tmp_path):
    for kind in ("gif", "webp"):
        path = tmp_path / f"a.{kind}"
        save(path)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) * 2 // 3])
        with pytest.raises(UserError, match=rf"a\.{kind} is not a readable image"):
            for _ in read_frames(path):
                pass


def test_only_what_changes_is_written_again(tmp_path):
    boxes = [changed(a, b) for a, b in pairwise(np.array(drawn(n, False)) for n in range(3))]
    assert [(box.left, box.top, box.right, box.bottom) for box in boxes] == [
        (0, 5, 14, 15),
        (4, 5, 18, 15),
    ]
    still = np.zeros((4, 5, 3))
    assert changed(still, still).width == changed(still, still).height == 1
