"""Guards: a quick copy computes what the network does, which stays as it is."""

import copy

import torch
from common import largest, picture
from models.variants import VARIANTS, variant
from torch import nn

from srlab.inference.fast_copy import SpareChannels, fast_copy


@torch.inference_mode()
def test_a_quick_copy_computes_the_same_and_leaves_the_network_alone():
    offenders = []
    for name in VARIANTS:
        model = variant(name, 2, 3, disturbed=False).float()
        before = copy.deepcopy(model.state_dict())
        kinds = [type(module) for module in model.modules()]
        lr = picture(1, 3, 19, 23).float()
        fast = fast_copy(model)
        off = largest(fast(lr) - model(lr))
        same = all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
        alone = model.state_dict().keys() == before.keys() and same
        alone = alone and kinds == [type(module) for module in model.modules()]
        tanh = any(isinstance(module, nn.Tanh) for module in fast.modules())
        if tanh or not (off < 1e-6 and alone):
            offenders.append((name, off, alone, tanh))
    assert not offenders
    assert any(isinstance(module, nn.Tanh) for module in variant("espcn").modules())


def test_the_quick_tanh_is_tanh():
    x = torch.linspace(-30, 30, 100_001)
    assert largest(fast_copy(nn.Sequential(nn.Tanh()))(x) - x.tanh()) < 3e-7


def test_spare_channels_are_left_out(monkeypatch):
    monkeypatch.setattr("srlab.inference.fast_copy.get_cpu_capability", lambda: "AVX2")
    x = picture(2, 3, 9, 7).float().to(memory_format=torch.channels_last)
    for channels, spare in ((4, 0), (8, 0), (9, 1), (12, 1), (16, 0), (20, 0), (27, 1)):
        conv = nn.Conv2d(3, channels, 3, padding=1, bias=channels != 12)
        fast = fast_copy(nn.Sequential(conv))
        assert isinstance(fast[0], SpareChannels) == bool(spare), channels
        conv.to(memory_format=torch.channels_last)
        assert torch.equal(fast(x), conv(x)), channels
