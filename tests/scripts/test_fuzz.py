"""Guards: the tools of ``scripts/fuzz`` find a fault that was put in, and none where there is none."""

import re
import runpy
from pathlib import Path

import pytest
from common import fork_server

TOOLS = Path(__file__).parents[2] / "scripts/fuzz"
RUN = """
import os, sys
os.dup2(os.open({out!r}, os.O_WRONLY | os.O_CREAT), 1)
sys.argv = {argv!r}
sys.path.insert(0, {folder!r})
{planted}
import runpy
runpy.run_path(sys.argv[0], run_name="__main__")
"""
UNCHECKED_PNG = "import srlab.imaging.files as files; files.check_png = lambda data: None"
UNCHECKED_SUMS = """
import srlab.storage.checkpoint as checkpoint
checkpoint._check_sums = lambda path: None
"""
NO_SENTENCE = """
import srlab.command_line.complaints as complaints
complaints.sentence = lambda *arguments: 1 / 0
"""
WRITTEN_IN_PLACE = """
import srlab.commands.upscale.pictures as pictures
pictures.atomic_file = lambda path: path.open("wb", buffering=0)
"""


def run(tool, place, count, seed, planted):
    """Run a tool in a fork; return its status, the faults that it found and its last line."""
    script, out = place / "run.py", place / "out"
    argv = [str(TOOLS / tool), "--count", str(count), "--seed", str(seed)]
    script.write_text(RUN.format(out=str(out), argv=argv, folder=str(TOOLS), planted=planted))
    process = fork_server().Process(target=runpy.run_path, args=(str(script),))
    process.start()
    process.join()
    *faults, last = out.read_text().splitlines()
    return process.exitcode, faults, last


@pytest.mark.parametrize(
    ("tool", "count", "seed", "planted", "found"),
    [
        ("pictures.py", 2, 0, UNCHECKED_PNG, "SIGSEGV|nothing is said"),
        ("checkpoints.py", 4, 0, UNCHECKED_SUMS, "nothing is said"),
        ("overrides.py", 4, 0, NO_SENTENCE, "a traceback: ZeroDivisionError"),
        ("kills.py", 1, 0, WRITTEN_IN_PLACE, "its results are others"),
    ],
)
def test_a_fault_is_reported_with_what_makes_it_again(tool, count, seed, planted, found, tmp_path):
    status, faults, last = run(tool, tmp_path, count, seed, planted)
    assert status == 1
    assert faults
    for fault in faults:
        assert re.search(rf"^--seed {seed} --first \d: .*({found})", fault), fault
    faulty = len({fault.split(":")[0] for fault in faults})
    assert f"{count} cases, {faulty} faulty" in last
