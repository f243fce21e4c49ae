"""Guards: the average of the weights follows them by its formula."""

import pytest
import torch
from common import for_all
from torch import nn

from srlab.training.average import average_of


def one_weight(value=0.0):
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model


def test_the_average_has_its_closed_form():
    def check(decay):
        model = one_weight()
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

    for_all((0.1, 0.25, 0.9, 0.999), check)


def test_the_first_updates_of_the_average_by_hand():
    model = one_weight()
    average = average_of(model, 0.999)
    by_hand = [(1.0, 1), (12.0, 1 * 2 / 11 + 12 * 9 / 11), (0.0, 110 / 11 * 3 / 12)]
    for count, (weight, expected) in enumerate(by_hand):
        nn.init.constant_(model.weight, weight)
        average.update(count)
        assert average.module.weight.item() == pytest.approx(expected)


def test_buffers_are_not_averaged_but_copied():
    model = nn.BatchNorm2d(2)
    average = average_of(model, 0.9)
    for update in (average.update, lambda count: average.move(torch.tensor(0.5))):
        for count in range(3):
            model(torch.randn(4, 2, 3, 3))
            update(count)
        for ours, theirs in zip(average.module.buffers(), model.buffers(), strict=True):
            assert torch.equal(ours, theirs)


def test_an_average_as_torch_keeps_it_is_taken_up():
    model = one_weight(2.0)
    old = torch.optim.swa_utils.AveragedModel(model)
    old.update_parameters(model)
    average = average_of(one_weight(-7.0), 0.9)
    average.load_state_dict(old.state_dict())
    assert torch.equal(average.module.weight, model.weight)


def test_no_decay_means_no_average():
    assert average_of(one_weight(), 0) is None
