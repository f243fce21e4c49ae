"""Guards: a tuning finds the best rate by validation, wastes no step, and sweeps use it."""

import json
import math
import os
import signal
from dataclasses import replace

import pytest
import torch
from common import ran, save_pictures
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from srlab.assembly import training_run
from srlab.commands.report.results import gather
from srlab.commands.tune import command
from srlab.commands.tune.search import Candidate, beside, best_of, halving, lowest_of, stops_of
from srlab.errors import UserError
from srlab.runs.sweep_plan import read_sweep
from srlab.training import loop

SETTINGS = [
    "scale=2", "data=folder", "data.path=train", "testset=folder", "testset.folder.path=test",
    "valset=folder", "valset.path=val", "device=cpu", "trainer.batch_size=2",
    "trainer.patch_size=8", "trainer.steps=4", "trainer.eval_every=2",
]  # fmt: skip
HEADS = "upsampler=deconv,boxed"
BEST = {"Deconv": 0.002, "Boxed": 0.001}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    place = tmp_path_factory.mktemp("tune")
    save_pictures(place, train=2, test=1)
    (place / "test").rename(place / "val")
    (place / "train/1.png").rename(place / "moved.png")
    (place / "test").mkdir()
    (place / "moved.png").rename(place / "test/1.png")
    return place


@pytest.fixture
def known(monkeypatch):
    """Let each head have a best rate on the validation set, and test sets another opinion."""
    judge = training_run.TrainingRun._judge

    def judge_by_rate(training, pairs):
        results = judge(training, pairs)
        head = training.config.upsampler["_target_"].rpartition(".")[2]
        off = abs(math.log2(training.config.optim["lr"] / BEST[head]))
        for result in results:
            way = -1 if result.testset == "validation" else 1
            scores = [replace(score, psnr=40 + way * off) for score in result.scores]
            result.scores[:] = scores
        return results

    monkeypatch.setattr(training_run.TrainingRun, "_judge", judge_by_rate)


