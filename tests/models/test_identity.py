"""Guards: networks that start as the identity have orthogonal filters beside what carries it."""

import pytest
import torch
from common import largest

from srlab.models.espcn import ESPCN
from srlab.models.srcnn import SRCNN
from srlab.upsamplers.interpolation import Interpolate


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("network", [ESPCN, SRCNN])
def test_the_identity_start_makes_the_other_filters_orthogonal_and_the_biases_nought(
    network, channels
):
    body = network(Interpolate, 2, channels=channels, init="identity").body
    for layer in (body[0], body[2]):
        filters = layer.weight.flatten(1)
        carriers = (filters != 0).sum(dim=1) <= 2 * channels
        assert channels <= carriers.sum() <= 2 * channels
        assert largest(layer.bias) == 0
        # Orthogonal up to a gain: one singular value, but for the filters that were replaced.
        values = torch.linalg.svdvals(filters[~carriers])[: -carriers.sum()]
        assert largest(values / values[0] - 1) < 1e-5
        assert values[0] > 1 - 1e-5
