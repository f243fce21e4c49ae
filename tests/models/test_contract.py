"""Guards: every network keeps what ``srlab.models`` promises, with every kind of upsampler.

The promises themselves are told and judged by ``srlab.testing.check_model``.
"""

import pytest
import torch
from common import largest, picture
from models.variants import GUIDED, VARIANTS, WHOLE, variant

from srlab.config.build import build
from srlab.config.compose import option_node
from srlab.imaging.resample import mirror_pad
from srlab.inference.tiles import upscale_tiled
from srlab.testing import check_model, model_configs, upsampler_configs
from srlab.testing.models import influence
from srlab.upsamplers.simplify import upsamplers_of

# As a run makes them: the config is read once, at the scale of the network.
UPSAMPLERS = {
    name: build(option_node("upsampler", name, "upsampler", 3), "upsampler")
    for name, _ in upsampler_configs()
}
MODELS = {name: (make, upsampler) for name, make, upsampler in model_configs()}


# These take longer than all others together, and run the code that their variants run.
LARGE = {"csc", "csc_sr", "edsr_baseline", "scn", "span", "unet", "vdsr"}


@pytest.mark.parametrize("name", sorted(MODELS.keys() - LARGE))
def test_a_model_of_the_configs_keeps_the_contract(name):
    make, upsampler = MODELS[name]
    check_model(make, upsampler, scales=(2,))


def test_a_model_of_the_configs_has_the_scale_and_the_channels_it_is_asked_for():
    offenders = []
    for name, (make, upsampler) in MODELS.items():
        for scale, channels in ((3, 1), (4, 3)):
            model = make(upsampler, scale, channels)
            if (model.scale, model.channels) != (scale, channels):
                offenders.append((name, scale, channels))
    assert not offenders


@pytest.mark.parametrize("name", VARIANTS)
def test_a_network_keeps_the_contract_to_a_trillionth(name):
    make, own = VARIANTS[name]
    check_model(make, own, scales=(3,), tolerance=1e-12)
    check_model(make, GUIDED, scales=(2,), tolerance=1e-12)


def test_every_network_of_the_configs_has_a_variant():
    assert {"espcn", "srcnn", "bicubic"} <= MODELS.keys()
    assert {"pixel_shuffle", "deconv", "resize_conv", "bicubic"} <= UPSAMPLERS.keys()
    ours = {type(variant(name)) for name in VARIANTS}
    assert {type(make(upsampler, 2, 1)) for make, upsampler in MODELS.values()} == ours


@torch.no_grad()
def test_every_upsampler_of_the_configs_goes_into_every_network():
    offenders = []
    for name, (make, _) in VARIANTS.items():
        for upsampler, factory in UPSAMPLERS.items():
            made = make(factory, 3, 3).eval()(torch.rand(1, 3, 5, 4)).shape
            if made != (1, 3, 15, 12):
                offenders.append((name, upsampler, made))
    assert not offenders


def test_the_body_of_a_network_starts_alike_whatever_its_upsampler_is():
    def body(make, upsampler, seed):
        torch.manual_seed(seed)
        network = make(upsampler, 3, 1)
        heads = tuple(name for name, _ in upsamplers_of(network))
        return {k: v for k, v in network.state_dict().items() if not k.startswith(heads)}

    def same(one, other):
        return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)

    offenders = []
    for name, (make, own) in VARIANTS.items():
        first = body(make, own, seed=3)
        for upsampler, factory in UPSAMPLERS.items():
            if not same(first, body(make, factory, seed=3)):
                offenders.append((name, upsampler))
        if first and same(first, body(make, own, seed=4)):
            offenders.append((name, "another seed"))
    assert not offenders


# By how many pixels a halo may be too wide. What convolves at high resolution looks at fractions of
# a low-resolution pixel, which are rounded up; what frames the picture for bicubic is not what the
# convolutions see that pad with zeros.
def slack(name, scale):
    if name in ("edsr + bicubic", "espcn among zeros"):
        return 3 if name.startswith("edsr") else 2
    return 1 if scale > 2 and name.startswith(("srcnn", "vdsr", "scn", "edsr")) else 0


@torch.no_grad()
def test_the_halo_is_as_narrow_as_can_be():
    offenders = []
    for name in VARIANTS:
        for scale in (2, 3, 4):
            model = variant(name, scale)
            within = model.halo - 1 - slack(name, scale)
            ends = {0, model.grid - 1}
            for axis in (-1, -2):
                reached = max(influence(model, within, end, axis) for end in ends)
                beyond = max(influence(model, model.halo, end, axis) for end in ends)
                if not beyond == 0 < 1e-12 < reached:
                    offenders.append((name, scale, axis, model.halo, reached, beyond))
    assert not offenders


@torch.no_grad()
def test_with_a_guide_the_halo_is_wider_by_no_more_than_the_frame_of_the_guide():
    offenders = []
    for name in VARIANTS:
        model = variant(name, 3, upsampler=GUIDED)
        spare = 1 if model.frame == model.halo else model.frame
        ends = {0, model.grid - 1}
        reached = max(influence(model, model.halo - 1 - spare, end) for end in ends)
        if not reached > 1e-12:
            offenders.append((name, model.halo, reached))
    assert not offenders


@torch.no_grad()
def test_a_network_takes_the_picture_whole_where_its_upsampler_must():
    offenders = []
    for name in VARIANTS:
        model, lr = variant(name, channels=3, upsampler=WHOLE), picture(1, 3, 13, 11)
        sr = model(lr)
        framed = [model(mirror_pad(lr, h), halo=h) for h in (model.frame, model.halo + 1)]
        if not (
            model.whole
            and not variant(name).whole
            and torch.equal(upscale_tiled(model, lr, 4), sr)
            and sr.shape == (1, 3, 26, 22)
            and max(largest(other - sr) for other in framed) < 1e-12
        ):
            offenders.append(name)
    assert not offenders
