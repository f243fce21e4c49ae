import contextlib
import itertools
import math
import os
import pickle
import signal
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from srlab.errors import UserError
from srlab.imaging.resample import crop
from srlab.machine.signals import Stopper
from srlab.models.base import Model
from srlab.storage.atomic import write_atomically
from srlab.storage.checkpoint import FORMAT, load, save
from srlab.training.average import average_of
from srlab.training.loop import Callbacks, Diverged, LoopSettings, fit
from srlab.training.parameters import parameter_groups, set_learning_rate
from srlab.training.schedule import constant, cosine, step_decay
from srlab.training.state import TrainingState

CPU = torch.device("cpu")


# --- schedules


@given(steps=st.integers(1, 10**6), data=st.data(), final=st.floats(0, 1))
def test_cosine_falls_from_1_to_its_final_factor(steps, data, final):
    step = data.draw(st.integers(0, steps), label="step")
    expected = final + (1 - final) * math.cos(math.pi * step / (2 * steps)) ** 2
    assert cosine(step, steps, final=final) == pytest.approx(expected, abs=1e-12)
    assert cosine(0, steps, final=final) == 1
    assert cosine(steps, steps, final=final) == pytest.approx(final, abs=1e-12)
    assert cosine(steps + step, steps, final=final) == pytest.approx(final, abs=1e-12)


@given(half=st.integers(1, 10**6), final=st.floats(0, 1))
def test_cosine_is_halfway_in_the_middle(half, final):
    assert cosine(half, 2 * half, final=final) == pytest.approx((1 + final) / 2, abs=1e-12)


def test_the_factor_is_multiplied_by_gamma_at_each_milestone():
    def passed(step):
        return step_decay(step, 1000, milestones=[0.5, 0.75, 0.9], gamma=0.1)

    assert [passed(step) for step in (0, 499, 500, 749, 750, 899, 900, 999, 1000)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.001]
    )


def test_milestones_may_be_absent_and_in_any_order():
    assert step_decay(999, 1000, milestones=[]) == 1
    for milestones in itertools.permutations((0.2, 0.4, 0.8)):
        assert step_decay(500, 1000, milestones=milestones) == 0.25


@given(step=st.integers(0, 10**6))
def test_a_constant_rate_is_constant(step):
    assert constant(step, 10**6) == 1


@pytest.mark.parametrize("schedule", [constant, cosine, step_decay])
@given(warmup=st.integers(1, 10**4), step=st.integers(0, 2 * 10**4))
def test_warm_up_is_a_straight_line_to_the_schedule_without_it(schedule, warmup, step):
    steps = 3 * 10**4
    share = min(1, (step + 1) / warmup)
    expected = share * schedule(step, steps)
    assert schedule(step, steps, warmup=warmup) == pytest.approx(expected, rel=1e-12)


def test_warm_up_begins_above_0_and_ends_with_its_last_step():
    factors = [constant(step, 100, warmup=4) for step in range(6)]
    assert factors == [0.25, 0.5, 0.75, 1, 1, 1]


# --- parameter groups


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        self.body2 = nn.Linear(2, 1)
        self.gain = nn.Parameter(torch.ones(1))


def named_factors(model, groups):
    """Return the factor of each parameter by its name, from groups that must not overlap."""
    names = {id(p): name for name, p in model.named_parameters()}
    factors = [(names[id(p)], group["lr_factor"]) for group in groups for p in group["params"]]
    assert len({name for name, _ in factors}) == len(factors)
    return dict(factors)


def test_without_factors_all_parameters_learn_at_one_rate():
    model = Layers()
    groups = parameter_groups(model, {})
    assert len(groups) == 1
    assert named_factors(model, groups) == {name: 1 for name, _ in model.named_parameters()}


def test_the_longest_prefix_of_a_name_decides():
    model = Layers()
    factors = {"body": 0.1, "body.1": 0.2, "body.1.bias": 0.4, "gain": 0.0}
    for order in itertools.permutations(factors):
        groups = parameter_groups(model, {key: factors[key] for key in order})
        assert named_factors(model, groups) == {
            "gain": 0.0,
            "body.0.weight": 0.1,
            "body.0.bias": 0.1,
            "body.1.weight": 0.2,
            "body.1.bias": 0.4,
            "body2.weight": 1.0,
            "body2.bias": 1.0,
        }


