"""Guards: numbers that make no sensible learning rate are refused, for runs that begin."""

import pytest

from srlab.config.ranges import check_rates
from srlab.config.schema import TrainConfig
from srlab.errors import UserError


@pytest.mark.parametrize(
    ("optim", "schedule", "said"),
    [
        ({"lr": 0.0}, {}, "optim.lr must be above 0"),
        ({"lr": float("inf")}, {}, "optim.lr must be above 0"),
        ({}, {"warmup": -5}, "schedule.warmup must not be negative, got -5"),
        ({}, {"final": -3}, "schedule.final must be from 0 to 1"),
        ({}, {"gamma": 2}, "schedule.gamma must be above 0"),
        ({}, {"gamma": -1}, "schedule.gamma must be above 0"),
        ({}, {"milestones": [-1, 0.5]}, "fractions of all steps"),
        ({}, {"milestones": [500]}, "fractions of all steps"),
    ],
)
def test_nonsense_is_refused(optim, schedule, said):
    with pytest.raises(UserError, match=said.replace(".", r"\.")):
        check_rates(TrainConfig(optim=optim, schedule=schedule))


def test_what_makes_sense_passes_and_what_is_not_known_is_left_to_its_owner():
    check_rates(TrainConfig(optim={"lr": 1e-3}, schedule={"warmup": 0, "final": 1.0, "gamma": 1}))
    check_rates(TrainConfig(optim={"lr": None}, schedule={"milestones": None, "period": -1}))
