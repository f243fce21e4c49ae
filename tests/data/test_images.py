"""Guards: an image set has the images of its folder in order; its shrink factors are possible."""

from pathlib import Path

import pytest

from srlab.data.images import ImageSet, folder


def test_shrink_factors_lie_above_0_and_up_to_1():
    for factors in ((), (0.0,), (1.5,), (0.5, -1.0)):
        with pytest.raises(ValueError, match="shrink"):
            ImageSet("set", (), factors)


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    for name in ("b.png", "a.jpg", "C.PNG", "notes.txt"):
        (tmp_path / name).write_text("")
    assert [path.name for path in folder(str(tmp_path)).paths] == ["C.PNG", "a.jpg", "b.png"]
    assert folder(str(tmp_path), [1.0, 0.5]).shrink == (1.0, 0.5)


def test_images_of_one_stem_are_told_apart(tmp_path):
    (tmp_path / "more").mkdir()
    for name in ("a.jpg", "a.png", "a.jpg.png", "b.png", "more/b.png", "c.png"):
        (tmp_path / name).write_text("")
    named = folder(str(tmp_path), recursive=True).named
    assert sorted(named) == ["a.jpg", "a.jpg.png", "a.png", "b.png", "c", "more/b.png"]
    assert all(path.exists() for path in named.values())


def test_images_named_by_whole_and_by_relative_paths_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = ImageSet("set", (Path("data/T91/1.png"), tmp_path / "other/BSDS200/1.png"))
    assert list(images.named) == ["data/T91/1.png", "other/BSDS200/1.png"]
