"""Guards: each parameter learns at the rate that its name is given."""

import itertools
from functools import partial

import pytest
import torch
from common import for_all
from torch import nn

from srlab.errors import UserError
from srlab.models.espcn import ESPCN
from srlab.training.parameters import freeze, parameter_groups, set_learning_rate
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv
from srlab.upsamplers.staged import Staged


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


def test_a_prefix_that_matches_nothing_is_told_with_what_there_is():
    def check(prefix):
        with pytest.raises(UserError) as caught:
            parameter_groups(Layers(), {"body": 0.1, prefix: 0.5})
        assert f"no parameter is called {prefix!r}" in str(caught.value)
        for name, _ in Layers().named_parameters():
            assert name in str(caught.value)

    for_all(("bod", "body.2", "body.0.weigh", "tail", ""), check)


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


def test_weights_that_pixels_share_learn_at_a_rate_that_is_lower_by_as_many():
    model = ESPCN(ResizeConv, 3)
    even = named_factors(model, parameter_groups(model, {}, even=True))
    assert {name: f for name, f in even.items() if f != 1} == {
        "upsampler.conv.weight": 1 / 9,
        "upsampler.conv.bias": 1 / 9,
    }
    slower = parameter_groups(model, {"upsampler.conv.weight": 0.5}, even=True)
    assert named_factors(model, slower)["upsampler.conv.weight"] == 0.5 / 9
    staged = ESPCN(partial(Staged, stage=ResizeConv), 4)
    factors = named_factors(staged, parameter_groups(staged, {}, even=True))
    assert {f for name, f in factors.items() if name.startswith("upsampler")} == {1 / 4}
    other = ESPCN(PixelShuffle, 3)
    assert len(parameter_groups(other, {}, even=True)) == 1


def test_what_is_frozen_is_in_no_group():
    model = ESPCN(PixelShuffle, 2)
    freeze(model, ["body.0", "upsampler.conv.bias"])
    [group] = parameter_groups(model, {})
    names = {id(p): name for name, p in model.named_parameters()}
    assert {names[id(p)] for p in group["params"]} == {
        "body.2.weight", "body.2.bias", "upsampler.conv.weight"
    }  # fmt: skip
