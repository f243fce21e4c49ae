"""Guards: filters are learnt by least squares over all pixels, within unit balls."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from common import filters_of, largest, normal_noise

from srlab.imaging.resample import crop
from srlab.sparse_coding.fista import code_by_fista
from srlab.sparse_coding.operators import (
    sparse_objective,
    synthesise,
    transform,
)
from srlab.sparse_coding.regression import descend_in_balls, inner_taps, moments, ridge


def test_ridge_regression_of_codes_that_are_all_zero_is_zero():
    for damping in (1e-8, 1e-3):
        found = ridge(torch.zeros(300, 300), torch.zeros(300, 4), damping)
        assert torch.equal(found, torch.zeros(300, 4))


def test_ridge_regression_is_that_of_all_pixels():
    codes, targets = normal_noise(2, 3, 10, 9), normal_noise(2, 4, 8, 7)
    found = ridge(*moments(codes, targets, 3), 1e-9)
    rows = F.unfold(codes, 3).transpose(1, 2).flatten(0, 1)
    wanted = torch.linalg.lstsq(rows, targets.flatten(2).transpose(1, 2).flatten(0, 1)).solution
    assert largest(found - wanted) < 1e-6


def test_inner_taps_are_those_of_a_smaller_window():
    codes = normal_noise(1, 2, 9, 9)
    rows = F.unfold(codes, 5)[:, inner_taps(2, 5, 3)]
    assert torch.equal(rows, F.unfold(crop(codes, 1), 3))


def alternate(pictures, filters, weight, passes, iterations):
    """Yield filters and objective of learning on all pictures, of a circle, at once."""
    count, _, size, _ = filters.shape
    for _ in range(passes):
        codes = code_by_fista(pictures, filters, weight, iterations)
        spectrum = transform(filters, pictures.shape[-2:])
        yield filters, sparse_objective(pictures, codes, spectrum, weight).sum().item()
        around = F.pad(codes, [size // 2] * 4, mode="circular")
        matrix, right = moments(around, pictures, size)
        start = filters.flip(-2, -1).flatten()
        found = descend_in_balls(start, matrix, right[:, 0], size**2, 5)
        filters = found.view(count, 1, size, size).flip(-2, -1)


def test_learning_never_raises_the_objective_and_keeps_filters_in_the_ball():
    pictures, objectives = normal_noise(2, 1, 20, 20), []
    for filters, objective in alternate(pictures, filters_of(6, 3), 0.5, 6, 200):
        objectives.append(objective)
        assert filters.flatten(1).norm(dim=1).max() <= 1 + 1e-6
    assert all(b <= a * (1 + 1e-6) for a, b in pairwise(objectives))
    assert objectives[-1] < 0.95 * objectives[0]


def test_a_planted_dictionary_is_found():
    planted = filters_of(3, 5)
    codes = normal_noise(4, 3, 32, 32) * (torch.rand(4, 3, 32, 32) < 0.02)
    pictures = synthesise(codes, transform(planted, (32, 32)))
    start = planted + 0.15 * normal_noise(3, 1, 5, 5)
    start = start / start.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    *_, (found, _) = alternate(pictures, start, 0.02, 25, 50)
    before = (start * planted).sum(dim=(1, 2, 3))
    after = (found * planted).sum(dim=(1, 2, 3))
    assert before.min() < 0.8
    assert after.min() > 0.999
