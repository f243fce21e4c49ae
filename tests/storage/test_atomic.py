"""Guards: a file is written whole or stays as it was, and no temporary file is left behind."""

import os
import stat

import pytest
from common import for_all

from srlab.errors import UserError
from srlab.storage.atomic import write_atomically


def fail(*_, **__):
    raise OSError(28, "No space left on device")


def test_a_write_that_fails_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    path.write_text("old")

    def check(breaks):
        with monkeypatch.context() as patch:
            patch.setattr(breaks, fail)
            with pytest.raises(UserError, match=r"results\.json: No space left .* kept"):
                write_atomically(path, b"new")
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    for_all(("os.fsync", "os.fdopen", "pathlib.Path.replace"), check)


def test_a_write_that_is_interrupted_keeps_the_old_file_and_leaves_nothing_behind(
    tmp_path, monkeypatch
):
    def interrupt(*_):
        raise KeyboardInterrupt

    path = tmp_path / "last.pt"
    path.write_bytes(b"old")
    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_replaces_the_old_file(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("old and longer")
    write_atomically(path, b"new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_has_the_permissions_of_any_other(tmp_path):
    (tmp_path / "other").write_text("")
    write_atomically(tmp_path / "ours", b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "other")]
    assert modes[0] == modes[1]
    umask = os.umask(0)
    os.umask(umask)
    assert modes[0] == 0o666 & ~umask


def test_a_folder_that_does_not_exist_is_told(tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*No such file"):
        write_atomically(tmp_path / "gone" / "a.json", b"")
