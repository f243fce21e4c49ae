"""Guards: VDSR is the paper's, and starts as its upsampler if asked."""

from functools import partial

import pytest
import torch
from common import convolve, count, largest, picture
from models.variants import BOXED, DECONV_9X9, GUIDED, variant
from torch import nn

from srlab.imaging.resample import enlarge
from srlab.models.base import MID_GREY
from srlab.models.plain import Plain
from srlab.models.vdsr import VDSR
from srlab.upsamplers.interpolation import Interpolate

pytestmark = pytest.mark.usefixtures("_no_gradients")


def test_vdsr_has_the_weights_of_the_paper_at_every_scale():
    for scale in (2, 3, 4):
        model = VDSR(Interpolate, scale)
        assert sum(p.numel() for p in model.parameters() if p.dim() == 4) == 664_704
        assert count(model) == 665_921
        assert sum(isinstance(layer, nn.Conv2d) for layer in model.body) == 20
        assert sum(isinstance(layer, nn.ReLU) for layer in model.body) == 19
        assert isinstance(model.body[-1], nn.Conv2d)


@torch.enable_grad()
def test_a_pixel_of_vdsr_sees_41_x_41_of_the_enlarged_picture():
    nearest = partial(Interpolate, mode="nearest")
    model = VDSR(nearest, 1, features=2).double()
    assert model.halo == 20
    for parameter in model.parameters():
        parameter.data.fill_(1 / 18 if parameter.dim() > 1 else 0.01)
    lr = (picture(1, 1, 51, 51) + 1).requires_grad_()
    model(lr)[0, 0, 25, 25].backward()
    seen = torch.zeros(51, 51, dtype=torch.bool)
    seen[5:46, 5:46] = True
    assert torch.equal(lr.grad[0, 0] != 0, seen)


def test_the_halo_of_vdsr_is_its_layers_in_low_resolution_pixels_and_bicubics_two():
    halos = {(20, 2): 2 + 10, (20, 3): 2 + 7, (20, 4): 2 + 5, (3, 2): 2 + 2}
    for (depth, scale), halo in halos.items():
        assert VDSR(Interpolate, scale, depth=depth, features=1).halo == halo


def test_vdsr_adds_to_the_bicubic_picture_what_its_convolutions_padded_with_zeros_make_of_it():
    model = variant("vdsr", 3, channels=3)
    lr = picture(2, 3, 5, 4)
    bicubic = enlarge(lr, 3)
    x = bicubic - MID_GREY
    for layer in model.body:
        x = convolve(x, layer) if isinstance(layer, nn.Conv2d) else x.relu()
    assert largest(model(lr) - (bicubic + x)) < 1e-12


@pytest.mark.parametrize("channels", [1, 3])
def test_vdsr_starts_as_its_upsampler(channels):
    for upsampler in (Interpolate, DECONV_9X9, BOXED, GUIDED):
        model = VDSR(upsampler, 2, channels, depth=4, features=5, init="identity").double()
        alone = Plain(lambda *_, head=model.upsampler: head, 2, channels)
        lr = picture(1, channels, 5, 6)
        assert largest(model(lr) - (alone(lr - MID_GREY) + MID_GREY)) < 1e-12


def test_vdsr_starts_as_bicubic_and_by_default_as_something_else():
    lr = picture(1, 1, 7, 8)
    model = VDSR(Interpolate, 3, init="identity").double()
    assert largest(model(lr) - enlarge(lr, 3)) < 1e-12
    assert largest(VDSR(Interpolate, 3).double()(lr) - enlarge(lr, 3)) > 1e-2


def test_vdsr_starts_with_he_normal_weights_so_that_its_activations_keep_their_size():
    model = VDSR(Interpolate, 2)
    for layer in model.body:
        if isinstance(layer, nn.Conv2d) and layer.out_channels == 64:
            fan_in = layer.in_channels * 9
            assert layer.weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.12)
            assert largest(layer.bias) == 0