@pytest.mark.parametrize("prefix", ["bod", "body.2", "body.0.weigh", "tail", ""])
def test_a_prefix_that_matches_nothing_is_told_with_what_there_is(prefix):
    with pytest.raises(UserError) as caught:
        parameter_groups(Layers(), {"body": 0.1, prefix: 0.5})
    assert f"no parameter is called {prefix!r}" in str(caught.value)
    for name, _ in Layers().named_parameters():
        assert name in str(caught.value)


def test_frozen_parameters_are_in_no_group():
    model = Layers()
    model.body.requires_grad_(False)
    groups = parameter_groups(model, {"body": 0.1})
    assert set(named_factors(model, groups)) == {"gain", "body2.weight", "body2.bias"}
    assert len(groups) == 1


def test_the_rate_of_a_group_is_the_optimizers_times_both_factors():
    groups = parameter_groups(Layers(), {"body": 0.1, "gain": 0.0})
    optimizer = torch.optim.Adam(groups, lr=0.5)
    for factor in (1.0, 0.25, 0.0, 1.0):  # it does not build up
        set_learning_rate(optimizer, factor)
        rates = {group["lr_factor"]: group["lr"] for group in optimizer.param_groups}
        assert rates == pytest.approx({1.0: 0.5 * factor, 0.1: 0.05 * factor, 0.0: 0.0})


# --- the average of the weights


@pytest.mark.parametrize("decay", [0.1, 0.25, 0.9, 0.999])
def test_the_average_has_its_closed_form(decay):
    model = nn.Linear(1, 1, bias=False)
    average = average_of(model, decay)
    weights = torch.randn(60, dtype=torch.float64).tolist()
    expected = None
    for n, weight in enumerate(weights):
        nn.init.constant_(model.weight, weight)
        average.update(n)
        kept = min(decay, (1 + n) / (10 + n))
        expected = weight if n == 0 else kept * expected + (1 - kept) * weight
        assert average.module.weight.item() == pytest.approx(expected, abs=1e-5)
    assert model.weight.item() == pytest.approx(weights[-1])  # the model is left alone


def test_the_first_updates_of_the_average_by_hand():
    model = nn.Linear(1, 1, bias=False)
    average = average_of(model, 0.999)
    by_hand = [(1.0, 1), (12.0, 1 * 2 / 11 + 12 * 9 / 11), (0.0, 110 / 11 * 3 / 12)]
    for count, (weight, expected) in enumerate(by_hand):
        nn.init.constant_(model.weight, weight)
        average.update(count)
        assert average.module.weight.item() == pytest.approx(expected)


def test_an_average_as_torch_keeps_it_is_taken_up():
    model = Times()
    old = torch.optim.swa_utils.AveragedModel(model)
    old.update_parameters(model)
    average = average_of(Times(weight=-7.0), 0.9)
    average.load_state_dict(old.state_dict())
    assert torch.equal(average.module.weight, model.weight)


def test_no_decay_means_no_average():
    assert average_of(nn.Linear(1, 1), 0) is None
    model = Times()
    state = new_state(model, decay=0)
    assert state.network is model
    assert new_state(model, decay=0.9).network is not model


# --- checkpoints

CONFIG = {"scale": 3, "model": {"_target_": "a.b", "betas": [0.9, 0.999], "x": None}}


def checkpoint(**others):
    return {"config": CONFIG, "weights": {"w": torch.arange(6.0).view(2, 3)}, **others}


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    state = new_state(Times(), decay=0.9, kind=torch.optim.Adam)
    train(state, steps=3)
    saved = checkpoint(step=3, training=state.state_dict(), info={"torch": "2"})
    save(tmp_path / "last.pt", saved)
    found = load(tmp_path / "last.pt")
    assert found.pop("format") == FORMAT
    assert set(found) == set(saved)
    assert found["config"] == CONFIG
    assert found["step"] == 3
    assert torch.equal(found["weights"]["w"], saved["weights"]["w"])
    with_tensors = found["training"]["optimizer"]["state"][0]
    assert torch.equal(with_tensors["exp_avg"], state.optimizer.state_dict()["state"][0]["exp_avg"])
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 3


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_checkpoint_that_was_cut_off_is_refused(tmp_path, share):
    save(tmp_path / "cut.pt", checkpoint())
    whole = (tmp_path / "cut.pt").read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(UserError, match=r"cut\.pt is not a checkpoint .* cut off"):
        load(tmp_path / "cut.pt")


