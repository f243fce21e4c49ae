"""Guards: multiply-adds and memory of a network are counted as papers count them."""

from functools import partial

import pytest
import torch
from torch import nn

from srlab.measuring.cost import multiply_adds, tensor_memory
from srlab.models.edsr import EDSR
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.models.srcnn import SRCNN
from srlab.models.vdsr import VDSR
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv
from srlab.upsamplers.staged import Staged


def cost(network, channels=1):
    def run(module, rows, columns):
        return module(torch.empty(1, channels, rows, columns, device="meta"))

    return multiply_adds(network, run)


@pytest.mark.parametrize("padding", [0, 1])
def test_a_convolution_costs_its_weights_for_each_pixel_without_its_border(padding):
    conv = nn.Sequential(nn.Conv2d(3, 5, 3, padding=padding), nn.Conv2d(5, 2, 1))
    assert cost(conv, 3) == {"": 145.0, "0": 135.0, "1": 10.0}


@pytest.mark.parametrize("kind", [SRCNN, partial(VDSR, depth=3, features=4)])
def test_each_layer_is_counted_under_its_name(kind):
    network = kind(partial(Interpolate, mode="bicubic"), 2)
    found = cost(network)
    layers = {n: m for n, m in network.named_modules() if type(m) is nn.Conv2d}
    assert {n: found.get(n) for n in layers} == {n: 4 * m.weight.numel() for n, m in layers.items()}


def test_a_pooled_convolution_costs_a_quarter():
    network = nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(1, 4, 3, padding=1))
    assert cost(network)[""] == 9


@pytest.mark.parametrize(
    ("network", "each"),
    [
        (ESPCN(PixelShuffle, 3), 22_624),  # the papers count the weights, which is the same
        (ESPCN(PixelShuffle, 2), 21_184),
        (FSRCNN(partial(Deconv, kernel_size=9), 3), 12_464),
        (ESPCN(ResizeConv, 3), 20_032 + 32 * 81),  # as the one convolution that it is run as
        (EDSR(partial(Staged, stage=PixelShuffle), 2, blocks=1, features=8),
         72 + 3 * 576 + 4 * 576 + 4 * 72),
    ],
)  # fmt: skip
def test_a_network_costs_what_its_paper_says_for_each_low_resolution_pixel(network, each):
    assert cost(network)[""] == each


def test_a_network_at_high_resolution_costs_its_weights_for_each_high_resolution_pixel():
    bicubic = 5 * 3 + 5 * 9  # separable: 5 taps for s lines, then for s^2 pixels
    assert cost(SRCNN(Interpolate, 3))[""] == 9 * 8_032 + bicubic


def test_tensor_memory_is_the_sum_of_what_lives_at_once():
    def run():
        a = torch.empty(1000)
        b = a.view(10, 100)  # no storage of its own
        c = torch.empty(500)
        del a, b
        return c, torch.empty(200)

    assert tensor_memory(run) == 4 * 1500
