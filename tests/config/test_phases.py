"""Guards: which batches a step has follows from its number; a phase keeps what it leaves open."""

from srlab.config.phases import phases_of
from srlab.config.schema import PhaseConfig, TrainerConfig


def test_each_step_is_in_one_phase_and_what_is_left_open_stays():
    given = [PhaseConfig(5, patch_size=20), PhaseConfig(7, batch_size=3), PhaseConfig(8, 2, 9)]
    phases = phases_of(TrainerConfig(steps=10, batch_size=4, patch_size=16, phases=given))
    shapes = [
        [(p.batch_size, p.patch_size) for p in phases if p.first <= step < p.last]
        for step in range(10)
    ]
    assert shapes == [[(4, 16)]] * 5 + [[(4, 20)]] * 2 + [[(3, 20)]] + [[(2, 9)]] * 2