@pytest.mark.parametrize("content", [b"not a checkpoint", b"\0" * 100, b"PK\3\4 not a zip", b"{}"])
def test_another_file_is_refused(tmp_path, content):
    (tmp_path / "other.pt").write_bytes(content)
    with pytest.raises(UserError, match=r"other\.pt is not a checkpoint"):
        load(tmp_path / "other.pt")


@pytest.mark.parametrize("content", [b"this is text", b"some text", b"\x80\x02.", b"\x80\x02M."])
def test_text_that_looks_like_a_pickle_and_a_broken_pickle_are_refused(tmp_path, content):
    (tmp_path / "broken.pt").write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.pt is not a checkpoint"):
        load(tmp_path / "broken.pt")


def test_a_checkpoint_that_does_not_exist_is_told(tmp_path):
    with pytest.raises(UserError, match=r"gone\.pt does not exist"):
        load(tmp_path / "gone.pt")
    with pytest.raises(UserError, match="does not exist"):
        load(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        nn.Linear(2, 2).state_dict(),
        {"weights": {}, "config": {}},
        {"format": FORMAT, "weights": {}},
        {"format": FORMAT, "config": {}},
        [1, 2],
        torch.zeros(3),
        None,
    ],
    ids=["state_dict", "no format", "no config", "no weights", "list", "tensor", "null"],
)
def test_what_lacks_config_and_weights_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "bare.pt")
    with pytest.raises(UserError, match=r"bare\.pt is not a checkpoint of srlab: it has no"):
        load(tmp_path / "bare.pt")


@pytest.mark.parametrize("number", [0, FORMAT + 1, "new"])
def test_another_layout_is_refused(tmp_path, number):
    torch.save(checkpoint(format=number), tmp_path / "a.pt")
    with pytest.raises(UserError, match=f"layout {number}; this srlab reads {FORMAT}"):
        load(tmp_path / "a.pt")


