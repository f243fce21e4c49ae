"""Guards: a step that is recorded for a GPU computes what a plain one does, or is refused.

Here on the CPU, with a stand-in for the graph.
"""

import gc
import io
import shutil
import weakref
from contextlib import nullcontext
from functools import partial
from itertools import product

import pytest
import torch
from common import for_all
from torch import nn

from srlab.commands.bench import bare_step
from srlab.commands.bench import train as bench_train
from srlab.losses.objective import Objective
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.testing.waiting import rehearsal
from srlab.training import recording
from srlab.training.average import average_of
from srlab.training.parameters import parameter_groups
from srlab.training.recording import CannotRecord, record, recorded_step
from srlab.training.state import TrainingState
from srlab.training.step import eager_step, make_advance
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.pixel_shuffle import PixelShuffle

CPU = torch.device("cpu")
OBJECTIVE = Objective(nn.MSELoss(), tv_weight=1e-4)
NETWORKS = {
    "espcn": partial(ESPCN, PixelShuffle, 2, init="identity", features=(12, 8)),
    "fsrcnn": partial(FSRCNN, partial(Deconv, kernel_size=9), 2, init="identity"),
}
OPTIMIZERS = {
    "adam": partial(torch.optim.Adam, lr=1e-3, fused=True),
    "adamw": partial(torch.optim.AdamW, lr=1e-3, fused=True),
    "sgd": partial(torch.optim.SGD, lr=1e-2, momentum=0.9, fused=True),
}


def new(network="espcn", optimizer="adam", precision="fp32"):
    torch.manual_seed(0)
    model = NETWORKS[network]().to(memory_format=torch.channels_last)
    groups = parameter_groups(model, {"upsampler": 0.1})
    scaler = torch.amp.GradScaler("cpu", enabled=precision == "fp16")
    return TrainingState(model, OPTIMIZERS[optimizer](groups), average_of(model, 0.99), scaler)


def batches(state, count):
    torch.manual_seed(1)
    side = 6 + 2 * state.model.frame
    return [(torch.rand(2, 1, side, side), torch.rand(2, 1, 12, 12)) for _ in range(count)]


def factor(number):
    return 1 / (1 + number)


def advance_of(state, precision="fp32", **options):
    return make_advance(state, OBJECTIVE, state.model.frame, CPU, precision=precision, **options)


def weights(state):
    return torch.cat([p.detach().flatten() for p in state.model.parameters()])


def averages(state):
    return torch.cat([p.detach().flatten() for p in state.average.module.parameters()])


def everything(state):
    """Return a copy of all tensors of a state, and the scaler's numbers."""
    file = io.BytesIO()
    modules = [state.model.state_dict(), state.average.state_dict()]
    tensors = [v for entry in state.optimizer.state.values() for v in entry.values()]
    torch.save([*modules, tensors, state.scaler.state_dict()], file)
    file.seek(0)
    return torch.load(file)


def same(x, y):
    if isinstance(x, torch.Tensor):
        return torch.equal(x, y)
    if isinstance(x, dict):
        return x.keys() == y.keys() and all(same(x[k], y[k]) for k in x)
    return x == y if not isinstance(x, list) else all(map(same, x, y))


def computing_again(work, device):
    """Do what a graph does: compute the same anew into the same tensor."""
    result = work()
    return lambda: result.copy_(work()), result


@pytest.fixture
def graph(monkeypatch):
    """Let a stand-in for the graph be there, which a test may exchange."""

    def use(capture):
        monkeypatch.setattr(recording, "capture", capture)

    use(computing_again)
    return use


# --- the recorded step is the eager one


def test_a_recorded_step_computes_what_an_eager_one_does(graph):
    def check(optimizer, precision, clip):
        eager, recorded = (new("espcn", optimizer, precision) for _ in range(2))
        some = batches(eager, 70)  # more than there are rates in a table
        options = {"precision": precision, "clip": clip}
        step = eager_step(advance_of(eager, **options), eager, factor)
        replay = recorded_step(advance_of(recorded, **options), recorded, *some[0], factor)
        assert torch.equal(weights(eager), weights(recorded))
        for number, (lr, hr) in enumerate(some):
            wanted, got = (s(lr, hr, number) for s in (step, replay))
            assert list(wanted) == list(got) == ["pixel", "tv"]
            for name, term in wanted.items():
                assert got[name].item() == pytest.approx(term.item(), rel=1e-4)
        assert (weights(eager) - weights(recorded)).abs().max() < 1e-5
        assert (averages(eager) - averages(recorded)).abs().max() < 1e-5
        assert not torch.equal(weights(recorded), averages(recorded))
        assert eager.scaler.state_dict() == recorded.scaler.state_dict()

    cases = [
        *[("adam", "fp32", 0.0), ("adamw", "fp32", 1e-3), ("sgd", "fp32", 0.0)],
        *[("adamw", "fp16", 0.0), ("sgd", "fp16", 1e-3), ("adam", "bf16", 1e-3)],
    ]
    for_all(cases, check)


