"""Training on CUDA: every precision, compiled or not, and the same numbers as on the CPU."""

import copy
import json
import sys
from pathlib import Path

import pytest
import torch

from srlab.cli import main
from srlab.models.espcn import ESPCN
from srlab.testing import upsampler_configs
from srlab.upsamplers.simplify import simplify

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here"),
]


def train(monkeypatch, *overrides):
    monkeypatch.setattr(
        sys, "argv", ["srlab", "train", "trainer.steps=100", "trainer.eval_every=100", *overrides]
    )
    main()


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("compiled", ["false", "true"])
def test_a_hundred_steps_on_cuda_beat_bicubic(monkeypatch, tmp_path, precision, compiled):
    monkeypatch.chdir(tmp_path)
    train(
        monkeypatch, "device=cuda", f"trainer.precision={precision}",
        f"trainer.compile={compiled}", "trainer.workers=2", "run_dir=run",
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


@pytest.mark.parametrize("name", [name for name, _ in upsampler_configs()])
def test_every_upsampler_computes_on_cuda_what_it_computes_on_the_cpu(name):
    network = ESPCN(dict(upsampler_configs())[name], 3, init="identity").double().eval()
    lr = torch.rand(1, 1, 19, 23, dtype=torch.float64)
    with torch.no_grad():
        expected = network(lr)
        for other in (copy.deepcopy(network), simplify(network), simplify(network.cuda())):
            assert (other.cuda()(lr.cuda()).cpu() - expected).abs().max() < 1e-9