class Touch:
    """What makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def by_torch(content, path):
    torch.save(content, path)


def by_torch_of_old(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


def by_pickle(content, path):
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("write", [by_torch, by_torch_of_old, by_pickle])
def test_code_in_a_checkpoint_is_refused_and_not_executed(tmp_path, write):
    harmful = checkpoint(format=FORMAT, info=Touch(tmp_path / "executed"))
    write(harmful, tmp_path / "evil.pt")
    with pytest.raises(UserError, match=r"evil\.pt is not a checkpoint"):
        load(tmp_path / "evil.pt")
    assert not (tmp_path / "executed").exists()

    if write is by_pickle:
        pickle.loads((tmp_path / "evil.pt").read_bytes())
    else:
        torch.load(tmp_path / "evil.pt", weights_only=False)
    assert (tmp_path / "executed").exists(), "the file would have done no harm anyway"


# --- files that are whole or not there


def fail(*_, **__):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("breaks", ["os.fsync", "os.fdopen", "pathlib.Path.replace"])
def test_a_write_that_fails_keeps_the_old_file_and_leaves_nothing_behind(
    tmp_path, monkeypatch, breaks
):
    path = tmp_path / "results.json"
    path.write_text("old")
    monkeypatch.setattr(breaks, fail)
    with pytest.raises(UserError, match=r"results\.json: No space left on device; .* kept"):
        write_atomically(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_is_interrupted_keeps_the_old_file_and_leaves_nothing_behind(
    tmp_path, monkeypatch
):
    def interrupt(*_):
        raise KeyboardInterrupt

    path = tmp_path / "last.pt"
    path.write_bytes(b"old")
    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_that_cannot_be_written_keeps_the_one_before(tmp_path, monkeypatch):
    save(tmp_path / "last.pt", checkpoint(step=1))
    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(UserError, match=r"last\.pt: No space left"):
        save(tmp_path / "last.pt", checkpoint(step=2))
    assert load(tmp_path / "last.pt")["step"] == 1


def test_a_write_replaces_the_old_file(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("old and longer")
    write_atomically(path, b"new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_written_file_has_the_permissions_of_any_other(tmp_path):
    (tmp_path / "other").write_text("")
    write_atomically(tmp_path / "ours", b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "other")]
    assert modes[0] == modes[1]
    umask = os.umask(0)
    os.umask(umask)
    assert modes[0] == 0o666 & ~umask


def test_a_folder_that_does_not_exist_is_told(tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*No such file"):
        write_atomically(tmp_path / "gone" / "a.json", b"")


# --- signals


@contextlib.contextmanager
def handlers(**wanted):
    """Set handlers by the names of their signals, and put back what was there."""
    before = {name: signal.signal(getattr(signal, name), h) for name, h in wanted.items()}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_becomes_a_flag_and_the_second_acts(number):
    acted = []
    note = lambda number, _: acted.append(number)  # noqa: E731
    with handlers(SIGTERM=note, SIGINT=note):
        with Stopper() as stopper:
            assert stopper.signal is None
            signal.raise_signal(number)
            assert stopper.signal == number
            assert acted == []
            signal.raise_signal(number)
            assert acted == [number]
        assert signal.getsignal(signal.SIGTERM) is note
        assert signal.getsignal(signal.SIGINT) is note


def test_without_a_signal_there_is_no_flag_and_the_handlers_are_put_back():
    note = lambda *_: None  # noqa: E731
    with handlers(SIGTERM=note):
        with Stopper() as stopper:
            assert signal.getsignal(signal.SIGTERM) is not note
        assert stopper.signal is None
        assert signal.getsignal(signal.SIGTERM) is note


def test_the_handlers_are_put_back_after_an_error_too():
    note = lambda *_: None  # noqa: E731
    with handlers(SIGINT=note):
        with pytest.raises(RuntimeError, match="on purpose"), Stopper():
            raise RuntimeError("on purpose")
        assert signal.getsignal(signal.SIGINT) is note


# --- the loop


class Times(Model):
    """The input times one number, so that a training can be computed by hand."""

    def __init__(self, weight=2.0):
        super().__init__()
        self.scale, self.channels, self.halo = 1, 1, 0
        self.weight = nn.Parameter(torch.tensor(weight))
        self.halos, self.modes = [], []

    def forward(self, lr, halo=0):
        self.halos.append(halo)
        self.modes.append(self.training)
        return crop(lr, halo) * self.weight


class Squares(nn.Module):
    """Mean squared error; `spoilt` maps a call's number to what it gives instead."""

    def __init__(self, spoilt=None):
        super().__init__()
        self.spoilt, self.calls = spoilt or {}, 0

    def forward(self, sr, hr):
        loss = (sr - hr).square().mean()
        loss = loss * self.spoilt.get(self.calls, 1.0)
        self.calls += 1
        return {"pixel": loss}


def new_state(model, lr=0.5, decay=0.0, kind=torch.optim.SGD):
    optimizer = kind(parameter_groups(model, {}), lr=lr)
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    return TrainingState(model, optimizer, average_of(model, decay), scaler)


def levels(step):
    """Return the pixel values of LR and HR in the batch of a step."""
    return 10 * (step % 20 + 1), 5 * (step % 20 + 1)


def batches(first, last, halo=0):
    side = 3 + 2 * halo
    for step in range(first, last):
        x, y = levels(step)
        yield (
            torch.full((2, 1, side, side), x / 255),
            torch.full((2, 1, 3, 3), y / 255),
        )