def test_a_step_can_be_recorded_anew_for_batches_of_another_shape(graph):
    eager, recorded = (new() for _ in range(2))
    small = batches(eager, 4)
    large = [(torch.cat([lr, lr]), torch.cat([hr, hr])) for lr, hr in batches(eager, 4)]
    for first, some in ((0, small), (4, large)):
        step = eager_step(advance_of(eager), eager, factor)
        replay = recorded_step(advance_of(recorded), recorded, *some[0], factor)
        for number, (lr, hr) in enumerate(some, first):
            wanted, got = (s(lr, hr, number)["pixel"].item() for s in (step, replay))
            assert got == pytest.approx(wanted, rel=1e-4)
    assert (weights(eager) - weights(recorded)).abs().max() < 1e-5
    assert (averages(eager) - averages(recorded)).abs().max() < 1e-5


def test_fp16_that_overflows_skips_a_recorded_step_as_an_eager_one(graph):
    def check(optimizer):
        states = [new("espcn", optimizer, "fp16") for _ in range(2)]
        for state in states:
            state.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
        some = batches(states[0], 40)
        eager = eager_step(advance_of(states[0], "fp16"), states[0], factor)
        replay = recorded_step(advance_of(states[1], "fp16"), states[1], *some[0], factor)
        start = weights(states[0])
        for number, batch in enumerate(some):
            eager(*batch, number)
            replay(*batch, number)
        scales = [state.scaler.get_scale() for state in states]
        assert scales[0] == scales[1] < 2.0**40
        assert 0 < (weights(states[0]) - start).abs().max() < 0.1
        assert (weights(states[0]) - weights(states[1])).abs().max() < 1e-5

    for_all(OPTIMIZERS, check)


def test_after_a_recording_that_fails_amid_a_step_fp16_takes_steps(graph, monkeypatch):
    state = new(precision="fp16")
    (batch,) = batches(state, 1)
    advance = advance_of(state, "fp16", clip=1.0)

    def failing_once(work, device):
        with monkeypatch.context() as patch:
            patch.setattr(nn.utils, "clip_grad_norm_", lambda *_: 1 / 0)
            try:
                work()
            except ZeroDivisionError:
                raise RuntimeError("out of memory") from None

    graph(failing_once)
    with pytest.raises(CannotRecord, match="out of memory") as caught:
        record(advance, state, *batch)
    assert caught.value.__context__ is None  # which would keep the step alive
    before = weights(state)
    eager_step(advance, state, factor)(*batch, 0)
    assert not torch.equal(weights(state), before)


def test_losses_that_were_given_stay_though_the_next_step_writes_others(graph):
    state = new()
    (first, second) = batches(state, 2)
    step = recorded_step(advance_of(state), state, *first, factor)
    loss = step(*first, 0)["pixel"]
    before = loss.item()
    assert step(*second, 1)["pixel"].item() != before
    assert loss.item() == before


def test_a_recording_leaves_everything_as_it_was(graph):
    def check(precision, steps):
        state = new(precision=precision)
        (batch,) = batches(state, 1)
        step = eager_step(advance_of(state, precision), state, factor)
        for number in range(steps):
            step(*batch, number)
        state.scaler.scale(torch.ones(()))  # makes its tensors, as the first step does
        before = everything(state)
        record(advance_of(state, precision), state, *batch)
        after = everything(state)
        if steps == 0:  # what the optimizer has made meanwhile begins as zero
            assert not any(t.any() for t in after[2])
            before[2] = after[2] = []
        assert same(before, after)

    for_all(product(("fp32", "fp16"), (0, 3)), check)


# --- what cannot be recorded is refused, and leaves everything as it was


def doing_nothing(work, device):
    return lambda: None, work()


