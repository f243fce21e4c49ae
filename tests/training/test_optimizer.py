"""Facts: a step without torch's compiler is the optimizer's step, and the compiler stays out."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from srlab.training.optimizer import take_step

SCALER = torch.amp.GradScaler("cpu", enabled=False)
OPTIMIZERS = ("Adadelta", "Adagrad", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "SGD")


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
def test_hooks_on_steps_are_called():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    called = []
    optimizer.register_step_post_hook(lambda *_: called.append("after"))
    take_step(optimizer, SCALER)
    assert called == ["after"]


def test_an_optimizer_does_not_import_the_compiler():
    program = """
import sys, torch
from srlab.training.optimizer import leave_compiler_out, take_step
leave_compiler_out()
weight = torch.nn.Parameter(torch.zeros(1))
optimizer = torch.optim.Adam([weight], lr=0.5, fused=True)
weight.grad = torch.ones(1)
take_step(optimizer, torch.amp.GradScaler("cpu", enabled=False))
optimizer.load_state_dict(optimizer.state_dict())
optimizer.zero_grad()
assert abs(weight.item() + 0.5) < 1e-6 and weight.grad is None
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
