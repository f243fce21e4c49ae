"""Guards: what a training chooses, it chooses on the validation set; the test sets are told."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from common import ran, save_pictures
from omegaconf import OmegaConf

from srlab.assembly import training_run

SETTINGS = [
    "scale=2", "data=folder", "data.path=train", "testset=folder", "testset.folder.path=test",
    "device=cpu", "trainer.batch_size=2", "trainer.patch_size=8", "trainer.eval_every=1",
]  # fmt: skip
OWN = ["valset=folder", "valset.path=val"]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    place = tmp_path_factory.mktemp("validation")
    save_pictures(place, train=3, test=2)
    shutil.copytree(place / "test", place / "val")
    return place


def trained(place, *arguments):
    done = ran(place, *arguments, *SETTINGS)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture
def opposed(monkeypatch):
    """Let the scores of test sets rise by a decibel an evaluation, and those of others fall."""
    judge, judged = training_run.judge, []

    def judge_otherwise(upscale, pairs, *given):
        judged.append(pairs)
        results = judge(upscale, pairs, *given)
        way = {name: -1 if name == "validation" else 1 for name in pairs}
        for result in results:
            moved = 30 + way[result.testset] * len(judged)
            result.scores[:] = [replace(score, psnr=moved) for score in result.scores]
        return results

    monkeypatch.setattr(training_run, "judge", judge_otherwise)


def best_and_last(run):
    return [torch.load(run / f"{n}.pt", weights_only=True)["step"] for n in ("best", "last")]


def test_best_and_patience_go_by_the_validation_set(workplace, opposed):
    stop = ["trainer.steps=5", "trainer.patience=2"]
    said = trained(workplace, "train", *OWN, *stop, "run_dir=own").stdout
    assert best_and_last(workplace / "own") == [1, 3]
    assert "best:       own/best.pt (step 1, best on 2 pictures of val/)" in said
    history = json.loads((workplace / "own/metrics.json").read_text())["history"]
    assert [(record["psnr"], record["validation"]) for record in history] == [
        (31, 29), (32, 28), (33, 27)
    ]  # fmt: skip
    tested = json.loads((workplace / "own/results.json").read_text())
    assert {result["testset"] for result in tested} == {"test/"}


def test_without_one_the_first_test_set_chooses(workplace, opposed):
    stop = ["trainer.steps=3", "valset=first_testset"]
    said = trained(workplace, "train", *stop, "run_dir=first").stdout
    assert best_and_last(workplace / "first") == [3, 3]
    assert "best:       first/best.pt (step 3, best on test/)" in said


def test_pictures_that_serve_twice_are_told(workplace):
    one = ["trainer.steps=1", "valset=folder"]
    told = trained(workplace, "train", *one, "valset.path=test", "run_dir=twice").stderr
    assert told.count("srlab:") == 1
    assert "2 of the 2 pictures of test/ are validated on, too" in told
    told = trained(workplace, "train", *one, "valset.path=train", "run_dir=thrice").stderr
    assert told.count("srlab:") == 1
    assert "3 of the 3 pictures of train/ are trained on, too: best.pt" in told


def test_a_sweep_of_an_earlier_version_goes_on_by_its_rule(workplace):
    sweep = ["sweep", "trainer.steps=1", "sweep_dir=earlier"]
    trained(workplace, *sweep, "upsampler=deconv,boxed", "valset=first_testset")
    earlier: Path = workplace / "earlier/seed0-deconv/config.yaml"
    shutil.rmtree(workplace / "earlier/seed0-boxed")
    config = OmegaConf.load(earlier)
    del config.valset
    OmegaConf.save(config, earlier)
    said = trained(workplace, *sweep, "upsampler=deconv,boxed").stdout
    assert "2 runs, 1 of them finished" in said
    assert OmegaConf.load(workplace / "earlier/seed0-boxed/config.yaml").valset == {}
    refused = ran(workplace, *sweep, "upsampler=deconv,boxed", *OWN, *SETTINGS)
    assert "earlier/seed0-deconv was made with valset._target_=None" in refused.stderr
