"""Guards: synthesis, analysis and thresholds of sparse coding are what their equations say."""

import torch
import torch.nn.functional as F
from common import filters_of, largest, normal_noise
from hypothesis import given, settings
from hypothesis import strategies as st

from srlab.imaging.resample import crop
from srlab.sparse_coding.operators import (
    analyse,
    lipschitz,
    synthesise,
    transform,
)
from srlab.sparse_coding.shrinkage import soft_threshold


@given(st.floats(-3, 3), st.floats(0, 2))
def test_the_soft_threshold_is_the_proximal_operator_of_the_absolute_value(x, threshold):
    found = soft_threshold(torch.tensor(x, dtype=torch.float64), threshold)
    near = found + torch.linspace(-1, 1, 201, dtype=torch.float64)
    cost = (near - x) ** 2 / 2 + threshold * near.abs()
    assert cost.min() >= (found - x) ** 2 / 2 + threshold * found.abs() - 1e-12


@settings(max_examples=20)
@given(st.integers(1, 6), st.sampled_from([1, 3, 5]), st.integers(5, 12), st.integers(5, 12))
def test_analysis_is_the_adjoint_of_synthesis(count, size, height, width):
    spectrum = transform(filters_of(count, size), (height, width))
    codes, picture = normal_noise(2, count, height, width), normal_noise(2, 1, height, width)
    one = (synthesise(codes, spectrum) * picture).sum()
    other = (codes * analyse(picture, spectrum)).sum()
    assert largest(one - other) < 1e-10 * (1 + largest(one))


def test_synthesis_is_a_convolution_on_a_circle():
    filters, codes = filters_of(4, 5), normal_noise(1, 4, 9, 11)
    wrapped = F.pad(codes, [2] * 4, mode="circular")
    wanted = crop(F.conv_transpose2d(wrapped, filters), 4)
    assert largest(synthesise(codes, transform(filters, (9, 11))) - wanted) < 1e-12


def test_the_lipschitz_constant_is_the_largest_eigenvalue():
    spectrum = transform(filters_of(3, 3), (8, 8))
    x = normal_noise(1, 3, 8, 8)
    for _ in range(2000):
        x = analyse(synthesise(x, spectrum), spectrum)
        size = x.norm()
        x = x / size
    assert largest(size / lipschitz(spectrum) - 1) < 1e-6
