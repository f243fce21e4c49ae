"""Guards: the tools of ``scripts/fuzz`` find a fault that was put in, and nothing else."""

import re
import runpy
import sys
from pathlib import Path

import pytest
from forks import fork_server

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
READS_HALVES = "from PIL import ImageFile; ImageFile.LOAD_TRUNCATED_IMAGES = True"
NO_SUMS = """
import srlab.storage.model_file as model_file
model_file._fingerprint = lambda weights: "any"
"""
NO_SENTENCE = """
import srlab.command_line.complaints as complaints
complaints.sentence = lambda *given: 1 / 0
"""
NOTHING_REMOVED = """
import srlab.storage.atomic as atomic
atomic.remove_abandoned = lambda *given: None
"""


def run(tool, place, seed, first, count, planted):
    """Run a tool in a fork; return its status, the faults that it found and its last line."""
    script, out = place / "run.py", place / "out"
    argv = [str(TOOLS / tool), f"--seed={seed}", f"--first={first}", f"--count={count}"]
    script.write_text(RUN.format(out=str(out), argv=argv, folder=str(TOOLS), planted=planted))
    process = fork_server().Process(target=runpy.run_path, args=(str(script),))
    process.start()
    process.join()
    *faults, last = out.read_text().splitlines()
    return process.exitcode, faults, last


# Of each tool the cases before the last one are sound.
PLANTED = {
    "pictures.py": (0, 2, 2, READS_HALVES, "cut of .* nothing is said"),
    "checkpoints.py": (0, 19, 2, NO_SUMS, "flip of model.safetensors.* nothing is said"),
    "overrides.py": (0, 11, 2, NO_SENTENCE, "a traceback: ZeroDivisionError"),
    "kills.py": (31, 0, 1, NOTHING_REMOVED, "large.mkv.* is left over"),
}


@pytest.mark.skipif(sys.platform != "linux", reason="forks, limits and /proc as Linux has them")
@pytest.mark.parametrize("tool", PLANTED)
def test_a_fault_is_reported_with_what_makes_it_again(tool, tmp_path):
    if tool == "kills.py":
        pytest.importorskip("av", reason="PyAV is not installed: pip install 'srlab[video]'")
    seed, first, count, planted, found = PLANTED[tool]
    status, faults, last = run(tool, tmp_path, seed, first, count, planted)
    assert status == 1
    for fault in faults:
        assert re.search(rf"^--seed {seed} --first {first + count - 1}: .*{found}", fault), fault
    assert f"{count} cases, 1 faulty" in last
