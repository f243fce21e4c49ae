"""Guards: a training by several workers is that by one, and the death of one ends it well."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from common import ran, save_pictures, wait_for
from forks import FORKS_WORKERS, forked

from srlab.commands.train.workers import Worker, _outcome
from srlab.errors import Interrupted, UserError
from srlab.machine import ranks
from srlab.machine.signals import Stopper

STEPS = 60


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with images, and a run ``one`` that one process has trained."""
    folder = tmp_path_factory.mktemp("ranks")
    save_pictures(folder, train=3, test=3)
    train(folder, *settings("one"))
    return folder


def settings(run_dir, steps=STEPS):
    given = {
        "scale": 2, "data": "folder", "data.path": "train", "testset": "folder",
        "testset.folder.path": "test", "device": "cpu", "trainer.batch_size": 4,
        "trainer.patch_size": 8, "trainer.steps": steps, "trainer.save_every": 10,
        "trainer.eval_every": 30, "trainer.log_every": 10, "trainer.threads": 1,
        "loss.tv_weight": 1e-3, "trainer.clip": 0.1, "run_dir": run_dir,
    }  # fmt: skip
    return [f"{key}={value}" for key, value in given.items()]


def train(folder, *overrides):
    done = ran(folder, "train", *overrides)
    assert done.returncode == 0, done.stderr
    return done.stdout


def checkpoint(folder, run_dir):
    return torch.load(folder / run_dir / "last.pt", weights_only=True)


def distance(a, b):
    """How far apart the weights of two checkpoints are, of the largest."""
    largest = max(w.abs().max() for w in a["weights"].values())
    apart = max((w - b["weights"][name]).abs().max() for name, w in a["weights"].items())
    return float(apart / largest)


def equal(workplace, run):
    """Check that a run came to what one process came to: weights, scores and tables."""
    one, two = (checkpoint(workplace, name) for name in ("one", run))
    assert distance(one, two) < 1e-5
    assert one["step"] == two["step"] == STEPS
    for a, b in zip(*(c["training"]["history"] for c in (one, two)), strict=True):
        assert a["psnr"] == pytest.approx(b["psnr"], abs=1e-3)
        assert a["ssim"] == pytest.approx(b["ssim"], abs=1e-5)
    images = [(workplace / name / "results.csv").read_text().count("\n") for name in ("one", run)]
    assert images == [9, 9]  # a header, and 3 images and a mean of bicubic and of ours


def test_two_workers_with_half_the_batch_each_equal_one_with_the_whole(workplace):
    process = forked(workplace, "train", *settings("two"), "trainer.devices=2")
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert f"{STEPS} steps on 2 processes" in out
    environment = json.loads((workplace / "two" / "environment.json").read_text())
    assert "trainer.devices=2" in environment["command"]
    assert out.count(f"step {STEPS} ") == out.count("checkpoint: ") == 1  # one of them speaks
    equal(workplace, "two")


def test_a_mixture_of_sets_is_one_training_for_two_workers_too(workplace):
    (workplace / "sets").mkdir()
    save_pictures(workplace / "sets", train=5, test=0)
    (workplace / "sets" / "train").rename(workplace / "sets" / "Set5")
    mixture = [
        argument for argument in settings("mixed", 10) if not argument.startswith(("data", "run_"))
    ] + ["data=mixed", "data.names=[Set5]", "data.root=sets", "data.path=train"]  # fmt: skip
    train(workplace, *mixture, "data.weights=[1,3]", "run_dir=mixed")
    train(workplace, *mixture, "run_dir=even")
    process = forked(
        workplace, "train", *mixture, "data.weights=[1,3]", "run_dir=mixed2", "trainer.devices=2"
    )
    assert process.communicate()[1].count("of the 3 pictures of test/ are trained on, too") == 1
    whole, two, even = (checkpoint(workplace, run) for run in ("mixed", "mixed2", "even"))
    assert distance(whole, two) < 1e-5 < distance(whole, even)


