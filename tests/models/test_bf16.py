"""Guards: where layers compute in bf16, the picture itself and what writes it stay in fp32."""

import pytest
import torch
from models.variants import VARIANTS, variant
from torch import nn

from srlab.machine.precision import autocast_to, rounded_kernels

CPU = torch.device("cpu")

# Sparse coding iterates on codes of the picture: there is no layer that writes it.
ITERATED = ("csc", "csc of tied filters", "csc_sr", "scn")


@pytest.mark.parametrize("name", [name for name in VARIANTS if name not in ITERATED])
def test_what_a_network_adds_to_is_not_rounded(name):
    model = variant(name).float()
    for layer in model.exact_layers.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.zeros_(layer.weight)
    lr = torch.rand(1, 1, 9, 11)
    with torch.no_grad(), autocast_to(torch.bfloat16, CPU):
        rounded = model(lr)
    with torch.no_grad():
        exact = model(lr)
    assert rounded.dtype == torch.float32
    assert torch.equal(rounded, exact)


def test_the_body_of_a_network_is_in_bf16():
    model = variant("espcn").float()
    lr = torch.rand(1, 1, 9, 11)
    with torch.no_grad(), autocast_to(torch.bfloat16, CPU):
        rounded = model(lr)
    with torch.no_grad():
        exact = model(lr)
    assert 0 < (rounded - exact).abs().max() < 0.05


@pytest.mark.parametrize(("kind", "last_bit"), [(torch.bfloat16, 2**-7), (torch.float16, 2**-10)])
def test_kernels_rounded_to_a_half_type_keep_their_sums(kind, last_bit):
    weight = torch.randn(8, 6, 5, 5).contiguous(memory_format=torch.channels_last)
    rounded = rounded_kernels(weight, kind)
    assert torch.equal(rounded, rounded.to(kind).float())
    assert rounded.stride() == weight.stride()
    ours = (rounded - weight).sum(dim=(2, 3)).abs()
    nearest = (weight.to(kind).float() - weight).sum(dim=(2, 3)).abs()
    assert ours.max() < nearest.max() / 10
    # The smallest weight is the last: no more is left than half of its last bit.
    assert (ours <= weight.abs().amin(dim=(2, 3)) * last_bit).all()