def tune(place, *arguments, code=0):
    done = ran(place, "tune", HEADS, *SETTINGS, *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def found(folder):
    content = json.loads((folder / "tuned.json").read_text())
    return {choice["choice"][0]: choice for choice in content["choices"]}


def steps(folder):
    """How far each run came, by its choice and its rate."""
    runs = {}
    for path in folder.glob("*/last.pt"):
        config = OmegaConf.load(path.parent / "config.yaml")
        head = config.upsampler._target_.rpartition(".")[2]
        runs[head, config.optim.lr] = torch.load(path, weights_only=True)["step"]
    return runs


@pytest.fixture
def counted(monkeypatch):
    """Count the steps that are taken; an interrupt comes after those that are set."""
    make, taken = loop.make_advance, {"steps": 0, "until": None}

    def make_advance(*arguments):
        advance = make(*arguments)

        def take_step(lr, hr):
            taken["steps"] += 1
            if taken["steps"] == taken["until"]:
                os.kill(os.getpid(), signal.SIGINT)
            return advance(lr, hr)

        return take_step

    monkeypatch.setattr(loop, "make_advance", make_advance)
    return taken


def test_a_tuning_that_is_stopped_goes_on_and_sweeps_use_what_it_found(workplace, known, counted):
    # Of these rates deconv's best is at the end, boxed's within.
    search = ["optim.lr=0.0005,0.001,0.002", "stops=[0.5]", "sweep_dir=tuned"]
    counted["until"] = 7
    assert "the same command goes on" in tune(workplace, *search, code=130)
    assert not (workplace / "tuned/tuned.json").exists()
    said = tune(workplace, *search)
    assert "PSNR on 1 pictures of val/" in said
    best = found(workplace / "tuned")
    assert best["upsampler=deconv"]["overrides"] == ["optim.lr=0.002"]
    assert best["upsampler=boxed"]["overrides"] == ["optim.lr=0.001"]
    assert all(choice["bracketed"] and choice["psnr"] == 40 for choice in best.values())
    ended = steps(workplace / "tuned")
    assert ended == {
        ("Deconv", 0.0005): 2, ("Deconv", 0.001): 4, ("Deconv", 0.002): 4, ("Deconv", 0.004): 4,
        ("Boxed", 0.0005): 4, ("Boxed", 0.001): 4, ("Boxed", 0.002): 4,
    }  # fmt: skip
    assert counted["steps"] == sum(ended.values())  # none was taken twice

    tune(workplace, *search, "keep=1")
    assert set(steps(workplace / "tuned").values()) == {4}
    assert counted["steps"] == 4 * len(ended)
    assert found(workplace / "tuned")["upsampler=deconv"]["overrides"] == ["optim.lr=0.002"]

    sweep = ["sweep", *SETTINGS, "tuned=tuned"]
    done = ran(workplace, *sweep, HEADS, "seed=0", "sweep_dir=swept")
    assert done.returncode == 0, done.stderr
    rates = dict(steps(workplace / "swept").keys())
    assert rates == BEST
    gathered = gather(workplace / "swept", read_sweep(workplace / "swept"))
    assert [choice.label for choice in gathered.choices] == ["deconv", "boxed"]
    other = ["upsampler=deconv", "loss=l1,mse", "testset.folder.path=val", "sweep_dir=train"]
    for mistake, *told in (
        (["upsampler=deconv,resize_conv"], "tuned has nothing for upsampler=resize_conv"),
        ([HEADS, "optim.lr=1e-3"], "tuned was tuned for it: optim.lr=1e-3"),
        ([HEADS, "tuned=swept"], "swept has no tuned.json"),
        (
            other,
            "1 of the 1 pictures of val/ chose what tuned found",
            "tuned was tuned with other settings (loss=l1,mse)",
        ),
    ):
        refused = ran(workplace, *sweep, *mistake)
        assert refused.returncode == 2
        assert all(sentence in refused.stderr for sentence in told), refused.stderr
    # A run that paused and went on is what it would have been without.
    one, other = (
        torch.load(workplace / run / "last.pt", weights_only=True)
        for run in ("swept/seed0-boxed", "tuned/seed0-boxed-lr0.001")
    )
    assert all(torch.equal(w, other["weights"][k]) for k, w in one["weights"].items())
    assert one["training"]["history"] == other["training"]["history"]


def test_without_rates_those_around_the_one_of_the_optimizer_are_tried(workplace, monkeypatch):
    def tell(_, fixed, axes, *__):
        raise UserError(f"{axes}")

    monkeypatch.setattr(command, "make_plan", tell)
    said = tune(workplace, "optim.lr=0.1", code=2)
    assert "'optim.lr': ['0.025', '0.05', '0.1', '0.2', '0.4']" in said


def test_a_rate_that_diverges_loses_and_ends_nothing(workplace):
    search = ["optim=sgd", "optim.lr=1e-3,1e30", "extend=0", "stops=[]", "sweep_dir=diverging"]
    said = tune(workplace, *search)
    assert "1e+30: failed" in said
    assert "upsampler=deconv: the highest score is at an end of what was tried" in said
    assert found(workplace / "diverging")["upsampler=boxed"]["overrides"] == ["optim.lr=0.001"]
    # What another search finds joins it.
    search[1] = "optim.lr=1e-3,2e-3"
    done = ran(workplace, "tune", "upsampler=boxed,resize_conv", *SETTINGS, *search)
    assert done.returncode == 0, done.stderr
    assert found(workplace / "diverging").keys() == {
        "upsampler=deconv", "upsampler=boxed", "upsampler=resize_conv"
    }  # fmt: skip
    done = ran(workplace, "tune", "upsampler=resize_conv", *SETTINGS, *search)
    assert "diverging holds what another tuning found" in done.stderr


def test_mistakes_are_told_before_anything_is_trained(workplace):
    before = sorted(workplace.rglob("*"))
    for arguments, told in (
        (["keep=0"], "keep must be above 0"),
        (["stops=[0.5,1]"], "stops are fractions"),
        (["search=loss.tv_weight"], "search names loss.tv_weight, which has one value"),
        (["optim=adam,sgd"], "the choices begin at several rates"),
        (["tuned=there"], "tuned goes with srlab sweep"),
        (["until=0.1"], "until goes with srlab sweep"),
        (["optim.lr=abc"], "optim.lr must be a number above 0, got abc"),
    ):
        said = tune(workplace, *arguments, "sweep_dir=mistaken", code=2)
        assert told in said, said
    for valset, told in (
        ("first_testset", "nothing is tuned on test pictures"),
        ("photos,first_testset", "valset takes one value"),
    ):
        refused = ran(workplace, "tune", HEADS, *SETTINGS[:5], f"valset={valset}")
        assert told in refused.stderr
    assert sorted(workplace.rglob("*")) == before


def candidates(count):
    return [Candidate({"optim.lr": str(2.0**k)}, [f"{k}"]) for k in range(count)]


@given(count=st.integers(1, 8), best=st.integers(0, 7), keep=st.sampled_from([0.3, 0.5, 1.0]))
def test_where_the_order_never_changes_the_best_goes_to_the_end(count, best, keep):
    reached = dict.fromkeys(range(count), 0)

    def score(candidate, stop):
        number = int(candidate.names[0])
        return -abs(number - best) if reached[number] >= (stop or 99) else None

    tried = candidates(count)
    while True:
        asked, stop = halving(tried, score, [10, 20], keep)
        if not asked:
            break
        reached |= {int(c.names[0]): stop or 99 for c in asked}
    assert int(best_of(tried, score).names[0]) == min(best, count - 1)
    ended = sum(step == 99 for step in reached.values())
    assert ended == math.ceil(keep * math.ceil(keep * count))


def test_the_lowest_rate_near_the_best_is_taken():
    scores = {"1e-3": 32.91, "2e-3": 32.93, "4e-3": 32.92, "5e-4": 32.85}
    candidates = [Candidate({"optim.lr": rate, "clip": "0"}, []) for rate in scores]
    other = Candidate({"optim.lr": "1e-4", "clip": "1"}, [])  # of another value beside

    def score(candidate, stop):
        return 32.92 if candidate is other else scores[candidate.values["optim.lr"]]

    best = best_of([*candidates, other], score)
    taken = {
        margin: lowest_of(best, [*candidates, other], score, "optim.lr", margin).values["optim.lr"]
        for margin in (0, 0.015, 0.05, 0.1)
    }
    assert taken == {0: "2e-3", 0.015: "2e-3", 0.05: "1e-3", 0.1: "5e-4"}


def test_what_lies_beside_goes_on_with_the_ladder():
    rates = [Candidate({"optim.lr": rate}, []) for rate in ("3e-3", "3e-4", "1e-3")]
    assert beside(rates[2], rates, "optim.lr") == (rates[1], rates[0])
    assert beside(rates[0], rates, "optim.lr") == (rates[2], pytest.approx(9e-3))
    assert beside(rates[1], rates, "optim.lr") == (pytest.approx(9e-5), rates[2])


def test_runs_are_compared_where_they_are_judged():
    assert stops_of(5000, 1000, [0.25, 0.5]) == [1000, 2000]
    assert stops_of(5000, 5000, [0.25, 0.5]) == []
    assert stops_of(8, 2, [0.25, 0.5]) == [2, 4]
