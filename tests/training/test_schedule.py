"""Guards: the learning rate follows its schedule, and rises to it in a straight line."""

import itertools
import math

import pytest
from common import for_all
from hypothesis import given
from hypothesis import strategies as st

from srlab.training.schedule import constant, cosine, step_decay


@given(steps=st.integers(1, 10**6), data=st.data(), final=st.floats(0, 1))
def test_cosine_falls_from_1_to_its_final_factor(steps, data, final):
    step = data.draw(st.integers(0, steps), label="step")
    expected = final + (1 - final) * math.cos(math.pi * step / (2 * steps)) ** 2
    assert cosine(step, steps, final=final) == pytest.approx(expected, abs=1e-12)
    assert cosine(0, steps, final=final) == 1
    assert cosine(steps, steps, final=final) == pytest.approx(final, abs=1e-12)
    assert cosine(steps + step, steps, final=final) == pytest.approx(final, abs=1e-12)


def test_the_factor_is_multiplied_by_gamma_at_each_milestone_in_any_order():
    known = {0: 1, 499: 1, 500: 0.1, 749: 0.1, 750: 0.01, 899: 0.01, 900: 0.001, 1000: 0.001}
    for milestones in itertools.permutations((0.5, 0.75, 0.9)):
        found = {step: step_decay(step, 1000, milestones=milestones, gamma=0.1) for step in known}
        assert found == pytest.approx(known)
    assert step_decay(500, 1000, milestones=(0.4, 0.2)) == 0.25  # each halves, if nothing is said
    assert step_decay(999, 1000, milestones=[]) == 1


@given(step=st.integers(0, 10**6))
def test_a_constant_rate_is_constant(step):
    assert constant(step, 10**6) == 1


@given(warmup=st.integers(1, 10**4), step=st.integers(0, 2 * 10**4))
def test_warm_up_is_a_straight_line_to_the_schedule_without_it(warmup, step):
    def check(schedule):
        steps = 3 * 10**4
        share = min(1, (step + 1) / warmup)
        expected = share * schedule(step, steps)
        assert schedule(step, steps, warmup=warmup) == pytest.approx(expected, rel=1e-12)

    for_all((constant, cosine, step_decay), check)
