"""Facts: a step without torch's compiler is the optimizer's step, and the compiler stays out."""

import os
import subprocess
import sys
from functools import wraps
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from srlab.training.optimizer import take_step

ROOT = Path(__file__).parents[2]
SCALER = torch.amp.GradScaler("cpu", enabled=False)
OPTIMIZERS = (
    "ASGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop",
    "SGD",
)  # fmt: skip


@pytest.fixture
def without_compiler(monkeypatch):
    """As where torch's compiler was not imported yet."""
    modules = {name: module for name, module in sys.modules.items() if name != "torch._dynamo"}
    monkeypatch.setattr("srlab.training.optimizer.sys", SimpleNamespace(modules=modules))


def weights_after(kind, step, **options):
    """Return the weights after three steps."""
    generator = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.rand(5, generator=generator))
    optimizer = getattr(torch.optim, kind)([weight], lr=0.1, **options)
    for _ in range(3):
        weight.grad = torch.rand(5, generator=generator)
        step(optimizer)
    return weight.detach()


@pytest.mark.usefixtures("without_compiler")
def test_a_step_is_that_of_the_optimizer():
    for kind in OPTIMIZERS:
        usual = weights_after(kind, lambda optimizer: optimizer.step())
        ours = weights_after(kind, lambda optimizer: take_step(optimizer, SCALER))
        assert torch.equal(ours, usual), kind


@pytest.mark.usefixtures("without_compiler")
def test_what_is_hung_on_steps_is_called(monkeypatch):
    called = []

    def noted(step):
        @wraps(step)
        def wrapper(*arguments):
            called.append(step)
            return step(*arguments)

        return wrapper

    def new():
        return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)

    hooked, wrapped = new(), new()
    hooked.register_step_post_hook(lambda *_: called.append("after"))
    take_step(hooked, SCALER)
    wrapped.step = noted(wrapped.step)
    take_step(wrapped, SCALER)
    monkeypatch.setattr(torch.optim.SGD, "step", noted(torch.optim.SGD.step))
    take_step(new(), SCALER)
    assert len(called) == 3


def test_a_training_does_not_import_the_compiler(tmp_path):
    program = """
import sys
from srlab.cli import main
sys.argv[1:] = ["train", "trainer.steps=2", "trainer.batch_size=2", "run_dir=run"]
main()
assert "torch._dynamo" not in sys.modules
"""
    folder = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(ROOT)}}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, **folder)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "last.pt").is_file()
