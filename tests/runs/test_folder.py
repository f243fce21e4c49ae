"""Guards: a damaged config of a run is told, naming the file; paths in it hold from anywhere."""

import pytest
from common import for_all

from srlab.config.schema import TrainConfig
from srlab.errors import UserError
from srlab.runs.folder import (
    check_as_saved,
    check_unchanged,
    make_paths_absolute,
    stored_config,
)


def test_whatever_stands_in_a_config_is_read_or_told(tmp_path):
    path = tmp_path / "config.yaml"

    def refuses(text):
        path.write_text(text)
        with pytest.raises(UserError, match=rf"^{path} is "):
            stored_config(tmp_path)

    texts = "", "1", "null", "x", "true", "[]", "- a", "a: [", "a: ${b}", "? ", "\x00", "&a [*a]"
    for_all([*texts, "[" * 3000], refuses)
    path.write_text("model: {}\nscale: 3")
    assert stored_config(tmp_path) == {"model": {}, "scale": 3}


def test_a_file_of_a_run_is_told_from_its_folder(tmp_path):
    (tmp_path / "config.yaml").write_text("model: {}\n")
    (tmp_path / "last.pt").write_bytes(b"")
    with pytest.raises(
        UserError, match=rf"last.pt is not a run: .*; its folder is one: {tmp_path}$"
    ):
        stored_config(tmp_path / "last.pt")
    with pytest.raises(UserError, match=r"gone is not a run: it has no config.yaml$"):
        stored_config(tmp_path / "gone")


def test_a_model_that_comes_along_keeps_its_name_as_a_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(start="compact_x3")
    make_paths_absolute(config)
    assert config.start == "compact_x3"
    config.start = "a.pt"
    make_paths_absolute(config)
    assert config.start == str(tmp_path / "a.pt")


def test_a_run_without_the_key_has_no_even_steps(tmp_path):
    (tmp_path / "config.yaml").write_text("model: {}\n")
    without, uneven, even = (
        {"model": {}} | extra
        for extra in ({}, {"trainer": {"even_steps": False}}, {"trainer": {"even_steps": True}})
    )
    check_unchanged(tmp_path, uneven)
    check_as_saved(tmp_path, without, uneven)
    with pytest.raises(UserError, match=r"was made with trainer\.even_steps=False, not True"):
        check_unchanged(tmp_path, even)
    for saved, config in ((without, even), (even, without), (even, uneven)):
        with pytest.raises(UserError, match=r"config\.yaml has trainer\.even_steps="):
            check_as_saved(tmp_path, saved, config)


def test_a_run_without_the_key_was_drawn_from_everywhere(tmp_path):
    (tmp_path / "config.yaml").write_text("model: {}\ndata: {name: T91}\n")
    check_unchanged(tmp_path, {"model": {}, "data": {"name": "T91", "hardest": 1.0}})
    with pytest.raises(UserError, match=r"was made with data\.hardest=1\.0, not 0\.4"):
        check_unchanged(tmp_path, {"model": {}, "data": {"name": "T91", "hardest": 0.4}})
