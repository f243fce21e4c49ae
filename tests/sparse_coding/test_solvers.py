"""Guards: both solvers of sparse coding reach the optimum, and each other."""

import pytest
import torch
from common import filters_of, largest, normal_noise

from srlab.sparse_coding.admm import code_by_admm, solve_rank_one
from srlab.sparse_coding.fista import code_by_fista
from srlab.sparse_coding.operators import (
    analyse,
    sparse_objective,
    synthesise,
    transform,
)


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 100.0])
def test_sherman_and_morrison_solve_the_system_of_each_frequency(penalty):
    d = torch.complex(normal_noise(5, 4, 3), normal_noise(5, 4, 3))
    right = torch.complex(normal_noise(2, 5, 4, 3), normal_noise(2, 5, 4, 3))
    z = solve_rank_one(d, right, penalty)
    back = d.conj() * (d * z).sum(dim=1, keepdim=True) + penalty * z
    assert (back - right).abs().max() < 1e-9


def test_admm_and_fista_reach_the_same_objective():
    filters, picture = filters_of(12, 5), normal_noise(2, 1, 24, 20)
    spectrum = transform(filters, (24, 20))
    one, other = (
        sparse_objective(picture, codes, spectrum, 0.3)
        for codes in (
            code_by_admm(picture, filters, 0.3, 600, 3.0),
            code_by_fista(picture, filters, 0.3, 2000),
        )
    )
    assert largest(one / other - 1) < 1e-3


def test_codes_meet_the_optimality_condition():
    filters, picture = filters_of(6, 3), normal_noise(1, 1, 16, 16)
    spectrum = transform(filters, (16, 16))
    codes = code_by_fista(picture, filters, 0.5, 3000)
    slope = analyse(synthesise(codes, spectrum) - picture, spectrum)
    assert largest(slope) < 0.5 + 1e-4
    assert largest((slope + 0.5 * codes.sign())[codes != 0]) < 1e-4
