"""Guards: installed packages bring options of their own, by the entry points srlab.configs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from common import UPSAMPLER_OF_A_USER, command_line, ran
from PIL import Image

import srlab
from srlab.testing import check_model, check_upsampler, model_configs, upsampler_configs


def install(site, package, entry_point, files):
    """Put a package where ``pip install --target`` would."""
    for name, text in files.items():
        path = site / package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    info = site / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[srlab.configs]\n{package} = {entry_point}\n")


def option(target, **values):
    lines = [f"_target_: {target}", "_partial_: true"]
    return "\n".join([*lines, *(f"{key}: {value}" for key, value in values.items())])


@pytest.fixture
def site(tmp_path, monkeypatch):
    """An empty folder that packages are imported from, and the working folder beside it."""
    (tmp_path / "site").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path / "site"


@pytest.fixture
def command(site, monkeypatch, capsys):
    """Run the command line in this process; return its status, output and complaints."""
    command = command_line(monkeypatch, capsys)

    def run(*arguments):
        status, printed = command(*arguments)
        return status, *printed

    return run


def test_an_installed_package_brings_an_upsampler(site):
    files = {
        "__init__.py": "import torch",
        "layers.py": UPSAMPLER_OF_A_USER,
        "configs/upsampler/theirs.yaml": option("srlab_theirs.layers.Theirs", kernel_size=5),
    }
    install(site, "srlab_theirs", "srlab_theirs.configs", files)
    path = os.pathsep.join([str(site), str(Path(srlab.__file__).parent.parent)])
    shown = subprocess.run(
        [sys.executable, "-m", "srlab", "train", "upsampler=theirs", "--cfg", "job"],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path},
    )  # fmt: skip
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "_target_: srlab_theirs.layers.Theirs" in shown.stdout
    here = Path().absolute()
    assert "theirs" in ran(here, "--help").stdout
    Path("pictures").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save("pictures/noise.png")
    pictures = ("testset=folder", "testset.folder.path=pictures")
    trained = ran(here, "train", "-m", "upsampler=theirs,pixel_shuffle", "scale=2",
                  "trainer.steps=2", "trainer.batch_size=1", "trainer.patch_size=8", "device=cpu",
                  "data=folder", "data.path=pictures", *pictures,
                  "hydra.sweep.dir=sweep")  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    evaluate = ("evaluate", "checkpoint=sweep/0", *pictures)
    untrusted = ran(here, *evaluate)
    assert untrusted.returncode == 2
    assert "trust=[srlab_theirs]" in untrusted.stderr
    assert ran(here, *evaluate, "trust=[srlab_theirs]").returncode == 0


def test_the_options_of_an_installed_package_are_judged_like_ours(site):
    files = {
        "__init__.py": "",
        "layers.py": UPSAMPLER_OF_A_USER,
        "configs/upsampler/fair.yaml": option("srlab_judged.layers.Theirs"),
        "configs/upsampler/padding.yaml": option("srlab_judged.layers.Theirs", padding=1),
        "configs/upsampler/misspelt.yaml": option("srlab_judged.layers.Theirs", kernel=5),
        "configs/model/judged.yaml": """
            defaults:
              - /upsampler@_global_.upsampler: fair

            _target_: srlab.models.espcn.ESPCN
            scale: ${scale}
            channels: ${channels:${colour}}
            upsampler: ${upsampler}
            """,
    }
    install(site, "srlab_judged", "srlab_judged.configs", files)
    theirs = dict(upsampler_configs())
    assert theirs.keys() >= {"fair", "padding", "misspelt", "pixel_shuffle"}
    check_upsampler(theirs["fair"])
    with pytest.raises(AssertionError, match=r"Theirs\(1, 1, 2\) makes .* pad nothing"):
        check_upsampler(theirs["padding"])
    with pytest.raises(AssertionError, match="no 'kernel'; did you mean 'kernel_size'"):
        check_upsampler(theirs["misspelt"])
    make, upsampler = {name: rest for name, *rest in model_configs()}["judged"]
    check_model(make, upsampler, scales=(2,))


def test_help_suggestions_and_completion_know_the_options_and_import_nothing(
    site, command, monkeypatch
):
    bomb = "raise RuntimeError('imported')"
    option_file = "configs/upsampler/remarkable.yaml"
    files = {"__init__.py": bomb, option_file: option("srlab_bomb.Remarkable", strangeness=3)}
    install(site, "srlab_bomb", "srlab_bomb.configs", files)
    for arguments in (("--help",), ("train", "--help")):
        status, out, err = command(*arguments)
        assert (status, err) == (0, "")
        assert "remarkable" in out
    assert "did you mean 'remarkable'" in command("train", "upsampler=remarkabel")[2]
    assert (
        "upsampler.strangeness is a key of another"
        in command("train", "upsampler.strangeness=1")[2]
    )
    monkeypatch.setenv("COMP_LINE", "srlab train upsampler=rem")
    monkeypatch.setenv("COMP_POINT", "100")
    assert command("completion", "query")[1].split() == ["upsampler=remarkable"]


def test_a_broken_package_is_named_and_harms_nothing_else(site, command):
    whole = {"__init__.py": "", "configs/upsampler/whole.yaml": option("srlab_whole.Whole")}
    install(site, "srlab_whole", "srlab_whole.configs", whole)
    for package, entry_point, sentence in (
        ("srlab_broken", "srlab_nowhere.configs", "its package 'srlab_nowhere' cannot be found"),
        ("srlab_worse", "srlab_worse.options", "there is no folder srlab_worse.options"),
        ("srlab_worst", ".configs", "its package '' cannot be found"),
    ):
        install(site, package, entry_point, {"__init__.py": ""})
        for arguments in (("--help",), ("train", "upsampler=whole", "--cfg", "job")):
            status, out, err = command(*arguments)
            assert status == 0
            assert "whole" in out
            assert len(err.splitlines()) == 1
            assert f"srlab: the plug-in {package} is left out: {sentence}" in err
        shutil.rmtree(site / f"{package}-1.0.dist-info")


def test_a_package_replaces_none_of_our_options_and_says_so(site, command):
    ours = command("train", "upsampler=deconv", "--cfg", "job")
    same = {"configs/upsampler/deconv.yaml": option("srlab_first.Deconv"),
            "configs/upsampler/new.yaml": option("srlab_first.New")}  # fmt: skip
    install(site, "srlab_first", "srlab_first.configs", {"__init__.py": "", **same})
    other = {"configs/upsampler/new.yaml": option("srlab_second.New")}
    install(site, "srlab_second", "srlab_second.configs", {"__init__.py": "", **other})
    status, out, err = command("train", "upsampler=deconv", "--cfg", "job")
    assert (status, out) == ours[:2]
    assert err.splitlines() == [
        "srlab: the plug-in srlab_first brings upsampler/deconv.yaml, which srlab has already: "
        "that of srlab is used",
        "srlab: the plug-in srlab_second brings upsampler/new.yaml, which srlab_first has already: "
        "that of srlab_first is used",
    ]
    assert "srlab_first.New" in command("train", "upsampler=new", "--cfg", "job")[1]


def test_a_damaged_option_of_a_package_harms_nothing_else(site, command):
    files = {"__init__.py": "", "configs/upsampler/damaged.yaml": "{: ["}
    install(site, "srlab_damaged", "srlab_damaged.configs", files)
    assert command("train", "--cfg", "job")[::2] == (0, "")
    assert "did you mean 'upsampler'" in command("train", "upsamplr=1")[2]


def test_describe_leaves_out_what_a_package_brings_broken_and_says_so(site, command):
    files = {
        "__init__.py": "",
        "configs/upsampler/damaged.yaml": "{: [",
        "configs/upsampler/absent.yaml": option("srlab_third.nowhere.Absent"),
    }
    install(site, "srlab_third", "srlab_third.configs", files)
    status, out, err = command("describe", "model=espcn", "scale=3")
    assert status == 0
    assert "pixel_shuffle is the same, biases aside, as: deconv" in out
    told = err.splitlines()
    assert [line.split(" is left out: ")[0] for line in told] == [
        "srlab: upsampler=absent",
        "srlab: upsampler=damaged",
    ]
