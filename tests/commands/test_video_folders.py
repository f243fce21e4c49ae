"""Guards: videos of a folder, or several, are enlarged in turn, also past one that fails."""

import re
import sys

import pytest
from clips import make_clip, times_of
from common import ran
from PIL import Image

from srlab.commands.upscale.jobs import find_jobs
from srlab.errors import UserError
from srlab.weights import CLEAN

COMMAND = ["upscale", "model=bicubic", "scale=2"]


@pytest.fixture
def mixed(tmp_path):
    """A folder as people have them: two videos, a damaged one, pictures, code."""
    folder = tmp_path / "mixed"
    (folder / "sub").mkdir(parents=True)
    make_clip(folder / "a.mp4", (0, 40, 80), sound=None)
    make_clip(folder / "sub/a.avi", range(0, 200, 40), sound=None, codec="mpeg4", rate=25)
    whole = (folder / "a.mp4").read_bytes()
    (folder / "b.mov").write_bytes(whole[: len(whole) // 3])
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    (folder / "code.ts").write_text("const a = 1")
    return folder


def names(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_the_videos_of_a_folder_are_enlarged_and_counted(mixed, tmp_path):
    result = ran(tmp_path, *COMMAND, "input=mixed", "recursive=true")
    made = tmp_path / "mixed_x2"
    assert names(made) == {"a_x2.mp4", "a_x2.png", "sub/a_x2.mkv"}
    assert times_of(made / "a_x2.mp4") == times_of(mixed / "a.mp4")
    assert "left out, as no pictures: 1 .ts\n" in result.stdout
    assert re.search(r"^\[1/3\] .*/a_x2\.mp4  128x96  3 frames ", result.stdout, re.MULTILINE)
    assert re.search(r"^\[3/3\] .*/a_x2\.mkv  128x96  5 frames ", result.stdout, re.MULTILINE)
    assert result.returncode == 2
    assert result.stderr == (
        "srlab: 1 of 4 files could not be upscaled:\n"
        "  mixed/b.mov is no video, or it is cut off or damaged\n"
    )
    again = ran(tmp_path, *COMMAND, "input=mixed", "recursive=true")
    assert "3 of 4 files are there already, whatever made them" in again.stdout
    assert names(made) == {"a_x2.mp4", "a_x2.png", "sub/a_x2.mkv"}


@pytest.mark.parametrize(("asked", "effort"), [("", "fast"), ("effort=best", "best")])
def test_videos_are_enlarged_by_the_quickest_model_unless_more_is_asked(tmp_path, asked, effort):
    make_clip(tmp_path / "a.mp4", (0, 40), sound=None)
    result = ran(tmp_path, "upscale", "a.mp4", *asked.split())
    assert result.returncode == 0, result.stderr
    assert f"by {CLEAN[effort]}_x2, which comes with srlab" in result.stdout
    assert ("the quickest, as videos have many frames" in result.stdout) == (effort == "fast")


def test_several_videos_and_pictures_go_beside_themselves_or_into_a_folder(mixed, tmp_path, capsys):
    sources = [mixed / "a.mp4", mixed / "a.png", mixed / "sub/a.avi"]
    beside = [mixed / "a_x2.mp4", mixed / "a_x2.png", mixed / "sub/a_x2.mkv"]
    assert [out for _, out in find_jobs(sources, None, "x2", False)] == beside
    within = [out.name for _, out in find_jobs(sources, f"{tmp_path}/new/", "x2", False)]
    assert within == [out.name for out in beside]
    beside[0].touch()
    found = find_jobs([*sources, beside[0]], None, "x2", False)
    assert [source for source, _ in found] == sources
    assert "a_x2.mp4: left out, it is what another one becomes" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"one video, but input has several: name a folder"):
        find_jobs(sources, str(tmp_path / "all.mp4"), "x2", False)


def test_videos_that_become_files_of_one_name_keep_their_types_in_it(mixed):
    sources = [mixed / name for name in ("c.avi", "c.mkv", "c.mp4")]
    for source in sources:
        source.touch()
    made = [out.name for _, out in find_jobs(sources, None, "x2", False)]
    assert made == ["c_avi_x2.mkv", "c_mkv_x2.mkv", "c_x2.mp4"]


def test_without_pyav_the_videos_of_a_folder_are_left_out_and_counted(mixed, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    ((source, _),) = find_jobs([mixed], None, "x2", False)
    assert source.name == "a.png"
    said = capsys.readouterr().out
    assert "2 videos are left out: video needs PyAV: pip install 'srlab[video]'" in said
    source.unlink()
    with pytest.raises(UserError, match="video needs PyAV"):
        find_jobs([mixed], None, "x2", False)
