"""Guards: numbers that make no sense are refused, all at once."""

import pytest

from srlab.config.ranges import check_ranges, check_scale
from srlab.config.schema import PhaseConfig, TrainConfig, TrainerConfig
from srlab.errors import UserError


def test_all_numbers_out_of_range_are_told_at_once():
    trainer = TrainerConfig(
        steps=0, batch_size=-1, clip=-0.5, ema=1.0, workers=-2, lr_factors={"body.4": -0.1}
    )
    with pytest.raises(UserError) as caught:
        check_ranges(TrainConfig(seed=-1, trainer=trainer))
    assert "seed must" in str(caught.value)
    for key in ("steps", "batch_size", "clip", "ema", "workers", "lr_factors.body.4"):
        assert f"trainer.{key} must" in str(caught.value)
    for key in ("patch_size", "log_every", "patience"):
        assert key not in str(caught.value)


def test_phases_that_make_no_sense_are_told_each_by_its_key():
    for phases, said in (
        ([{"patch_size": 32}], "trainer.phases[0].step must be at least 1"),
        ([{"step": 50}], "trainer.phases[0] changes nothing"),
        ([{"step": 100, "patch_size": 32}], "phases[0].step=100 must be under trainer.steps=100"),
        ([{"step": 9, "patch_size": 0}], "trainer.phases[0].patch_size must be at least 1"),
        (
            [{"step": 9, "patch_size": 20}, {"step": 9, "patch_size": 32}],
            "trainer.phases[1].step=9 must be above 9",
        ),
        ([{"step": 9, "batch_size": 3}], "accumulate must be at most trainer.phases[0].batch_size"),
    ):
        given = [PhaseConfig(**phase) for phase in phases]
        trainer = TrainerConfig(steps=100, batch_size=8, accumulate=4, phases=given)
        with pytest.raises(UserError) as caught:
            check_ranges(TrainConfig(trainer=trainer))
        assert said in str(caught.value)
        assert ";" not in str(caught.value)


def test_the_numbers_that_are_given_by_default_are_in_range():
    check_ranges(TrainConfig())
    trainer = TrainerConfig(ema=0.0, clip=0.0, lr_factors={"body": 0.0})
    check_ranges(TrainConfig(seed=0, trainer=trainer))


def test_a_scale_under_1_is_refused():
    for scale in (None, 0, -3):
        with pytest.raises(UserError, match="scale"):
            check_scale(scale)
    assert check_scale(1) == 1


def test_several_scales_that_make_no_sense_are_told():
    for scales, said in (
        ([2, 65], "trainer.scales are from 1 to 64, got [2, 65]"),
        ([3, 2, 2], "trainer.scales names a scale twice: [3, 2, 2]"),
        ([2, 4], "scale=3 is what the run is judged at: it must be one of trainer.scales, 2 or 4"),
    ):
        with pytest.raises(UserError) as caught:
            check_ranges(TrainConfig(scale=3, trainer=TrainerConfig(scales=scales)))
        assert str(caught.value) == said
    check_ranges(TrainConfig(scale=3, trainer=TrainerConfig(scales=[4, 3])))
