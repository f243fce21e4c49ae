"""Guards: the tutorial and the example of the library run as they stand, with fewer steps."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/tutorial.md"
EXAMPLE = ROOT / "docs/examples/train_from_python.py"
STEPS = "4"


def run(command, text, folder):
    """Run a text by an interpreter that reads standard input, and return what it prints."""
    beside = str(Path(sys.executable).parent)  # where srlab and python are
    environment = os.environ | {
        "PATH": os.pathsep.join([beside, os.environ["PATH"]]), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    ran = subprocess.run(
        command,
        input=text,
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, f"{text}\n{ran.stdout[-3000:]}{ran.stderr[-3000:]}"
    assert "Traceback" not in ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """Do what the page says, in its order, and return the folder and what was printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    text = re.sub(r"trainer\.steps=\d+", f"trainer.steps={STEPS}", PAGE.read_text())
    printed = []
    for language, block in re.findall(r"^```(bash|python)\n(.*?)^```", text, re.M | re.S):
        command = ["bash", "-euo", "pipefail"] if language == "bash" else [sys.executable, "-"]
        printed.append(run(command, block, folder))
    return folder, printed


def test_every_command_of_the_tutorial_runs(followed):
    _, printed = followed
    assert len(printed) == 6
    assert f"{STEPS} steps on" in printed[0]
    assert "6 runs, 0 of them finished" in printed[4]
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
    printed = run([sys.executable, "-"], text, tmp_path)
    assert "bicubic  29.98 dB  0.8523" in printed
    assert float(re.search(r"largest difference (\S+)", printed)[1]) < 1e-6
    assert (tmp_path / "cat_x3.png").exists()
