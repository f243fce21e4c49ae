import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import srlab

PACKAGE = Path(srlab.__file__).parent

# Which room stands on which floor. ``errors``, ``words`` and ``weights`` are the ground.
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
    "data": 2,
    "degradations": 1,
    "imaging": 0,
    "config": 0,
    "measuring": 0,
    "storage": -1,
    "machine": -1,
    "console": -1,
    "weights": -2,
    "errors": -2,
    "words": -2,
}


# Rooms of equals, where each file is one member; files and functions that are longer for a reason.
EQUALS = {"models", "upsamplers", "interchange/layouts"}
LONG_FILES = {
    "config/schema.py": "one table: the keys of every verb with what they mean",
    "training/recording.py": "a recording and the checks without which it is not used",
    "reporting/drawing.py": "one drawing, part by part",
    "models/csc_sr.py": "one paper, one file",
}
LONG_FUNCTIONS = {
    "training/loop.py: fit": "the training loop, on one page",
    "training/recording.py: record": "one straight way with what is put back whatever happens",
    "commands/train/training.py: train_on": "what the loop calls, and what its errors are told as",
    "commands/bench/train.py: _measure": "one straight way",
    "commands/convert/command.py: run": "one straight way",
    "commands/report/files.py: write_tables": "one file after the other",
    "commands/upscale/pictures.py: upscale_files": "one straight way",
    "interchange/layouts/edsr.py: _edsr": "one layout, mostly its table of names",
    "imaging/video/writing.py: clip_writer": "one encoder with what it opens and closes",
    "reporting/drawing.py: draw_upsampler": "one drawing, part by part",
    "reporting/plots.py: draw_artefacts": "one drawing, part by part",
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


def told(path):
    return path.relative_to(PACKAGE).as_posix()


def test_every_room_stands_on_a_floor():
    assert {room for _, room in rooms()} <= FLOORS.keys()
    assert len(list(rooms())) > 30


def test_imports_run_down_only():
    up = {told(path): list(forbidden(room, imported(path))) for path, room in rooms()}
    assert {path: names for path, names in up.items() if names} == {}


def graph():
    """The files that each file imports, within functions too."""
    files = {".".join(p.relative_to(PACKAGE.parent).with_suffix("").parts): p for p, _ in rooms()}
    files = {name.removesuffix(".__init__"): path for name, path in files.items()}
    return {
        name: {
            found
            for wanted in imported(path)
            for found in (wanted, wanted.rpartition(".")[0])
            if found in files and found != name
        }
        for name, path in files.items()
    }


def circle(edges):
    """Some of the nodes that lie on or between circles: what is left when all others are taken."""
    edges = {name: set(targets) for name, targets in edges.items()}
    while leaves := {name for name, targets in edges.items() if not targets}:
        edges = {n: targets - leaves for n, targets in edges.items() if n not in leaves}
    return sorted(edges)


def test_no_file_imports_itself_by_way_of_others():
    assert len(graph()) > 150
    assert circle(graph()) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]


def test_rooms_and_files_and_functions_are_not_too_large():
    members, lines, functions = {}, {}, {}
    for path, _ in rooms():
        text = path.read_text()
        if path.name != "__init__.py":
            room = told(path).rpartition("/")[0]
            members[room] = members.get(room, 0) + 1
        lines[told(path)] = len(text.splitlines())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                functions[f"{told(path)}: {node.name}"] = node.end_lineno - node.lineno + 1
    assert {room for room, count in members.items() if count > 12} == EQUALS & {
        room for room, count in members.items() if count > 12
    }
    # Both ways: what has become short again leaves the list.
    assert {path for path, count in lines.items() if count > 250} == LONG_FILES.keys()
    assert {name for name, count in functions.items() if count > 45} == LONG_FUNCTIONS.keys()


def test_only_verbs_live_in_commands():
    from srlab.command_line.verbs import BENCHES, VERBS

    verbs = {
        verb.runs.partition(":")[0].split(".")[0] for verb in (*VERBS.values(), *BENCHES.values())
    }
    there = {p.stem for p in (PACKAGE / "commands").iterdir() if p.stem[:1] != "_"}
    assert there - verbs == {"model_list"}  # which model=list is


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


def test_hydra_is_known_to_the_configs_and_what_stands_above_them_only():
    wrong = [
        told(path)
        for path, room in rooms()
        if FLOORS[room] < 4 and room != "config"
        if {name.split(".")[0] for name in imported(path)} & {"hydra", "omegaconf"}
    ]
    assert wrong == []


LAYER = "upsamplers.rep_conv."  # what an upsampler and the bodies of models are made of


def test_models_name_no_upsampler_and_what_uses_models_names_none():
    wrong = []
    for path, room in rooms():
        names = {".".join(parts) for parts in own(imported(path))}
        if FLOORS[room] in (2, 3):
            named = {n for n in names if n.startswith("upsamplers")}
            wrong += [(told(path), n) for n in named if not n.startswith(LAYER)]
        if FLOORS[room] == 3:
            wrong += [(told(path), n) for n in names if n.startswith(("data", "models"))]
    assert [(path, n) for path, n in wrong if n != "models.base.Model"] == []


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