def test_ranks_of_an_environment_like_that_of_torchrun_equal_one_too(workplace):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ranks_of = [
        {
            "RANK": f"{rank}", "LOCAL_RANK": f"{rank}", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": f"{port}", "OMP_NUM_THREADS": "1",
        }
        for rank in (0, 1)
    ]  # fmt: skip
    processes = [
        forked(workplace, "train", *settings("torchrun"), first=f"import os; os.environ |= {given}")
        for given in ranks_of
    ]
    said = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert [out.count("checkpoint: ") for out, _ in said] == [1, 0]  # one of them speaks
    equal(workplace, "torchrun")


def test_a_worker_that_is_killed_ends_the_run_and_one_goes_on(workplace):
    process = forked(
        workplace, "train", *settings("killed"), "trainer.devices=2", first=FORKS_WORKERS
    )
    wait_for((workplace / "killed/last.pt").exists, process)
    workers(process.pid)[0].send_signal(signal.SIGKILL)  # the one that saves
    _, err = process.communicate()
    assert process.returncode == 2
    assert re.fullmatch(
        r"srlab: worker 1 of 2 was killed by SIGKILL, so the others were stopped; "
        r"the last good checkpoint is killed/last.pt \(step \d+\); "
        r"go on with: srlab train resume=killed\n",
        err,
    )
    train(workplace, "resume=killed", "trainer.devices=1")
    equal(workplace, "killed")


SLOW = "import os, time\nsync = os.fsync\nos.fsync = lambda f: (time.sleep(0.7), sync(f))[1]\n"


def test_a_signal_while_a_save_takes_long_lets_all_of_them_save_and_leave(workplace):
    process = forked(
        workplace, "train", *settings("slow", 100_000), "trainer.devices=2",
        first=FORKS_WORKERS + SLOW,
    )  # fmt: skip
    wait_for((workplace / "slow" / "last.pt").exists, process)
    wait_for(lambda: list((workplace / "slow").glob(".last*")), process)  # the next is under way
    family = workers(process.pid)
    assert len(family) == 2
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate()
    assert process.returncode == 143
    assert re.fullmatch(
        r"stopped at step \d+ and saved; go on with: srlab train resume=slow\n", err
    )
    assert checkpoint(workplace, "slow")["step"] == int(re.search(r"\d+", err)[0])
    assert not list((workplace / "slow").glob(".last*"))
    assert not any(worker.alive() for worker in family)


@pytest.mark.parametrize("delay", [0.0, 2.0])
def test_a_signal_while_workers_start_ends_them_all(workplace, delay):
    run = f"early{delay}"
    process = forked(workplace, "train", *settings(run, 100_000), "trainer.devices=2")
    wait_for(lambda: len(workers(process.pid)) == 2, process)
    time.sleep(delay)
    family = workers(process.pid)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert err.startswith("stopped")
    assert "Traceback" not in err
    assert not any(worker.alive() for worker in family)
    assert (workplace / run / "config.yaml").exists() or not (workplace / run).exists()


def test_a_signal_that_comes_while_ranks_ask_each_other_is_kept(monkeypatch):
    with Stopper() as stopper:
        leaving = ranks.Leaving(stopper)

        def maximum(*numbers):
            os.kill(os.getpid(), signal.SIGTERM)
            return list(numbers)

        monkeypatch.setattr(ranks, "count", lambda: 2)
        monkeypatch.setattr(ranks, "maximum", maximum)
        assert not leaving(1)
        assert stopper.signal == signal.SIGTERM


