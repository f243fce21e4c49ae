"""Guards: the tutorial and the example of the library run as they stand, only shorter."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from common import ran

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/tutorial.md"
EXAMPLE = ROOT / "docs/examples/train_from_python.py"
STEPS = "4"


def run_commands(block, folder):
    """Run the lines of a shell, those of srlab in this process, and return what they print."""
    printed = ""
    for line in block.splitlines():
        program, *arguments = shlex.split(line)
        if program == "srlab":
            done = ran(folder, *arguments)
        else:
            assert program == "python"
            command = [sys.executable, *arguments]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        assert "Traceback" not in done.stderr
        printed += done.stdout
    return printed


def run_python(text, folder):
    """Run a text of Python in this process, and return what it prints."""
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        exec(compile(text, "example", "exec"), {"__name__": "__main__"})
    return printed.getvalue()


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """Do what the page says, in its order, and return the folder and what was printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    text = re.sub(r"trainer\.steps=\d+", f"trainer.steps={STEPS}", PAGE.read_text())
    text = text.replace("seed=0,1,2 ", "seed=0 ")
    runs = {"bash": run_commands, "python": run_python}
    blocks = re.findall(r"^```(bash|python)\n(.*?)^```", text, re.M | re.S)
    return folder, [runs[language](block, folder) for language, block in blocks]


def test_every_command_of_the_tutorial_runs(followed):
    _, printed = followed
    assert len(printed) == 6
    assert f"{STEPS} steps on" in printed[0]
    assert "2 runs, 0 of them finished" in printed[4]
    assert re.fullmatch(r"bicubic  32\.99 dB\nours     \d\d\.\d\d dB\n", printed[5])


def test_every_file_that_the_tutorial_names_is_there(followed):
    folder, _ = followed
    prose = re.sub(r"^```.*?^```", "", PAGE.read_text(), flags=re.M | re.S)
    named = re.findall(r"`((?:runs/|cat)[\w./]*)`", prose)
    assert len(named) > 10
    assert not [name for name in named if not (folder / name).exists()]


def test_every_command_of_the_tutorial_says_its_steps():
    trainings = re.findall(r"^srlab (?:train|sweep) .*", PAGE.read_text(), re.M)
    assert len(trainings) == 2
    assert all("trainer.steps=" in line for line in trainings)


def test_the_example_of_the_library_runs(tmp_path):
    text, count = re.subn(r"STEPS = 3, 2000", f"STEPS = 3, {STEPS}", EXAMPLE.read_text())
    assert count == 1
    printed = run_python(text, tmp_path)
    assert "bicubic  29.98 dB  0.8523" in printed
    assert float(re.search(r"largest difference (\S+)", printed)[1]) < 1e-6
    assert (tmp_path / "cat_x3.png").exists()
