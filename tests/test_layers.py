import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import srlab

PACKAGE = Path(srlab.__file__).parent

# Which room stands on which floor. ``errors`` and ``weights`` are the ground.
FLOORS = {
    "__main__": 7,
    "cli": 6,
    "testing": 5,
    "commands": 5,
    "command_line": 4,
    "assembly": 4,
    "runs": 4,
    "interchange": 4,
    "training": 3,
    "inference": 3,
    "evaluation": 3,
    "reporting": 3,
    "models": 2,
    "sparse_coding": 1,
    "upsamplers": 1,
    "losses": 1,
    "metrics": 1,
    "data": 1,
    "imaging": 0,
    "config": 0,
    "measuring": 0,
    "storage": -1,
    "machine": -1,
    "console": -1,
    "weights": -2,
    "errors": -2,
}


def rooms():
    """Every module of the package as (path, room)."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts != ("__init__",):
            yield path, parts[0]


def imports(tree):
    """The absolute names that a module imports, also within functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported(path):
    return list(imports(ast.parse(path.read_text())))


def own(names):
    """Those names that lie in this package's rooms, as lists of their parts after its name."""
    parts = [name.split(".") for name in names]
    return [p[1:] for p in parts if p[0] == "srlab" and p[1:] not in ([], ["__version__"])]


def forbidden(room, names):
    """The imports that lead up, or across to another room on the same floor."""
    for parts in own(names):
        target = parts[0]
        assert target in FLOORS, f"srlab.{'.'.join(parts)} stands on no floor"
        if target != room and FLOORS[target] >= FLOORS[room]:
            yield ".".join(parts)


modules = pytest.mark.parametrize(
    ("path", "room"), [pytest.param(*m, id=str(m[0].relative_to(PACKAGE))) for m in rooms()]
)


def test_every_room_stands_on_a_floor():
    assert {room for _, room in rooms()} <= FLOORS.keys()
    assert len(list(rooms())) > 30


@modules
def test_imports_run_down_only(path, room):
    assert list(forbidden(room, imported(path))) == []


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("imaging", "import srlab.models"),
        ("imaging", "from srlab import config"),
        ("models", "from srlab.training.loop import fit"),
        ("training", "from srlab.inference import tiles"),
        ("metrics", "def f():\n    from srlab.data.pack import Pack"),
        ("errors", "from srlab.imaging.colour import luma"),
        ("commands", "import torch, srlab.cli"),
    ],
)
def test_an_import_that_does_not_run_down_is_found(room, line):
    assert list(forbidden(room, imports(ast.parse(line))))


@modules
def test_hydra_is_known_to_the_configs_and_the_commands_only(path, room):
    if FLOORS[room] >= 4 or room == "config":
        return
    roots = {name.split(".")[0] for name in imported(path)}
    assert not roots & {"hydra", "omegaconf"}


@modules
def test_models_name_no_upsampler_and_what_uses_models_names_none(path, room):
    names = {".".join(parts) for parts in own(imported(path))}
    if FLOORS[room] == 2:
        assert not {n for n in names if n.startswith("upsamplers")}
    if FLOORS[room] == 3:
        assert not {n for n in names if n.startswith(("upsamplers", "data"))}
        assert {n for n in names if n.startswith("models")} <= {"models.Model"}


def in_a_new_process(code, **variables):
    """What Python prints for the code, with the package that is under test."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


HEAVY = "print('loaded:', *sorted({'torch', 'torchvision', 'skimage'} & sys.modules.keys()))"


def test_importing_the_command_line_loads_no_torch():
    assert in_a_new_process(f"import sys, srlab.cli; {HEAVY}") == "loaded:\n"
    assert "torch" in in_a_new_process(f"import sys, srlab.models.plain; {HEAVY}")


@pytest.mark.parametrize(
    ("arguments", "point", "said"),
    [
        (["--help"], "", "usage: srlab VERB"),
        (["completion", "bash"], "", "complete "),
        (["completion", "query"], "srlab ", "train"),
        (["completion", "query"], "srlab train model=", "model=espcn"),
    ],
)
def test_help_and_completion_load_no_torch(arguments, point, said):
    code = f"""
import atexit, runpy, sys
atexit.register(lambda: {HEAVY})
sys.argv = ["srlab", *{arguments!r}]
runpy.run_module("srlab", run_name="__main__")
"""
    out = in_a_new_process(code, COMP_LINE=point, COMP_POINT=str(len(point)))
    assert said in out
    assert out.endswith("loaded:\n")
