"""Guards: which files an upscaling takes, what it makes of them, and what it says it leaves out."""

import re

import numpy as np
import pytest
from PIL import Image

from srlab.commands.upscale.command import _sources
from srlab.commands.upscale.jobs import find_jobs
from srlab.errors import UserError
from srlab.imaging import files
from srlab.imaging.files import left_out, list_images
from srlab.words import PictureFormat


@pytest.fixture
def photos(tmp_path):
    """A folder as people have them."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "a.jpg", "b.gif", "c.jfif", "d.avif", "sub/e.png", "f.TIF", "note.txt"):
        (folder / name).touch()
    for name in ("._a.png", ".DS_Store", ".hidden.png"):
        (folder / name).touch()
    return folder


def made(jobs, folder):
    return {str(out.relative_to(folder)) for _, out in jobs}


def test_every_picture_of_a_folder_is_taken_and_has_a_name_of_its_own(photos, tmp_path, capsys):
    jobs = find_jobs([photos], None, "x2", False)
    names = {"a_png_x2.png", "a_jpg_x2.png", "b_x2.png", "c_x2.png", "d_x2.png", "f_x2.png"}
    assert made(jobs, tmp_path / "photos_x2") == names
    said = capsys.readouterr().out
    assert said == (
        f"{photos}: left out, as no pictures: 1 .txt, 1 folder (recursive=true looks into them)\n"
    )


def test_folders_in_a_folder_are_looked_into_when_asked(photos, tmp_path):
    jobs = find_jobs([photos], str(tmp_path / "out"), "x3", True)
    assert "sub/e_x3.png" in made(jobs, tmp_path / "out")
    assert (tmp_path / "out/sub").is_dir()
    within = find_jobs([photos], str(photos / "out"), "x3", True)
    for _, out in within:
        Image.new("L", (8, 8)).save(out)
    assert find_jobs([photos], str(photos / "out"), "x3", True) == within


def test_several_pictures_go_beside_themselves_or_into_a_folder(photos, tmp_path):
    sources = [photos / "a.png", photos / "b.gif"]
    assert made(find_jobs(sources, None, "x2", False), photos) == {"a_x2.png", "b_x2.png"}
    jobs = find_jobs(sources, f"{tmp_path}/new/", "x2", False)
    assert made(jobs, tmp_path / "new") == {"a_x2.png", "b_x2.png"}


def test_what_an_earlier_run_made_is_not_enlarged_again(photos, capsys):
    sources = [photos / "a.png"]
    ((_, out),) = find_jobs(sources, None, "x2", False)
    assert len(find_jobs([*sources, *sources], None, "x2", False)) == 1
    out.touch()
    assert [source for source, _ in find_jobs([*sources, out], None, "x2", False)] == sources
    assert f"{out}: left out, it is what another one becomes" in capsys.readouterr().out
    ours = find_jobs([*sources, out], str(photos / "sub"), "x2", False)
    assert [source for source, _ in ours] == [*sources, out]


@pytest.mark.parametrize(
    ("given", "output", "said"),
    [
        (["gone.png"], None, "is no file and no folder"),
        (["photos", "photos/a.png"], None, "several pictures at once"),
        (["photos"], "photos", "the same folder"),
        (["photos"], "photos/a.png", "must be one too"),
        (["photos/a.png", "photos/b.gif"], "photos/note.txt", "is a file, but a folder is wanted"),
        (["photos/a.png"], "photos/a.jpg", "exists already"),
        (["photos/a.png"], "result", "no suffix that says its type"),
        (["photos/a.png"], "result.mp4", "is a video"),
    ],
)
def test_what_cannot_be_made_is_told_before_the_work(given, output, said, photos, tmp_path):
    sources = [tmp_path / name for name in given]
    with pytest.raises(UserError, match=said):
        find_jobs(sources, output and str(tmp_path / output), "x2", False)


def test_a_folder_without_pictures_says_what_it_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "SUFFIXES", files.SUFFIXES - {".heic", ".heif"})  # as without it
    for name in ("a.heic", "b.heic", ".c.png", "d"):
        (tmp_path / name).touch()
    others = "2 .heic (pip install 'srlab[heif]' reads them), 1 without a suffix"
    assert left_out(tmp_path) == others
    with pytest.raises(UserError, match=rf"holds no image .*; it holds {re.escape(others)}"):
        list_images(tmp_path)


def test_names_say_what_a_picture_becomes(tmp_path):
    frames = [Image.fromarray(np.full((8, 9, 3), level, np.uint8)) for level in (0, 255)]
    for name in ("a.gif", "b.webp", "c.tif", "d.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        frames[0].save(tmp_path / f"still_{name}")
    several, still = "abcd", [f"still_{letter}" for letter in "abcd"]

    def becomes(**options):
        jobs = find_jobs([tmp_path], str(tmp_path / "out"), "x2", False, **options)
        return {out.name for _, out in jobs}

    kept = {"a_x2.gif", "b_x2.webp", "c_x2.tif", "d_x2.png"}
    assert becomes() == kept | {f"{name}_x2.png" for name in still}
    assert becomes(first_frame=True) == {f"{name}_x2.png" for name in (*several, *still)}
    short = {"jpeg": "jpg", "jpg": "jpg", "tiff": "tif", "webp": "webp", "gif": "gif"}
    for kind, suffix in short.items():
        names = {f"{name}_x2.{suffix}" for name in (*several, *still)}
        assert becomes(kind=PictureFormat(kind)) == names


def test_a_name_and_a_format_that_differ_are_told(photos, tmp_path):
    asked = {"mark": "x2", "recursive": False, "kind": PictureFormat.jpeg}
    ((_, out),) = find_jobs([photos / "a.png"], str(tmp_path / "b.jpg"), **asked)
    assert out.name == "b.jpg"
    with pytest.raises(UserError, match=r"b\.png is PNG by its name, but format=jpeg is asked"):
        find_jobs([photos / "a.png"], str(tmp_path / "b.png"), **asked)


def test_a_run_is_not_taken_for_a_folder_of_pictures(tmp_path):
    for name in ("config.yaml", "last.pt", "comparison.png"):
        (tmp_path / name).write_text("")
    with pytest.raises(UserError, match="is a run, and no pictures: its network is taken by"):
        _sources(str(tmp_path))
