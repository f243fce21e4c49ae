"""Guards: the training loop computes gradient descent, calls what it must, and stops in time."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
from common import for_all
from torch import nn

from srlab.imaging.resample import crop
from srlab.models.base import Model
from srlab.training import loop
from srlab.training.average import average_of
from srlab.training.loop import Callbacks, Diverged, LoopSettings, fit
from srlab.training.parameters import parameter_groups
from srlab.training.schedule import constant, cosine
from srlab.training.state import TrainingState

CPU = torch.device("cpu")


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
    chosen = replace(SETTINGS, steps=steps, **settings)
    pairs = batches(state.step, steps, halo)
    objective = objective or Squares()
    ending = fit(state, objective, pairs, schedule, chosen, events.callbacks, CPU, halo)
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


# --- what it computes


def test_each_batch_gives_one_step_of_gradient_descent_on_pixels_of_0_to_1():
    for steps in (1, 2, 9):
        state = new_state(Times())
        ending, _ = train(state, steps)
        assert ending == "finished"
        assert state.step == steps
        assert state.model.weight.item() == pytest.approx(by_hand(steps)[-1], abs=1e-6)
        assert state.network is state.model


def test_a_step_is_made_anew_where_the_shape_of_the_batches_changes(monkeypatch):
    made = []

    def make(advance, state, lr, *others):
        made.append((state.step, len(lr)))
        return make_step(advance, state, lr, *others)

    make_step = loop._make_step
    monkeypatch.setattr(loop, "_make_step", make)
    state, events = new_state(Times()), Events(None)
    events.state = state
    sizes = [2, 2, 4, 4, 4, 2]
    pairs = [(lr[:1].repeat(n, 1, 1, 1), hr[:1].repeat(n, 1, 1, 1))
             for n, (lr, hr) in zip(sizes, batches(0, 6), strict=True)]  # fmt: skip
    fit(state, Squares(), pairs, constant, replace(SETTINGS, steps=6), events.callbacks, CPU, 0)
    assert made == [(0, 2), (2, 4), (5, 2)]
    assert state.model.weight.item() == pytest.approx(by_hand(6)[-1], abs=1e-6)


def test_a_batch_of_another_scale_is_learnt_at_it_by_a_step_of_its_own(monkeypatch):
    made = []

    def make(advance, state, lr, hr, *others):
        made.append((state.step, hr.shape[-1]))
        return make_step(advance, state, lr, hr, *others)

    class Grows(Times):
        def forward(self, lr, halo=0):
            return (
                super()
                .forward(lr, halo)
                .repeat_interleave(self.scale, -1)
                .repeat_interleave(self.scale, -2)
            )

    make_step = loop._make_step
    monkeypatch.setattr(loop, "_make_step", make)
    state, events = new_state(Grows()), Events(None)
    state.scales = {1: [], 2: [(state.model, 1, 2)]}
    events.state = state
    scales, seen = [1, 2, 2, 1, 2, 1], []
    monkeypatch.setattr(events, "_stop", lambda _: seen.append(state.model.scale))
    pairs = [(lr, hr.repeat(1, 1, s, s))
             for s, (lr, hr) in zip(scales, batches(0, 6), strict=True)]  # fmt: skip
    callbacks = replace(events.callbacks, stop=events._stop)
    fit(state, Squares(), pairs, constant, replace(SETTINGS, steps=6), callbacks, CPU, 0)
    assert made == [(0, 3), (1, 6)]
    assert seen == [1] * 6  # between steps it is at its own
    assert state.model.weight.item() == pytest.approx(by_hand(6)[-1], abs=1e-6)


def test_of_a_recording_and_a_step_that_cannot_be_recorded_the_recording_ends(monkeypatch):
    made, told = [], []

    def make(advance, state, lr, hr, factor, graph):
        made.append((hr.shape[-1], graph))
        if graph and hr.shape[-1] == 6:
            raise loop.CannotRecord("so it is")
        return lambda *_: {"pixel": torch.zeros(())}

    monkeypatch.setattr(loop, "_make_step", make)
    state, events = new_state(Times()), Events(None)
    events.state = state
    pairs = [(lr, hr.repeat(1, 1, s, s))
             for s, (lr, hr) in zip([1, 2, 1, 2], batches(0, 4), strict=True)]  # fmt: skip
    callbacks = replace(events.callbacks, note=told.append)
    fit(state, Squares(), pairs, constant, replace(SETTINGS, steps=4), callbacks, CPU, 0)
    assert made == [(3, True), (6, True), (6, False), (3, False)]
    assert told == ["no CUDA graph, each step is launched anew: so it is"]


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


def test_a_gradient_beyond_the_bound_is_clipped_and_one_within_is_left_alone():
    for clip, binds in ((1e-3, True), (4e-3, True), (100.0, False)):
        state = new_state(Times())
        train(state, 6, clip=clip)
        expected = by_hand(6, clip=clip)
        assert state.model.weight.item() == pytest.approx(expected[-1], abs=1e-6)
        assert (abs(expected[0] - 2.0) == pytest.approx(0.5 * clip)) is binds
        assert (expected[-1] != pytest.approx(by_hand(6)[-1], abs=1e-4)) is binds


def test_clipping_bounds_the_norm_over_all_parameters():
    class Two(Times):
        def __init__(self):
            super().__init__()
            self.offset = nn.Parameter(torch.tensor(50.0))

        def forward(self, lr, halo=0):
            return lr * self.weight + self.offset

    for precision in ("fp32", "fp16"):  # whose gradient is scaled, but not before it is clipped
        state = new_state(Two(), lr=1.0)
        state.scaler = torch.amp.GradScaler("cpu", init_scale=1024, enabled=precision == "fp16")
        before = torch.stack([p.detach().clone() for p in state.model.parameters()])
        train(state, 1, clip=0.25, precision=precision)
        after = torch.stack([p.detach() for p in state.model.parameters()])
        assert (after - before).norm().item() == pytest.approx(0.25, abs=1e-4)
        assert (after != before).all()


def test_the_loss_sees_single_precision_whatever_the_network_computes_in():
    def check(precision, layers):
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
                assert sr.dtype == layers
                return sr

        train(new_state(Convolution()), 2, Objective(), precision=precision)
        assert kinds == [(torch.float32, torch.float32)] * 2

    for_all([("fp32", torch.float32), ("bf16", torch.bfloat16)], check)


# --- what it calls


def test_a_step_logs_then_evaluates_then_saves():
    state = new_state(Times())
    _, events = train(state, 1)
    assert events.list == [("log", 1), ("evaluate", 1), ("best", 1), ("last", 1)]


def test_everything_happens_at_its_interval_and_once_at_the_end():
    state = new_state(Times())
    ending, events = train(state, 10, log_every=2, eval_every=4, save_every=3)
    assert ending == "finished"
    assert events.steps("log") == [2, 3, 4, 6, 8, 9, 10]
    assert events.steps("evaluate") == [4, 8, 10]
    assert events.steps("last") == [3, 6, 9, 10]
    _, events = train(new_state(Times()), 6, log_every=3, eval_every=3, save_every=3)
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
    again = Events(state, [31.0, 33.0])  # what was best before the run was left is to be beaten
    train(state, 7, events=again, eval_every=1)
    assert again.steps("best") == [7]


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


# --- what must not go on


def test_a_loss_that_is_not_finite_is_told_with_its_step_whenever_it_is_read():
    def check(at, log_every, bad):
        state = new_state(Times())
        events = Events(state)
        with pytest.raises(Diverged, match=rf"loss is not finite at step {at}$"):
            train(state, 8, Squares({at: bad, at + 1: bad}), events=events, log_every=log_every)
        assert events.steps("last") == []
        assert events.steps("best") == []
        assert all(math.isfinite(terms["pixel"]) for _, terms, _ in events.logs)

    for_all(product((0, 3, 5), (1, 2, 5, 100), (math.nan, math.inf)), check)


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
