"""Guards: what a damaged file holds in place of the state of a training is not taken up."""

import pytest
import torch

from srlab.models.espcn import ESPCN
from srlab.training.state import TrainingState
from srlab.upsamplers.pixel_shuffle import PixelShuffle


def state():
    model = ESPCN(PixelShuffle, 2, 1)
    optimizer = torch.optim.Adam(model.parameters())
    return TrainingState(model, optimizer, None, torch.amp.GradScaler("cpu", enabled=False))


def test_numbers_of_another_kind_are_refused():
    saved = state().state_dict()
    state().load_state_dict(saved)
    for key, other in (("step", "3"), ("best", {}), ("stale", None), ("history", {"a": 1})):
        with pytest.raises(TypeError, match=f"{key} cannot be"):
            state().load_state_dict(saved | {key: other})