def twice(work, device):
    result = work()

    def replay():
        work()
        result.copy_(work())

    return replay, result


def at_one_rate(state):
    def capture(work, device):
        result = work()
        rates = [group["lr"].clone() for group in state.optimizer.param_groups]

        def replay():
            for group, rate in zip(state.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
            result.copy_(work())

        return replay, result

    return capture


def without_the_average(state):
    def capture(work, device):
        result = work()

        def replay():
            average, state.average = state.average, None
            result.copy_(work())
            state.average = average

        return replay, result

    return capture


def failing(work, device):
    raise RuntimeError("CUDA error: operation not permitted\nmore of it")


def test_a_replay_that_computes_something_else_is_refused(graph):
    def check(capture, reason):
        state = new("fsrcnn")
        graph(capture(state))
        before = weights(state), averages(state)
        with pytest.raises(CannotRecord, match=reason):
            record(advance_of(state), state, *batches(state, 1)[0])
        assert torch.equal(weights(state), before[0])
        assert torch.equal(averages(state), before[1])

    cases = [
        (lambda state: doing_nothing, "losses differ"),
        (lambda state: twice, "losses differ"),
        (at_one_rate, "losses differ"),
        (without_the_average, "other weights"),
        (lambda state: failing, "^CUDA error: operation not permitted$"),
    ]
    for_all(cases, check)


def test_a_few_gradients_of_the_other_sign_are_no_other_computation():
    # Adam's first step is as long for the smallest gradient, whose sign the order of a sum decides.
    before, moved = torch.randn(10_000), 1e-3 * torch.randn(10_000).sign()
    losses, gradients = torch.ones(3, 1), torch.randn(10_000)
    for every, refused in ((200, nullcontext()), (10, pytest.raises(CannotRecord, match="other"))):
        other = moved.clone()
        other[::every] *= -1
        trials = [recording._Trial(losses, gradients, before + way) for way in (moved, other)]
        with refused:
            recording._check_alike(*trials, before)


def test_a_gradient_that_is_another_is_refused():
    losses, gradients, weights = torch.ones(3, 1), torch.randn(99), torch.randn(99)
    expected = recording._Trial(losses, gradients, weights)
    for factor in (0.9, 1.1, 0.0):
        found = recording._Trial(losses, gradients * factor, weights)
        with pytest.raises(CannotRecord, match="gradient differs"):
            recording._check_alike(expected, found, torch.zeros(99))


def test_a_memory_that_is_full_is_no_reason_to_record_nothing(graph):
    state = new()

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    before = weights(state)
    with pytest.raises(torch.OutOfMemoryError):
        record(full, state, *batches(state, 1)[0])
    graph(full)  # but the graph's own memory is one
    with pytest.raises(CannotRecord, match="out of memory"):
        record(advance_of(state), state, *batches(state, 1)[0])
    assert torch.equal(weights(state), before)


def test_an_optimizer_that_asks_the_cpu_is_not_recorded(graph):
    def check(optimizer, precision, reason):
        state = new(precision=precision)
        state.optimizer = optimizer(parameter_groups(state.model, {}))
        with pytest.raises(CannotRecord, match=reason):
            record(advance_of(state), state, *batches(state, 1)[0])

    sgd = partial(torch.optim.SGD, lr=0.1, momentum=0.9)
    cases = [
        (torch.optim.RMSprop, "fp32", "RMSprop is not one of"),
        (partial(sgd, dampening=0.5), "fp32", "dampening"),
        (partial(torch.optim.Adam, fused=False), "fp16", "only a fused optimizer"),
        (sgd, "fp32", "SGD that is not fused"),
    ]
    for_all(cases, check)


# --- what a graph reads stays alive


class Graph:
    """Stands for ``torch.cuda.CUDAGraph``, which knows no more than addresses."""

    def replay(self):
        pass


@pytest.fixture
def stand_in_cuda(monkeypatch):
    context = lambda *_, **__: nullcontext()  # noqa: E731
    for name in ("stream", "graph", "Stream", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, context)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)


def test_what_replays_keeps_alive_what_the_graph_reads(stand_in_cuda):
    def captured():
        x = torch.ones(3)
        return recording.capture(lambda: x + 1, CPU)[0], weakref.ref(x)

    replay, watched = captured()
    gc.collect()
    assert watched() is not None
    replay()
    replay = None
    gc.collect()
    assert watched() is None