class Events:
    """What the loop called, in order; `scores` are given to it one after the other."""

    def __init__(self, state, scores=(), stop_at=None):
        self.state, self.list, self.logs = state, [], []
        self.scores, self.stop_at = iter(scores), stop_at
        self.callbacks = Callbacks(
            self._log, self._evaluate, self._note("last"), self._note("best"), self._stop, print
        )

    def _note(self, word):
        return lambda: self.list.append((word, self.state.step))

    def _log(self, step, terms, lr):
        assert step == self.state.step
        self.list.append(("log", step))
        self.logs.append((step, terms, lr))

    def _evaluate(self):
        assert not self.state.model.training
        self.list.append(("evaluate", self.state.step))
        return next(self.scores, 1.0)

    def _stop(self, step):
        return self.state.step == self.stop_at

    def steps(self, word):
        return [step for event, step in self.list if event == word]


SETTINGS = LoopSettings(steps=10, log_every=100, eval_every=100, save_every=100)


def train(state, steps, objective=None, schedule=constant, events=None, halo=0, **settings):
    events = events or Events(state)
    ending = fit(
        state, objective or Squares(), batches(state.step, steps, halo), schedule,
        replace(SETTINGS, steps=steps, **settings), events.callbacks, CPU, halo,
    )  # fmt: skip
    return ending, events


def by_hand(steps, weight=2.0, lr=0.5, factor=lambda step: 1.0, clip=math.inf):
    """Compute the weights after each step of gradient descent on those batches."""
    weights = []
    for t in range(steps):
        x, y = (level / 255 for level in levels(t))
        gradient = 2 * x * (weight * x - y)
        gradient = math.copysign(min(abs(gradient), clip), gradient)
        weight -= lr * factor(t) * gradient
        weights.append(weight)
    return weights


@pytest.mark.parametrize("steps", [1, 2, 9])
def test_each_batch_gives_one_step_of_gradient_descent_on_pixels_of_0_to_1(steps):
    state = new_state(Times())
    ending, _ = train(state, steps)
    assert ending == "finished"
    assert state.step == steps
    assert state.model.weight.item() == pytest.approx(by_hand(steps)[-1], abs=1e-6)


def test_the_schedule_multiplies_the_rate_of_every_group():
    model = Times()
    state = new_state(model)
    state.optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))], "lr_factor": 8.0})
    asked = []

    def schedule(step, steps):
        asked.append((step, steps))
        return 1 / (1 + step)

    _, events = train(state, 5, schedule=schedule, log_every=1)
    assert list(dict.fromkeys(asked)) == [(step, 5) for step in range(5)]
    assert [lr for _, _, lr in events.logs] == pytest.approx([0.5 / (1 + t) for t in range(5)])
    assert [group["lr"] for group in state.optimizer.param_groups] == pytest.approx([0.1, 0.8])
    expected = by_hand(5, factor=lambda t: 1 / (1 + t))[-1]
    assert model.weight.item() == pytest.approx(expected, abs=1e-6)


def test_a_training_that_is_taken_up_goes_on_with_the_same_bits():
    whole = new_state(Times(), decay=0.9, kind=torch.optim.Adam)
    train(whole, 9, schedule=cosine)
    first = new_state(Times(), decay=0.9, kind=torch.optim.Adam)
    train(first, 9, schedule=cosine, events=Events(first, stop_at=4))
    assert first.step == 4
    second = new_state(Times(weight=-7.0), decay=0.9, kind=torch.optim.Adam)
    second.load_state_dict(first.state_dict())
    assert (second.step, second.best, second.stale) == (4, first.best, first.stale)
    train(second, 9, schedule=cosine)
    assert second.step == 9
    assert torch.equal(second.model.weight, whole.model.weight)
    assert torch.equal(second.network.weight, whole.network.weight)
    assert not torch.equal(first.model.weight, whole.model.weight)


def test_taking_up_a_training_takes_up_the_random_numbers_and_the_history():
    state = new_state(Times())
    state.history.append({"step": 1, "psnr": 30.0})
    state.best, state.stale = 30.0, 2
    kept = state.state_dict()
    drawn = torch.rand(3)
    torch.rand(5)
    other = new_state(Times())
    other.load_state_dict(kept)
    assert torch.equal(torch.rand(3), drawn)
    assert (other.history, other.best, other.stale) == ([{"step": 1, "psnr": 30.0}], 30.0, 2)
    other.history.append({})
    assert len(state.history) == 1


