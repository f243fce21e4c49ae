"""Guards: a batch that is computed in turns makes the step of the whole one."""

import copy

import pytest
import torch
from torch import nn

from srlab.losses.objective import Objective
from srlab.models.espcn import ESPCN
from srlab.training.parameters import parameter_groups
from srlab.training.state import TrainingState
from srlab.training.step import make_advance
from srlab.upsamplers.pixel_shuffle import PixelShuffle

CPU = torch.device("cpu")


@pytest.mark.parametrize("turns", [2, 3, 8])  # of one size, and of several
def test_turns_make_the_step_of_the_whole_batch(turns):
    torch.manual_seed(0)
    whole = ESPCN(PixelShuffle, 2).double()
    lr, hr = torch.rand(8, 1, 16, 16).double(), torch.rand(8, 1, 16, 16).double()
    objective, steps = Objective(nn.MSELoss(), tv_weight=0.1), []
    for model, count in ((whole, 1), (copy.deepcopy(whole), turns)):
        optimizer = torch.optim.SGD(parameter_groups(model, {}), lr=0.1)
        state = TrainingState(model, optimizer, None, torch.amp.GradScaler("cpu", enabled=False))
        advance = make_advance(state, objective, 4, CPU, clip=0.5, turns=count)
        steps.append((advance(lr, hr), list(model.parameters())))
    (terms, weights), (found, ours) = steps
    for name, term in terms.items():
        torch.testing.assert_close(found[name], term, rtol=1e-6, atol=0)
    for one, other in zip(ours, weights, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)
