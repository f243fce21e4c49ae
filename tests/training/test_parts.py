"""Guards: a batch that threads share gives the gradients of the whole; the same bits each time."""

import copy

import pytest
import torch
from torch import nn

from srlab.losses.objective import Objective
from srlab.training.parts import Parts, alone, parts_of

CPU = torch.device("cpu")


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.Tanh(), nn.Conv2d(8, 1, 3)).double()


@pytest.fixture
def four_threads():
    usual = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(usual)


@pytest.mark.parametrize("size", [8, 11])  # parts of one size, and of several
def test_the_gradients_of_parts_are_those_of_the_whole(size):
    whole, objective = _network(), Objective(nn.L1Loss(), tv_weight=0.1)
    parted = copy.deepcopy(whole)
    lr, hr = torch.rand(size, 1, 12, 12).double(), torch.rand(size, 1, 8, 8).double()
    terms = objective(whole(lr), hr)
    sum(terms.values()).backward()
    gradients = Parts(lambda x, y: objective(parted(x), y), parted, 3)
    found = gradients(lr, hr)
    for name, term in terms.items():
        torch.testing.assert_close(found[name], term.detach(), rtol=1e-12, atol=0)
    for ours, theirs in zip(parted.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-14)
    first = [p.grad.clone() for p in parted.parameters()]
    for _ in range(5):  # whichever part comes first
        gradients(lr, hr)
        assert all(torch.equal(a, p.grad) for a, p in zip(first, parted.parameters(), strict=True))


def test_a_weight_that_no_part_uses_has_no_gradient():
    network = nn.ModuleList([_network(), nn.Linear(2, 3)])
    gradients = Parts(lambda x, y: {"a": network[0](x).mean()}, network, 2)
    gradients(torch.rand(4, 1, 12, 12).double(), torch.rand(4, 1, 8, 8))
    assert network[1].weight.grad is None
    assert network[0][0].weight.grad is not None


def test_an_error_of_a_part_is_that_of_the_step():
    network = _network()
    gradients = Parts(lambda x, y: {"a": network(x).mean()}, network, 2)
    with pytest.raises(RuntimeError, match="channels"):
        gradients(torch.rand(4, 2, 12, 12).double(), torch.rand(4, 1, 8, 8))


def test_what_mixes_samples_or_sums_is_not_cut(four_threads):
    def with_layer(layer):
        return parts_of(64, CPU, nn.Sequential(nn.Conv2d(1, 8, 3), layer), mean, False)

    class Foreign(nn.Module):
        pass

    mean, network = Objective(nn.L1Loss()), _network()
    assert with_layer(nn.Tanh()) == 4
    normed = nn.utils.parametrizations.spectral_norm(nn.Conv2d(8, 8, 3))
    chance = nn.RReLU(), nn.Dropout(), nn.MultiheadAttention(8, 2, dropout=0.1)
    for layer in (nn.BatchNorm2d(8), nn.InstanceNorm2d(8), normed, *chance, Foreign()):
        assert with_layer(layer) == 1
    assert parts_of(64, CPU, network, Objective(nn.MSELoss(reduction="sum")), False) == 1
    assert parts_of(64, torch.device("cuda"), network, mean, False) == 1
    assert parts_of(64, CPU, network, mean, True) == 1
    assert [parts_of(n, CPU, network, mean, False) for n in (1, 8, 15, 16)] == [1, 2, 3, 4]


def test_a_thread_alone_has_its_helpers_back_afterwards(four_threads):
    with alone():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 4