@pytest.mark.parametrize(("seconds", "between"), [(0.0, 10), (0.3, 3), (2.0, 1)])
def test_ranks_ask_each_other_every_second_or_every_step_that_takes_longer(
    monkeypatch, seconds, between
):
    now, asked = [0.0], []
    monkeypatch.setattr(ranks.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(ranks, "count", lambda: 2)
    monkeypatch.setattr(ranks, "maximum", lambda *n: asked.append(now[0]) or list(n))
    leaving = ranks.Leaving(Stopper())
    times = []
    for step in range(1, 60):
        now[0] += seconds
        before = len(asked)
        assert not leaving(step)
        if len(asked) > before:
            times.append(step)
    assert times[0] == 1
    assert {b - a for a, b in pairwise(times[1:])} == {between}


class Other:
    """A process that another process has started."""

    def __init__(self, pid):
        self.pid = pid

    def send_signal(self, number):
        os.kill(self.pid, number)

    def alive(self):
        return Path(f"/proc/{self.pid}").exists()


def workers(parent):
    """The workers of a process in the order in which they were started."""
    listed = subprocess.run(
        ["pgrep", "-P", str(parent)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return [Other(int(pid)) for pid in sorted(listed.stdout.split(), key=int)]


def test_what_cannot_be_shared_is_refused_before_any_worker_starts(workplace, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    for overrides, said in (
        (["trainer.devices=2", "trainer.batch_size=5"], "batch_size=5 cannot be shared by 2"),
        (
            ["trainer.devices=2", "trainer.batch_size=4", "trainer.accumulate=3"],
            "accumulate=3, but each of 2 workers has 2 patches of a batch",
        ),
        (
            [
                "trainer.devices=2",
                "trainer.batch_size=4",
                "trainer.phases=[{step: 2, batch_size: 1}]",
            ],
            "trainer.phases[0].batch_size=1 cannot be shared by 2",
        ),
        (["trainer.devices=0"], "trainer.devices must be at least 1"),
        (["trainer.devices=1000", "trainer.batch_size=1000"], "devices=1000, but there are"),
        (["trainer.devices=2", "name=../outside", "run_dir=null"], "name must not hold folders"),
        (["trainer.devices=2", "device=cuda:0"], "device"),
        (["trainer.devices=2", "model=csc_sr"], "CSCSR is not trained by gradients"),
    ):
        refused = ran(workplace, "train", *settings("none"), *overrides)
        assert refused.returncode == 2, overrides
        assert said in refused.stderr
        assert not (workplace / "none").exists()


def test_a_mistake_that_only_a_worker_meets_is_told_once(workplace):
    process = forked(workplace, "train", *settings("one"), "trainer.devices=2", first=FORKS_WORKERS)
    _, err = process.communicate()
    assert process.returncode == 2
    assert err == "srlab: one is a run already: continue it with resume=one\n"


def ended(kind="", what=None, code=0):
    return Worker(None, None, (kind, what), code)


MISSED = ended("missed", "gloo/transport: connection closed by peer\n")


@pytest.mark.parametrize("order", [1, -1])
def test_what_ended_a_run_is_told_from_what_followed(capsys, order):
    def outcome(*workers, signals=()):
        return _outcome(list(workers)[::order], list(signals), lambda: "go on")

    with pytest.raises(UserError, match="no such folder"):
        outcome(MISSED, ended("mistake", "no such folder"))
    with pytest.raises(UserError, match=r"was killed by SIGSEGV.*go on"):
        outcome(MISSED, ended(code=-11))
    with pytest.raises(UserError, match=r"was interrupted, so the others.*go on"):
        outcome(MISSED, ended("stopped"))
    with pytest.raises(UserError, match="failed as told above; go on"):
        outcome(MISSED, ended("error", "Traceback: a mistake of ours\n"))
    assert capsys.readouterr().err == "Traceback: a mistake of ours\n"
    with pytest.raises(UserError, match="failed as told above"):
        outcome(MISSED, MISSED)
    assert capsys.readouterr().err == MISSED.said[1]
    assert outcome(*[ended("done", 31.5)] * 2) == 31.5


def test_only_the_first_worker_says_that_it_has_saved():
    first, other = ended("interrupted", "saved"), ended("interrupted", "saved, thinks the other")
    with pytest.raises(Interrupted, match=r"^saved$") as stop:
        _outcome([first, other], [signal.SIGINT], lambda: "go on")
    assert stop.value.exit_code == 130
    with pytest.raises(Interrupted, match="stopped; go on") as stop:
        _outcome([ended(code=-9), other], [signal.SIGTERM], lambda: "go on")
    assert stop.value.exit_code == 143


def test_a_process_alone_is_the_first_of_one():
    assert (ranks.rank(), ranks.count(), ranks.expected(), ranks.local_rank()) == (0, 1, 1, 0)
    assert ranks.gather(ranks.share([1, 2, 3]), 3) == [1, 2, 3]
    assert ranks.maximum(7, 5) == [7, 5]
    assert ranks.from_first(7) == 7
    model = torch.nn.Conv2d(1, 1, 3)
    assert ranks.parallel(model) is model
