"""Guards: on CUDA all that is on the CPU works, with the same numbers, recorded or compiled."""

import copy
import json
import signal
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from common import start, wait_for
from PIL import Image
from torch import nn

from srlab.cli import main
from srlab.data.feed import feed
from srlab.data.pack import open_pack
from srlab.data.patches import PatchBatches
from srlab.data.photos import training
from srlab.inference.tiles import upscale_rows, upscale_tiled
from srlab.losses.objective import Objective
from srlab.machine.precision import single_precision, training_arithmetic
from srlab.models.edsr import EDSR
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.testing import model_configs, upsampler_configs
from srlab.training.average import average_of
from srlab.training.loop import Callbacks, LoopSettings, fit
from srlab.training.parameters import parameter_groups
from srlab.training.recording import CannotRecord, recorded_step
from srlab.training.schedule import cosine
from srlab.training.state import TrainingState
from srlab.training.step import eager_step, make_advance
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.simplify import simplify

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here"),
]

CUDA = torch.device("cuda")
OBJECTIVE = Objective(nn.MSELoss())
NETWORKS = {
    "espcn": lambda: ESPCN(PixelShuffle, 3, init="identity"),
    "fsrcnn": lambda: FSRCNN(partial(Deconv, kernel_size=9), 3, init="identity"),
    "edsr": lambda: EDSR(PixelShuffle, 3, blocks=2, features=16),
}
OPTIMIZERS = {
    "adam": partial(torch.optim.Adam, lr=1e-3, fused=True),
    "adam, not fused": partial(torch.optim.Adam, lr=1e-3),
    "adamw": partial(torch.optim.AdamW, lr=1e-3, fused=True),
    "sgd": partial(torch.optim.SGD, lr=1e-2, momentum=0.9, fused=True),
}


def train(monkeypatch, *overrides):
    monkeypatch.setattr(
        sys, "argv", ["srlab", "train", "trainer.steps=100", "trainer.eval_every=100", *overrides]
    )
    main()


def state_of(network, optimizer=OPTIMIZERS["adam"]):
    torch.manual_seed(0)
    model = NETWORKS[network]().to(CUDA, memory_format=torch.channels_last)
    scaler = torch.amp.GradScaler("cuda", enabled=False)
    return TrainingState(
        model, optimizer(parameter_groups(model, {})), average_of(model, 0.999), scaler
    )


def batches_for(frame, batch_size=4):
    return PatchBatches(open_pack(training(), 3, "y", 12), batch_size, 12, frame, seed=0)


def factor(number):
    return 1 / (1 + number)


def weights(state):
    return torch.cat([p.detach().flatten() for p in state.model.parameters()])


# Every number type is recorded; fp16 alone has a scaler, which every way must know.
WAYS = [
    *(("graph=true", precision) for precision in ("fp32", "tf32", "bf16", "fp16")),
    *(
        (way, precision)
        for way in ("graph=false", "compile=true")
        for precision in ("fp32", "fp16")
    ),
    ("compile=true", "bf16"),
]


@pytest.mark.parametrize(("way", "precision"), WAYS)
def test_a_hundred_steps_on_cuda_beat_bicubic(monkeypatch, tmp_path, precision, way):
    monkeypatch.chdir(tmp_path)
    train(
        monkeypatch, "device=cuda", f"trainer.precision={precision}", f"trainer.{way}",
        "trainer.workers=2", "run_dir=run",
    )  # fmt: skip
    bicubic, ours = json.loads(Path("run/results.json").read_text())
    assert ours["psnr"] > bicubic["psnr"]


