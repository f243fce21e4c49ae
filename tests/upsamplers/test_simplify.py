"""Guards: a simplified network computes the same, for less."""

from functools import partial

import torch
from torch import nn

from srlab.models.edsr import EDSR
from srlab.models.espcn import ESPCN
from srlab.models.plain import Plain
from srlab.models.unet import UNet
from srlab.testing import upsampler_configs
from srlab.upsamplers.base import Upsampler
from srlab.upsamplers.boxed import Boxed
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv
from srlab.upsamplers.simplify import simplify, upsampler_cost, upsamplers_of
from srlab.upsamplers.staged import Staged

UPSAMPLERS = dict(upsampler_configs())


def test_a_simplified_network_computes_the_same_for_no_more_multiply_adds():
    offenders = []
    for name, make in UPSAMPLERS.items():
        for body, scale in ((ESPCN, 2), (ESPCN, 3), (ESPCN, 4), (Plain, 3)):
            network = body(make, scale).double().eval()
            for parameter in network.parameters():
                nn.init.normal_(parameter, std=0.1)
            simple = simplify(network)
            lr = torch.rand(1, 1, 11, 9, dtype=torch.float64)
            with torch.no_grad():
                apart = (network(lr) - simple(lr)).abs().max()
            before, after = (dict(upsamplers_of(n))["upsampler"] for n in (network, simple))
            dearer = upsampler_cost(after) > upsampler_cost(before)
            if not apart < 1e-9 or dearer or type(network.upsampler) is not type(before):
                offenders.append((name, body.__name__, scale, apart))
    assert not offenders


def test_simplifying_keeps_the_precision_of_the_weights_and_draws_nothing():
    for dtype in (torch.bfloat16, torch.float16):
        network = ESPCN(ResizeConv, 4).to(dtype)
        before = torch.get_rng_state()
        assert {p.dtype for p in simplify(network).parameters()} == {dtype}
        assert torch.equal(torch.get_rng_state(), before)


class NeedsValues(Upsampler):
    """An upsampler whose forward looks at values, which the count of multiply-adds has not."""

    def __init__(self, in_channels, out_channels, scale):
        super().__init__(in_channels, out_channels, scale, 0)
        self.conv = nn.Conv2d(in_channels, out_channels * scale**2, 1)

    def forward(self, framed):
        peak = float(framed.max())
        return nn.functional.pixel_shuffle(self.conv(framed / peak), self.scale)


def test_an_upsampler_that_cannot_be_counted_is_left_alone():
    assert isinstance(simplify(ESPCN(NeedsValues, 2)).upsampler, NeedsValues)


def test_weights_that_are_not_finite_are_left_as_they_are():
    network = ESPCN(Deconv, 2)
    nn.init.constant_(network.upsampler.deconv.weight, float("nan"))
    assert isinstance(simplify(network).upsampler, Deconv)


def test_every_upsampler_of_a_u_net_is_simplified():
    simple = simplify(UNet(Deconv, 3, features=4))
    kinds = {name: type(module).__name__ for name, module in upsamplers_of(simple)}
    assert kinds == dict.fromkeys(("steps.0", "steps.1", "upsampler"), "PixelShuffle")


def test_an_upsampler_is_replaced_where_its_form_costs_no_more():
    for make, scale, simpler in (
        (Deconv, 3, True),
        (ResizeConv, 3, True),
        (partial(Staged, stage=PixelShuffle), 4, True),
        (partial(Interpolate, mode="bicubic"), 3, False),
        (partial(Boxed, inner=PixelShuffle), 3, False),
    ):
        assert isinstance(simplify(ESPCN(make, scale)).upsampler, PixelShuffle) == simpler


def test_wide_stages_stay_because_one_convolution_would_cost_more():
    network = EDSR(partial(Staged, stage=PixelShuffle), 4, blocks=1, features=16)
    assert isinstance(simplify(network).upsampler, Staged)
