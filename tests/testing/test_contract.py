"""Guards: every network that a config names keeps its contract, and what breaks it is found."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from srlab.imaging.resample import crop, mirror_pad
from srlab.models.base import Model
from srlab.testing import check_model, model_configs, upsampler_configs
from srlab.upsamplers.simplify import upsamplers_of

UPSAMPLERS = dict(upsampler_configs())
MODELS = {name: (make, upsampler) for name, make, upsampler in model_configs()}

every_upsampler = pytest.mark.parametrize("upsampler", UPSAMPLERS.values(), ids=UPSAMPLERS)


# What the configs name


@pytest.mark.parametrize(("make", "upsampler"), MODELS.values(), ids=MODELS)
def test_a_model_of_the_configs_keeps_the_contract(make, upsampler):
    check_model(make, upsampler, scales=(2, 3))


@every_upsampler
def test_an_upsampler_of_the_configs_goes_into_every_model_of_the_configs(upsampler):
    for make, _ in MODELS.values():
        model = make(upsampler, 2, 3).eval()
        with torch.no_grad():
            assert model(torch.rand(1, 3, 5, 4)).shape == (1, 3, 10, 8)


@pytest.mark.parametrize(("make", "default"), MODELS.values(), ids=MODELS)
def test_the_body_of_a_network_starts_alike_whatever_its_upsampler_is(make, default):
    def body(upsampler):
        torch.manual_seed(3)
        network = make(upsampler, 2, 1)
        heads = tuple(name for name, _ in upsamplers_of(network))
        return {k: v for k, v in network.state_dict().items() if not k.startswith(heads)}

    own = body(default)
    for upsampler in UPSAMPLERS.values():
        other = body(upsampler)
        assert other.keys() == own.keys()
        assert all(torch.equal(other[name], own[name]) for name in own)


def test_there_are_configs_to_judge():
    assert {"espcn", "srcnn", "bicubic"} <= MODELS.keys()


# Each kind of fault is found


class Network(Model):
    """A model that keeps the contract: zero padding inside, and the frame of its upsampler."""

    def __init__(self, upsampler, scale, channels):
        super().__init__()
        self.scale, self.channels = scale, channels
        self.body = nn.Sequential(
            nn.Conv2d(channels, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)
        )
        self.upsampler = upsampler(8 + channels, channels, scale)
        self.frame = self.upsampler.halo
        self.halo = 2 + self.upsampler.halo + self.frame
        self.prepare()

    def prepare(self):
        pass

    def features(self, picture):
        return self.body(picture)

    def forward(self, lr, halo=0):
        framed = mirror_pad(crop(lr, max(halo - self.frame, 0)), max(self.frame - halo, 0))
        x = F.pad(self.features(crop(framed, self.frame)), [self.frame] * 4)
        return self.upsampler(torch.cat([x, framed], dim=1))


class SaysAnotherScale(Network):
    def prepare(self):
        self.scale = 5


class SaysAnotherChannelCount(Network):
    def prepare(self):
        self.channels += 1


class SaysNoGrid(Network):
    grid = None


class WantsAFrameBeyondItsHalo(Network):
    def prepare(self):
        self.halo = 0


class LooksFarther(Network):
    def prepare(self):
        self.halo -= 1


class Pools(Network):
    def prepare(self):
        self.halo += 2

    def features(self, picture):
        pooled = F.max_pool2d(super().features(picture), 3, ceil_mode=True)
        enlarged = F.interpolate(pooled, scale_factor=3)
        return enlarged[..., : picture.shape[-2], : picture.shape[-1]]


class IgnoresTheHalo(Network):
    def forward(self, lr, halo=0):
        return super().forward(lr)


class FramesWithZeros(Network):
    def forward(self, lr, halo=0):
        more = max(self.frame - halo, 0)
        return super().forward(F.pad(lr, [more] * 4), halo + more)


class NeedsNoFrame(Network):
    def forward(self, lr, halo=0):
        return super().forward(crop(lr, halo))


class LeavesALayerOut(Network):
    def prepare(self):
        self.spare = nn.Conv2d(1, 1, 1)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (SaysAnotherScale, r"SaysAnotherScale \(scale 2, 1 channels\) says scale = 5"),
        (SaysAnotherChannelCount, "says channels = 2"),
        (SaysNoGrid, "does not say its grid"),
        (WantsAFrameBeyondItsHalo, "wants a frame of 1 pixels, but says that it looks at 0"),
        (LooksFarther, "another picture in tiles .* looks farther than its halo of 3"),
        (Pools, "another picture in tiles .* its grid of 1 is not true"),
        (IgnoresTheHalo, r"makes .* of a picture of 1x1 with halo=1; wanted is \[1, 1, 2, 2\]"),
        (FramesWithZeros, "mirrored at its border"),
        (NeedsNoFrame, "ignores its frame of 1 pixels"),
        (LeavesALayerOut, "no gradient reaches spare.weight"),
    ],
)
def test_a_broken_promise_of_a_model_is_named(make, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_model(make)


def test_a_model_that_keeps_the_contract_passes():
    check_model(Network)
