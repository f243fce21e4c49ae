"""Guards: dictionaries are learnt, resumed, passed on and shown from the command line."""

import runpy
import shutil
import sys
from pathlib import Path

import pytest
import torch
from common import command_line, save_pictures

from srlab.imaging.files import read_pixels, to_tensor

SCRIPTS = Path(__file__).parents[2] / "scripts/results"
CLASSICAL = ["model=csc_sr", "model.filters=4", "model.iterations=5"]


@pytest.fixture
def train(tmp_path, monkeypatch, capsys):
    save_pictures(tmp_path, train=2, test=1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SRLAB_CACHE", str(tmp_path / "cache"))
    run = command_line(monkeypatch, capsys)
    data = "data=folder data.path=train testset=folder testset.folder.path=test"
    steps = "trainer.batch_size=2 trainer.patch_size=8 trainer.steps=4 trainer.save_every=2"
    small = f"scale=2 device=cpu {data} {steps}".split()

    def train(*arguments):
        resuming = arguments[0].startswith("resume=")
        return run("train", *([] if resuming else small), *arguments)

    return train


def test_the_command_line_learns_dictionaries_and_starts_a_network_from_them(train, tmp_path):
    status, told = train(*CLASSICAL, "run_dir=dictionaries")
    assert status == 0, told.err
    last = torch.load(tmp_path / "dictionaries" / "last.pt", weights_only=True)
    assert last["weights"]["steps"] == 4
    unrolled = ["model=csc", "model.filters=4", "upsampler=deconv_wide", "start=dictionaries"]
    status, told = train(*unrolled, "run_dir=unrolled")
    assert status == 0, told.err
    begun = torch.load(tmp_path / "unrolled" / "last.pt", weights_only=True)["weights"]
    # As if it had been killed before it saved.
    unsaved = shutil.ignore_patterns("*.pt", "results.*")
    shutil.copytree(tmp_path / "unrolled", tmp_path / "killed", ignore=unsaved)
    status, told = train("resume=killed")
    assert status == 0, told.err
    again = torch.load(tmp_path / "killed" / "last.pt", weights_only=True)["weights"]
    assert all(torch.equal(again[name], begun[name]) for name in begun)
    status, told = train(*unrolled, "model.filters=5")
    assert status == 2
    assert "does not fit this model: its filters are [4, 1, 5, 5]" in told.err


def test_the_scripts_show_what_was_learnt(train, tmp_path, monkeypatch, capsys):
    assert train(*CLASSICAL, "run_dir=dictionaries")[0] == 0
    capsys.readouterr()
    checkpoint = "dictionaries/last.pt"

    def script(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(SCRIPTS / name), run_name="__main__")
        return capsys.readouterr().out

    table = script("compare_codes.py", "test", checkpoint).splitlines()
    name, unexplained, active = table[1].split()
    assert name == checkpoint
    assert 0 < float(unexplained.rstrip("%")) < 100
    assert 0 < float(active) < 4
    told = script("dictionaries.py", checkpoint, "test/0.png", "drawn")
    assert "of 4 codes" in told
    drawn = {path.stem: to_tensor(read_pixels(path)) for path in (tmp_path / "drawn").iterdir()}
    assert drawn["reconstruction"].shape[-2:] == (66, 4 * 66)
    assert drawn.keys() == {"filters-lr", "filters-hr", "codes", "reconstruction"}


def test_what_learning_dictionaries_would_ignore_is_refused(train, tmp_path):
    for ignored in ("optim.lr=1", "loss=l1", "trainer.ema=0.9", "~optim.lr"):
        status, told = train(*CLASSICAL, ignored, "run_dir=run")
        assert status == 2
        assert f"it would ignore {ignored}" in told.err
        assert not (tmp_path / "run").exists()


def test_an_upsampler_that_cannot_hold_what_is_learnt_is_refused(train):
    status, told = train(*CLASSICAL, "upsampler=bicubic")
    assert status == 2
    assert "the upsampler's kernel of 7x7 LR pixels is larger than the filters" in told.err
    assert "Traceback" not in told.err
