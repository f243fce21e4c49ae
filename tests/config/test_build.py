"""Guards: a checked node of a config becomes the part that it describes, or a sentence."""

import functools

import pytest
import torch

from srlab.config.build import build
from srlab.config.check import check
from srlab.errors import ConfigError, UserError
from srlab.models.espcn import ESPCN
from srlab.upsamplers.pixel_shuffle import PixelShuffle

HEAD = {"_target_": "srlab.upsamplers.pixel_shuffle.PixelShuffle", "_partial_": True}
MODEL = {"_target_": "srlab.models.espcn.ESPCN", "scale": 3, "upsampler": HEAD}


def test_a_checked_node_is_built():
    model = build(MODEL | {"channels": 3}, "model")
    assert isinstance(model, ESPCN)
    assert isinstance(model.upsampler, PixelShuffle)
    assert model(torch.zeros(1, 3, 4, 5)).shape == (1, 3, 12, 15)


def test_a_partial_node_is_built_as_a_factory():
    head = build(HEAD | {"kernel_size": 5}, "upsampler")
    assert isinstance(head, functools.partial)
    assert head(8, 1, 2).halo == 2


def test_lists_reach_the_component_as_plain_lists():
    schedule = build(
        {"_target_": "srlab.training.schedule.step_decay", "_partial_": True, "milestones": [0.5]},
        "schedule",
    )
    assert type(schedule.keywords["milestones"]) is list


def test_an_empty_group_is_told():
    with pytest.raises(ConfigError, match="model is empty: choose one, as in model="):
        build({}, "model")


def test_a_value_that_the_component_refuses_is_told_with_its_key():
    node = MODEL | {"upsampler": HEAD | {"kernel_size": 4}}
    check({"model": node})
    with pytest.raises(ConfigError, match="model: kernel_size must be odd and positive, got 4"):
        build(node, "model")


def test_a_mistake_that_the_component_explains_is_passed_on(tmp_path):
    node = {"_target_": "srlab.data.images.folder", "path": str(tmp_path / "gone")}
    with pytest.raises(UserError, match="gone does not exist") as caught:
        build(node, "data")
    assert not isinstance(caught.value, ConfigError)