def test_the_width_of_the_frame_reaches_the_network():
    state = new_state(Times())
    train(state, 2, halo=4)
    assert state.model.halos == [4, 4]


def test_the_network_trains_in_training_mode_also_after_an_evaluation():
    state = new_state(Times())
    state.model.eval()
    train(state, 3, eval_every=1)
    assert state.model.modes == [True] * 3


def test_the_average_follows_every_step():
    state = new_state(Times(), decay=0.999)
    train(state, 3)
    one, two, three = by_hand(3)
    expected = ((one * 2 + two * 9) / 11 * 3 + three * 9) / 12
    assert state.network.weight.item() == pytest.approx(expected, abs=1e-6)
    assert state.model.weight.item() == pytest.approx(three, abs=1e-6)


@pytest.mark.parametrize("clip", [1e-3, 4e-3])
def test_the_norm_of_the_gradient_is_clipped(clip):
    state = new_state(Times())
    train(state, 6, clip=clip)
    expected = by_hand(6, clip=clip)
    assert state.model.weight.item() == pytest.approx(expected[-1], abs=1e-6)
    assert abs(expected[0] - 2.0) == pytest.approx(0.5 * clip)  # it does bind
    assert expected[-1] != pytest.approx(by_hand(6)[-1], abs=1e-4)


def test_a_gradient_within_the_bound_is_left_alone():
    state = new_state(Times())
    train(state, 6, clip=100.0)
    assert state.model.weight.item() == pytest.approx(by_hand(6)[-1], abs=1e-6)


def test_clipping_bounds_the_norm_over_all_parameters():
    class Two(Times):
        def __init__(self):
            super().__init__()
            self.offset = nn.Parameter(torch.tensor(50.0))

        def forward(self, lr, halo=0):
            return lr * self.weight + self.offset

    state = new_state(Two(), lr=1.0)
    before = torch.stack([p.detach().clone() for p in state.model.parameters()])
    train(state, 1, clip=0.25)
    after = torch.stack([p.detach() for p in state.model.parameters()])
    assert (after - before).norm().item() == pytest.approx(0.25, abs=1e-4)
    assert (after != before).all()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_loss_sees_single_precision_whatever_the_network_computes_in(precision):
    kinds = []

    class Objective(Squares):
        def forward(self, sr, hr):
            kinds.append((sr.dtype, hr.dtype))
            return super().forward(sr, hr)

    class Convolution(Times):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1)

        def forward(self, lr, halo=0):
            sr = self.conv(lr)
            assert sr.dtype == (torch.bfloat16 if precision == "bf16" else torch.float32)
            return sr

    state = new_state(Convolution())
    train(state, 2, Objective(), precision=precision)
    assert kinds == [(torch.float32, torch.float32)] * 2


# --- the loop: what it calls


def test_a_step_logs_then_evaluates_then_saves():
    state = new_state(Times())
    _, events = train(state, 1)
    assert events.list == [("log", 1), ("evaluate", 1), ("best", 1), ("last", 1)]


def test_everything_happens_at_its_interval_and_at_the_end():
    state = new_state(Times())
    ending, events = train(state, 10, log_every=2, eval_every=4, save_every=3)
    assert ending == "finished"
    assert events.steps("log") == [2, 3, 4, 6, 8, 9, 10]
    assert events.steps("evaluate") == [4, 8, 10]
    assert events.steps("last") == [3, 6, 9, 10]


def test_the_end_is_evaluated_and_saved_only_once():
    state = new_state(Times())
    _, events = train(state, 6, log_every=3, eval_every=3, save_every=3)
    assert events.steps("log") == events.steps("evaluate") == events.steps("last") == [3, 6]


def test_intervals_count_from_the_first_step_of_the_run_not_of_the_process():
    state = new_state(Times())
    state.step = 5
    _, events = train(state, 10, eval_every=4)
    assert events.steps("evaluate") == [8, 10]