def test_the_recorded_bare_step_of_a_measurement_keeps_its_network(monkeypatch, stand_in_cuda):
    made = []

    def build_state(*_):
        state = new()
        made.extend(weakref.ref(x) for x in (state.model, state.optimizer))
        return state, OBJECTIVE

    monkeypatch.setattr(bare_step, "build_state", build_state)
    monkeypatch.setattr(recording, "_check_alike", lambda *_: None)  # this graph does nothing
    training = bench_train._as_training(bench_train.BenchTrainConfig(model=MODEL, **PARTS))
    replay = bare_step._recorded(training, CPU, *batches(new(), 1)[0])
    gc.collect()
    assert made
    assert all(x() is not None for x in made)
    replay()


UPSAMPLER = {"_target_": "srlab.upsamplers.pixel_shuffle.PixelShuffle", "_partial_": True}
MODEL = {"_target_": "srlab.models.espcn.ESPCN", "upsampler": UPSAMPLER, "scale": 3}
PARTS = {
    "upsampler": UPSAMPLER,
    "loss": {"_target_": "srlab.losses.objective.Objective",
             "pixel": {"_target_": "torch.nn.MSELoss"}},
    "optim": {"_target_": "torch.optim.Adam", "_partial_": True, "fused": True},
    "data": {"_target_": "srlab.data.photos.training"},
}  # fmt: skip


# --- what a recorded run saves, an eager one takes up


def test_a_checkpoint_of_a_recorded_run_goes_on_launched():
    def check(optimizer, fused):
        straight, recorded, resumed = (new(optimizer=optimizer) for _ in range(3))
        for state in (straight, recorded, resumed):
            for group in state.optimizer.param_groups:
                group["fused"] = fused
        some = batches(straight, 6)
        for state in (straight, recorded):
            step = eager_step(advance_of(state), state, lambda _: 1.0)
            for number, batch in enumerate(some[:3]):
                step(*batch, number)
        groups = recorded.optimizer.param_groups
        rates = torch.tensor([group["lr"] for group in groups])
        for group, rate in zip(groups, rates, strict=True):  # as record leaves them
            group["lr"] = rate
            if "capturable" in group:
                group["capturable"] = True
        file = io.BytesIO()
        torch.save(recorded.state_dict(), file)
        file.seek(0)
        resumed.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        for state in (straight, resumed):
            step = eager_step(advance_of(state), state, lambda _: 0.5)
            for number, batch in enumerate(some[3:], 3):
                step(*batch, number)
        assert torch.equal(weights(straight), weights(resumed))
        assert torch.equal(averages(straight), averages(resumed))

    for_all(product(OPTIMIZERS, (True, False)), check)


# --- nothing in a step waits


def test_neither_residual_nor_loss_waits_for_a_gpu():
    def check(residual, pixel):
        model = ESPCN(PixelShuffle, 3, residual=residual).to("meta")
        objective = Objective(pixel, tv_weight=0.1).to("meta")
        side = 8 + 2 * model.frame
        lr, hr = (
            torch.rand(2, 1, side, side, device="meta"),
            torch.rand(2, 1, 24, 24, device="meta"),
        )
        with rehearsal():
            sum(objective(model(lr, halo=model.frame), hr).values()).backward()

    for_all(product(("none", "nearest", "bicubic"), (nn.MSELoss(), nn.L1Loss())), check)


# --- torch.compile


def check_compiled(precision, tolerance):
    states = [new(), new()]
    some = batches(states[0], 4)
    steps = [
        eager_step(advance_of(state, precision, compiled=compiled), state, factor)
        for state, compiled in zip(states, (False, True), strict=True)
    ]
    for number, batch in enumerate(some):
        losses = [step(*batch, number)["pixel"].item() for step in steps]
        if number == 0:
            slopes = [torch.cat([p.grad.flatten() for p in s.model.parameters()]) for s in states]
            assert (slopes[0] - slopes[1]).norm() < 100 * tolerance * slopes[0].norm()
        assert losses[0] == pytest.approx(losses[1], rel=tolerance)


@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile wants a C++ compiler")
def test_a_compiled_step_computes_what_an_eager_one_does():
    check_compiled("fp32", 1e-5)


def test_a_step_in_half_precision_is_traced_as_it_is(monkeypatch):
    # As far as the compiler takes it apart; what it makes of that in C++ costs half a minute more.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    check_compiled("bf16", 1e-5)
