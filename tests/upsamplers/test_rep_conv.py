"""Guards: the branches of ECBSR are one convolution, and start as what they are asked to be."""

import copy
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from common import largest, picture
from upsamplers.variants import with_any_weights

import srlab
from srlab.upsamplers.rep_conv import RepConv
from srlab.upsamplers.rep_shuffle import RepShuffle

SOBEL = [[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]
LAPLACE = [[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]


def by_branches(conv, x):
    """The sum of the five branches, each computed by itself."""
    y = F.conv2d(x, conv.plain.weight, conv.plain.bias)
    squeezed = F.conv2d(x, conv.squeeze.weight, conv.squeeze.bias)
    y = y + F.conv2d(squeezed, conv.spread.weight, conv.spread.bias)
    masks = [SOBEL, torch.tensor(SOBEL).T.tolist(), LAPLACE]
    for mask, edge, scale, bias in zip(
        masks, conv.edges, conv.edge_scale, conv.edge_bias, strict=True
    ):
        seen = F.conv2d(x, edge)
        filters = scale.view(-1, 1, 1, 1) * torch.tensor(mask, dtype=x.dtype)
        y = y + F.conv2d(seen, filters, bias, groups=len(filters))
    return y


def test_it_is_the_sum_of_its_branches():
    for inputs, outputs in [(1, 9), (4, 4), (6, 2)]:
        conv = with_any_weights(RepConv(inputs, outputs))
        image = picture(2, inputs, 7, 8)
        assert largest(conv(image) - by_branches(conv, image)) < 1e-12


@torch.enable_grad()
def test_its_weights_get_the_gradients_of_the_branches():
    conv = with_any_weights(RepConv(3, 4))
    image = picture(1, 3, 6, 6)
    other = copy.deepcopy(conv)
    conv(image).square().sum().backward()
    by_branches(other, image).square().sum().backward()
    for ours, theirs in zip(conv.parameters(), other.parameters(), strict=True):
        assert largest(ours.grad - theirs.grad) < 1e-10 * largest(theirs.grad)


@pytest.mark.parametrize(
    "make",
    [
        partial(srlab.ESPCN, srlab.PixelShuffle, 3, init="identity"),
        partial(srlab.Compact, srlab.PixelShuffle, 2, channels=3, depth=2, init="identity"),
        partial(srlab.EDSR, srlab.PixelShuffle, 2, blocks=2, features=8),
    ],
)
def test_a_body_of_branches_starts_as_the_plain_one_and_is_used_as_such(make):
    torch.manual_seed(0)
    plain = make().double()
    torch.manual_seed(0)
    branched = make(block="rep").double()
    one = srlab.simplify(branched)
    weights = one.state_dict()
    assert weights.keys() == plain.state_dict().keys() != branched.state_dict().keys()
    for name, weight in plain.state_dict().items():
        if name.startswith(("body", "blocks")):
            assert largest(weights[name] - weight) < 1e-6  # as single precision has it
    with_any_weights(branched)
    plain.load_state_dict(srlab.simplify(branched).state_dict())
    image = picture(1, plain.channels, 12, 11)
    assert largest(plain(image) - branched(image)) < 1e-10 * largest(plain(image))


def test_it_is_used_as_the_sub_pixel_convolution_that_it_is():
    model = srlab.ESPCN(RepShuffle, scale=3).double()
    with_any_weights(model)
    quick = srlab.simplify(model)
    assert type(quick.upsampler) is srlab.PixelShuffle
    image = picture(1, 1, 9, 8)
    assert largest(quick(image) - model(image)) < 1e-12
