"""Guards: a sweep that was killed while its plan was written begins in the same folder."""

import subprocess
import sys

import pytest

from srlab.runs.sweep_plan import is_empty

DIES = """
import os, sys
from pathlib import Path
from srlab.storage.atomic import atomic_file
with atomic_file(Path(sys.argv[1])) as file:
    file.write(b"{")
    os._exit(0)
"""


def test_a_folder_that_holds_a_plan_that_was_begun_is_empty(tmp_path):
    pytest.importorskip("fcntl", reason="Windows has no locks by which such files are known")
    subprocess.run([sys.executable, "-c", DIES, str(tmp_path / "sweep.json")], check=True)
    assert len(list(tmp_path.iterdir())) == 1
    assert is_empty(tmp_path)
    (tmp_path / "notes.txt").touch()
    assert not is_empty(tmp_path)