def test_cuda_and_cpu_train_to_the_same_score(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    scores = []
    for device in ("cpu", "cuda"):
        train(monkeypatch, f"device={device}", f"run_dir={device}")
        scores.append(json.loads(Path(device, "results.json").read_text())[1]["psnr"])
    assert scores[0] == pytest.approx(scores[1], abs=0.02)


def test_a_run_that_was_recorded_is_resumed_on_the_cpu(monkeypatch, tmp_path):
    # In processes of their own: a run stays locked as long as the one that trains it lives.
    monkeypatch.chdir(tmp_path)
    begin = ["train", "device=cuda", "trainer.steps=100000", "trainer.save_every=50", "run_dir=run"]
    process = start(tmp_path, *begin, "trainer.eval_every=100000")
    wait_for(lambda: (tmp_path / "run" / "last.pt").exists(), process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    steps = torch.load("run/last.pt", weights_only=True)["step"]
    assert steps >= 50
    process = start(tmp_path, "train", "resume=run", "device=cpu", "trainer.threads=1")
    wait_for(lambda: torch.load("run/last.pt", weights_only=True)["step"] > steps, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert torch.load("run/last.pt", weights_only=True)["info"]["device"] == "cpu"


@pytest.mark.parametrize("model", ["espcn", "edsr_baseline colour=rgb"])
def test_the_score_of_a_checkpoint_on_cuda_is_that_on_the_cpu(monkeypatch, tmp_path, model):
    monkeypatch.chdir(tmp_path)
    train(monkeypatch, "device=cuda", "run_dir=run", *f"model={model}".split())
    found = []
    for device in ("cpu", "cuda"):
        arguments = ["checkpoint=run", f"device={device}", f"output={device}"]
        monkeypatch.setattr(sys, "argv", ["srlab", "evaluate", *arguments])
        main()
        found.append(json.loads(Path(device, "results.json").read_text())[0])
    assert found[0]["psnr"] == pytest.approx(found[1]["psnr"], abs=1e-4)
    assert found[0]["ssim"] == pytest.approx(found[1]["ssim"], abs=1e-5)


def test_two_trainings_on_cuda_give_the_same_bits(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        train(monkeypatch, "device=cuda", f"run_dir={name}")
    one, two = (torch.load(f"{name}/last.pt", weights_only=True) for name in "ab")
    assert all(torch.equal(one["weights"][key], two["weights"][key]) for key in one["weights"])


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_on_cuda_are_those_on_the_cpu(workers):
    batches = batches_for(4)
    here = feed(batches, 3, 40, CUDA, workers)
    there = feed(batches, 3, 40, torch.device("cpu"))
    for ours, theirs in zip(here, there, strict=True):
        for x, y in zip(ours, theirs, strict=True):
            assert x.is_cuda
            assert torch.equal(x.cpu(), y)


@pytest.mark.parametrize(
    ("network", "optimizer"),
    [*((network, "adam") for network in NETWORKS), *(("espcn", name) for name in OPTIMIZERS)][1:],
)
def test_a_recorded_step_computes_what_an_eager_one_does(network, optimizer):
    eager, recorded = (state_of(network, OPTIMIZERS[optimizer]) for _ in range(2))
    frame = eager.model.frame
    batches = list(feed(batches_for(frame), 0, 80, CUDA))
    with training_arithmetic("fp32"):
        step = eager_step(make_advance(eager, OBJECTIVE, frame, CUDA), eager, factor)
        advance = make_advance(recorded, OBJECTIVE, frame, CUDA)
        replay = recorded_step(advance, recorded, *batches[0], factor)
        assert torch.equal(weights(eager), weights(recorded))
        for number, (lr, hr) in enumerate(batches):
            wanted = step(lr, hr, number)["pixel"].item()
            assert replay(lr, hr, number)["pixel"].item() == pytest.approx(wanted, rel=1e-3)
    assert (weights(eager) - weights(recorded)).abs().max() < 1e-4
    averages = [torch.cat([p.flatten() for p in s.average.module.parameters()])
                for s in (eager, recorded)]  # fmt: skip
    assert (averages[0] - averages[1]).abs().max() < 1e-4
    assert not torch.equal(averages[1], weights(recorded))


def test_a_recorded_step_in_fp16_skips_what_overflows():
    state = state_of("espcn")
    state.scaler = torch.amp.GradScaler("cuda", init_scale=2.0**40)
    frame = state.model.frame
    lr, hr = next(feed(batches_for(frame), 0, 1, CUDA))
    advance = make_advance(state, OBJECTIVE, frame, CUDA, precision="fp16")
    replay = recorded_step(advance, state, lr, hr, factor)
    for number in range(40):
        replay(lr, hr, number)
    assert state.scaler.get_scale() < 2.0**40
    assert weights(state).isfinite().all()


class Waits(nn.Module):
    """An objective that looks at its value, as a recorded step may not."""

    def forward(self, sr, hr):
        loss = (sr - hr).square().mean()
        return {"pixel": loss * (1 if loss.item() > 0 else 2)}


def test_what_cannot_be_recorded_is_told_and_leaves_the_weights_alone():
    state = state_of("espcn")
    frame, before = state.model.frame, weights(state)
    lr, hr = next(feed(batches_for(frame), 0, 1, CUDA))
    with pytest.raises(CannotRecord):
        recorded_step(make_advance(state, Waits(), frame, CUDA), state, lr, hr, factor)
    assert torch.equal(weights(state), before)
    # torch before 2.13 would take a recording that failed for running, and refuse the next.
    recorded_step(make_advance(state, OBJECTIVE, frame, CUDA), state, lr, hr, factor)
    torch.cuda.empty_cache()


@pytest.mark.parametrize(("objective", "notes"), [(OBJECTIVE, 0), (Waits(), 1)])
def test_the_loop_records_where_it_can_and_says_where_it_cannot(objective, notes):
    state, told = state_of("espcn"), []
    callbacks = Callbacks(lambda *_: None, float, list, list, lambda _: False, told.append)
    stream = feed(batches_for(state.model.frame), 0, 30, CUDA)
    settings = LoopSettings(30, 10, 100, 100)
    fit(state, objective, stream, cosine, settings, callbacks, CUDA, state.model.frame)
    assert len(told) == notes
    assert state.step == 30


@pytest.mark.parametrize("graph", [True, False])
def test_nothing_waits_for_the_device_between_reports(graph):
    # From step 20 to 219: blocks of batches, of at most 64, and tables of rates end in between.
    state = state_of("espcn")
    frame = state.model.frame
    stream = feed(batches_for(frame), 0, 240, CUDA)

    def watched():
        for step, batch in enumerate(stream):
            if step in (20, 219):  # the report after the last of them reads the losses back
                torch.cuda.set_sync_debug_mode("error" if step == 20 else "default")
            yield batch

    callbacks = Callbacks(lambda *_: None, float, list, list, lambda _: False, print)
    settings = LoopSettings(240, 220, 1000, 1000, graph=graph)
    try:
        fit(state, OBJECTIVE, watched(), cosine, settings, callbacks, CUDA, frame)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_every_upsampler_computes_on_cuda_what_it_computes_on_the_cpu():
    lr, offenders = torch.rand(1, 1, 19, 23, dtype=torch.float64), []
    for name, make in upsampler_configs():
        network = ESPCN(make, 3, init="identity").double().eval()
        with torch.no_grad():
            expected = network(lr)
            for other in (copy.deepcopy(network), simplify(network), simplify(network.cuda())):
                apart = (other.cuda()(lr.cuda()).cpu() - expected).abs().max().item()
                if not apart < 1e-9:
                    offenders.append((name, apart))
    assert not offenders


@pytest.mark.parametrize(
    ("precision", "tile"),
    [("fp32", "auto"), ("fp32", "16"), ("fp32", "0"), ("fp16", "auto"), ("bf16", "16")],
)
def test_a_picture_upscaled_on_cuda_is_that_of_the_cpu(monkeypatch, tmp_path, precision, tile):
    monkeypatch.chdir(tmp_path)
    train(monkeypatch, "device=cpu", "run_dir=run")
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (45, 61, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((122, 90)).save("a.png")
    for device, kind in (("cpu", "fp32"), ("cuda", precision)):
        arguments = ["checkpoint=run/last.pt", "input=a.png", f"output={device}.png"]
        settings = [f"device={device}", f"precision={kind}", f"tile={tile}"]
        monkeypatch.setattr(sys, "argv", ["srlab", "upscale", *arguments, *settings])
        main()
    ours, theirs = (np.asarray(Image.open(f"{d}.png")).astype(int) for d in ("cuda", "cpu"))
    assert abs(ours - theirs).max() <= {"fp32": 1, "fp16": 4, "bf16": 6}[precision]


def test_every_network_is_recorded(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    offenders = []
    for model, *_ in model_configs():
        if model in ("bicubic", "bilinear", "nearest", "csc_sr"):  # no weights, or learns by itself
            continue
        colour = "rgb" if model == "edsr_baseline" else "y"
        try:
            train(monkeypatch, "device=cuda", f"model={model}", f"colour={colour}",
                  "trainer.steps=4", "trainer.eval_every=4", "trainer.batch_size=2",
                  f"run_dir={model}")  # fmt: skip
            step = torch.load(f"{model}/last.pt", weights_only=True)["step"]
        except SystemExit:
            step = 0
        printed = capsys.readouterr()
        if step != 4 or "no CUDA graph" in printed.out + printed.err:
            offenders.append((model, step, printed.out + printed.err))
    assert not offenders


def test_rows_of_tiles_on_cuda_are_those_of_the_cpu(monkeypatch):
    # Several rows: the copy of each overlaps what is computed of the next.
    network = ESPCN(PixelShuffle, 3, init="identity").eval()
    lr = torch.rand(1, 1, 150, 130)
    with single_precision():
        expected = upscale_tiled(network, lr, 40)
        ours = upscale_tiled(network.cuda(), lr, 40, 2)
        rows = upscale_rows(network, lambda a, b: lr[..., a:b, :], 150, 130, 40, 2)
        kept = list(rows)
    assert (ours - expected).abs().max() < 1e-5
    assert (torch.cat(kept, dim=-2) - expected).abs().max() < 1e-5


def test_a_gpu_that_is_full_ends_in_a_sentence_and_the_run_is_saved(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    torch.cuda.set_per_process_memory_fraction(0.02)
    try:
        with pytest.raises(SystemExit):
            train(monkeypatch, "device=cuda", "model=vdsr", "trainer.batch_size=4096",
                  "trainer.patch_size=40", "run_dir=run")  # fmt: skip
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    said = capsys.readouterr().err
    assert "the memory of the GPU is full: lower trainer.batch_size" in said
    assert torch.load("run/last.pt", weights_only=True)["step"] == 0


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="torch sees fewer than two CUDA devices")
def test_two_gpus_with_half_the_batch_each_equal_one_with_the_whole(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = ["device=cuda", "trainer.steps=50", "trainer.batch_size=8"]
    train(monkeypatch, *settings, "run_dir=one", "trainer.graph=false")
    train(monkeypatch, *settings, "run_dir=two", "trainer.devices=2")
    one, two = (torch.load(f"{name}/last.pt", weights_only=True) for name in ("one", "two"))
    for name, weight in one["weights"].items():
        assert (weight - two["weights"][name]).abs().max() < 1e-4 * weight.abs().max()