def test_the_log_has_the_mean_of_each_term_since_the_last():
    class Terms(nn.Module):
        def forward(self, sr, hr):
            return {"a": hr.mean() + 0 * sr.sum(), "b": 2 * hr.mean()}

    state = new_state(Times())
    _, events = train(state, 7, Terms(), log_every=3)
    means = {3: 10 / 255, 6: 25 / 255, 7: 35 / 255}  # of 5, 10, 15 | 20, 25, 30 | 35
    assert [step for step, _, _ in events.logs] == list(means)
    for step, terms, _ in events.logs:
        assert terms == {"a": pytest.approx(means[step]), "b": pytest.approx(2 * means[step])}


def test_all_terms_are_minimised_together():
    class Terms(Squares):
        def forward(self, sr, hr):
            whole = super().forward(sr, hr)["pixel"]
            return {"a": 0.25 * whole, "b": 0.75 * whole}

    state = new_state(Times())
    train(state, 4, Terms())
    assert state.model.weight.item() == pytest.approx(by_hand(4)[-1], abs=1e-6)


def test_only_a_better_score_is_the_best():
    state = new_state(Times())
    events = Events(state, [30.0, 31.0, 31.0, 29.0, 31.5])
    train(state, 5, events=events, eval_every=1)
    assert events.steps("best") == [1, 2, 5]
    assert (state.best, state.stale) == (31.5, 0)


def test_a_best_score_from_before_is_to_be_beaten():
    state = new_state(Times())
    state.best = 32.0
    events = Events(state, [31.0, 33.0])
    train(state, 2, events=events, eval_every=1)
    assert events.steps("best") == [2]


def test_patience_ends_a_training_that_no_longer_improves():
    state = new_state(Times())
    events = Events(state, [30.0, 29.0, 31.0, 30.0, 31.0, 50.0])
    ending, _ = train(state, 60, events=events, eval_every=10, patience=2)
    assert ending == "patience"
    assert state.step == 50
    assert events.steps("evaluate") == [10, 20, 30, 40, 50]
    assert events.list[-1] == ("last", 50)


def test_without_patience_no_training_ends_early():
    state = new_state(Times())
    ending, _ = train(state, 9, events=Events(state, [9, 8, 7, 6, 5, 4, 3, 2, 1]), eval_every=1)
    assert ending == "finished"
    assert (state.step, state.stale) == (9, 8)


def test_patience_that_ends_with_the_last_step_changes_nothing():
    state = new_state(Times())
    events = Events(state, [9, 8, 7])
    ending, _ = train(state, 3, events=events, eval_every=1, patience=2)
    assert ending == "finished"
    assert events.steps("last") == [3]


def test_a_signal_saves_and_leaves():
    state = new_state(Times())
    events = Events(state, stop_at=4)
    ending, _ = train(state, 10, events=events)
    assert ending == "signal"
    assert state.step == 4
    assert events.list == [("log", 4), ("last", 4)]


# --- the loop: what must not go on


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("log_every", [1, 2, 5, 100])
@pytest.mark.parametrize("at", [0, 3, 5])
def test_a_loss_that_is_not_finite_is_told_with_its_step_whenever_it_is_read(log_every, at, bad):
    state = new_state(Times())
    events = Events(state)
    with pytest.raises(Diverged, match=rf"loss is not finite at step {at}$"):
        train(state, 8, Squares({at: bad, at + 1: bad}), events=events, log_every=log_every)
    assert events.steps("last") == []
    assert events.steps("best") == []
    assert all(math.isfinite(terms["pixel"]) for _, terms, _ in events.logs)


def test_nothing_is_saved_after_the_loss_stopped_being_finite():
    state = new_state(Times())
    events = Events(state)
    with pytest.raises(Diverged, match="step 5"):
        train(state, 100, Squares({5: math.nan}), events=events, eval_every=1, save_every=2)
    assert events.steps("last") == [2, 4]
    assert events.steps("best") == [1]
    assert events.steps("evaluate") == [1, 2, 3, 4, 5]


def test_weights_that_are_not_finite_are_told_though_the_loss_was():
    state = new_state(Times(), lr=math.inf)
    events = Events(state)
    with pytest.raises(Diverged, match="weights are not finite after step 1"):
        train(state, 1, events=events)
    assert events.list == []
