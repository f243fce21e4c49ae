"""Guards: what a killed process began to write is removed by the next one, unless it is held."""

import subprocess
import sys

from srlab.storage.atomic import (
    atomic_folder,
    remove_abandoned,
    scratch_folder,
    write_atomically,
)

WRITER = """
import sys, time
from pathlib import Path
from srlab.storage.atomic import atomic_file, atomic_folder
with {what}(Path(sys.argv[1])):
    print("begun", flush=True)
    time.sleep(60)
"""


def begun(what, path):
    """A process that is writing to a path."""
    command = [sys.executable, "-c", WRITER.format(what=what), str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    return process


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_what_a_live_process_writes_is_left_alone_and_what_a_killed_one_left_is_removed(tmp_path):
    file, folder = tmp_path / "last.pt", tmp_path / "pack"
    writers = [begun("atomic_file", file), begun("atomic_folder", folder)]
    try:
        (other,) = (name for name in names(tmp_path) if name.startswith(".last.pt-"))
        write_atomically(file, b"1")
        with atomic_folder(folder):
            pass
        assert len(names(tmp_path)) == 4
        assert other in names(tmp_path)
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    write_atomically(file, b"2")
    assert other not in names(tmp_path)
    remove_abandoned(tmp_path)
    assert names(tmp_path) == {"last.pt", "pack"}


def test_a_folder_for_a_while_leaves_nothing_even_if_its_process_is_killed(tmp_path):
    writer = begun("atomic_folder", tmp_path / "workers")  # which makes one
    writer.kill()
    writer.communicate()
    assert len(names(tmp_path)) == 1
    with scratch_folder(tmp_path, "workers") as folder:
        assert names(tmp_path) == {folder.name}
        (folder / "store").touch()
    assert names(tmp_path) == set()


def test_files_of_other_names_are_left_alone(tmp_path):
    theirs = {".last.pt", ".last.pt-backup", ".last.pt-20240101", ".best.pt-abcdefgh", "-abcdefgh"}
    for name in theirs:
        (tmp_path / name).touch()
    (tmp_path / ".last.pt-original").mkdir()
    theirs.add(".last.pt-original")
    write_atomically(tmp_path / "last.pt", b"")
    assert names(tmp_path) == theirs | {"last.pt"}


def test_a_name_as_long_as_the_file_system_allows_is_written(tmp_path):
    for name in ("a" * 255, "é" * 127):
        write_atomically(tmp_path / name, b"")
        assert (tmp_path / name).exists()
