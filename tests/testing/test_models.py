"""Guards: whatever breaks the contract of models is found by ``check_model``, and said."""

import inspect
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from srlab.imaging.resample import crop, mirror_pad
from srlab.models.base import Model
from srlab.testing import check_model
from srlab.upsamplers.pixel_shuffle import PixelShuffle


class Network(Model):
    """A model that keeps the contract: zero padding inside, and the frame of its upsampler."""

    size = 3  # of the kernels of the body

    def __init__(self, upsampler, scale, channels):
        super().__init__()
        self.scale, self.channels = scale, channels
        pad = self.size // 2
        self.body = nn.Sequential(
            nn.Conv2d(channels, 8, self.size, padding=pad),
            nn.ReLU(),
            nn.Conv2d(8, 8, self.size, padding=pad),
        )
        self.upsampler = upsampler(8 + channels, channels, scale)
        self.frame = self.upsampler.halo
        self.halo = 2 * pad + self.upsampler.halo + self.frame
        self.prepare()

    def prepare(self):
        pass

    def features(self, picture):
        return self.body(picture)

    def forward(self, lr, halo=0):
        framed = mirror_pad(crop(lr, max(halo - self.frame, 0)), max(self.frame - halo, 0))
        x = F.pad(self.features(crop(framed, self.frame)), [self.frame] * 4)
        return self.upsampler(torch.cat([x, framed], dim=1))


class Wide(Network):
    """One whose frame is wider than needed, which is no fault."""

    def prepare(self):
        self.frame += 2
        self.halo += 2

    def forward(self, lr, halo=0):
        own = self.upsampler.halo
        framed = mirror_pad(crop(lr, max(halo - self.frame, 0)), max(self.frame - halo, 0))
        framed = crop(framed, self.frame - own)
        x = F.pad(self.features(crop(framed, own)), [own] * 4)
        return self.upsampler(torch.cat([x, framed], dim=1))


class SaysAnotherScale(Network):
    def prepare(self):
        self.scale = 5


class SaysAnotherChannelCount(Network):
    def prepare(self):
        self.channels += 1


class SaysNoGrid(Network):
    grid = None


class SaysANegativeGrid(Network):
    grid = 0


class WantsAFrameBeyondItsHalo(Network):
    def prepare(self):
        self.halo = 0


class LooksFarther(Network):
    def prepare(self):
        self.halo -= 2


class CountsNoFrame(Network):
    """Its halo holds all that it looks at, but is not its context and the frame around that."""

    def prepare(self):
        self.halo -= 1


class LooksFartherOfACell(Network):
    """Tiles do not show it: their context is rounded up to the grid."""

    grid = 4

    def prepare(self):
        self.halo -= 2


class DependsOnTheWholePicture(Network):
    def features(self, picture):
        return super().features(picture) - picture.mean((-1, -2, -3), keepdim=True)


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


class RepeatsTheEdge(Network):
    """As mirroring does for a frame of one pixel, but not for one of two."""

    def __init__(self, _, scale, channels):
        super().__init__(partial(PixelShuffle, kernel_size=5), scale, channels)

    def forward(self, lr, halo=0):
        more = max(self.frame - halo, 0)
        return super().forward(F.pad(lr, [more] * 4, mode="replicate"), halo + more)


class UsesWhatIsMoreThanItsFrame(Network):
    def forward(self, lr, halo=0):
        framed = mirror_pad(lr, max(self.frame - halo, 0))
        more = max(halo, self.frame) - self.frame
        x = F.pad(self.features(crop(framed, self.frame)), [self.frame] * 4)
        return crop(self.upsampler(torch.cat([x, framed], dim=1)), self.scale * more)


class MirrorsThePictureWithoutItsFrame(Wide):
    def forward(self, lr, halo=0):
        return super().forward(
            lr if halo >= self.frame else crop(lr, halo), halo * (halo >= self.frame)
        )


class NeedsNoFrame(Network):
    def forward(self, lr, halo=0):
        return super().forward(crop(lr, halo))


class LeavesALayerOut(Network):
    def prepare(self):
        self.spare = nn.Conv2d(1, 1, 1)


class MixesTheBatch(Network):
    def features(self, picture):
        return super().features(picture - picture.mean(0))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (SaysAnotherScale, r"SaysAnotherScale \(scale 2, 1 channels\) says scale = 5"),
        (SaysAnotherChannelCount, "says channels = 2"),
        (SaysNoGrid, "does not say its grid"),
        (SaysANegativeGrid, "says grid = 0; it must be at least 1"),
        (WantsAFrameBeyondItsHalo, "wants a frame of 1 pixels, but says that it looks at 0"),
        (LooksFarther, "looks farther than its halo of 2: .* Say a halo that holds all"),
        (
            CountsNoFrame,
            "tiles .* Beyond its frame of 1 it looks farther than the rest of its halo",
        ),
        (LooksFartherOfACell, "looks farther than its halo of 2"),
        (DependsOnTheWholePicture, "says whole = True"),
        (Pools, "another picture in tiles .* grid of 1 is not true"),
        (IgnoresTheHalo, r"makes .* of a picture of 1x1 with halo=1; wanted is \[1, 1, 2, 2\]"),
        (FramesWithZeros, "mirrored at its border"),
        (RepeatsTheEdge, "mirrored at its border by 2 pixels, where its frame is 2"),
        (UsesWhatIsMoreThanItsFrame, "what is more than its frame must be cut off"),
        (
            MirrorsThePictureWithoutItsFrame,
            "lacks when 1 are there: .* the frame that it has, once",
        ),
        (NeedsNoFrame, "ignores its frame of 1 pixels"),
        (LeavesALayerOut, "no gradient reaches spare.weight"),
        (MixesTheBatch, "mixes the pictures of a batch"),
        (lambda *_: None, "is a NoneType, no nn.Module"),
    ],
)
def test_a_broken_promise_of_a_model_is_named(make, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_model(make)


def test_a_model_that_keeps_the_contract_passes():
    check_model(Network)
    check_model(Network, scales=(2,), tolerance=1e-12)


def test_waste_is_no_fault():
    class Wasteful(Wide):
        grid = 3

        def prepare(self):
            super().prepare()
            self.halo += 5

    check_model(Wasteful, scales=(2,))


def test_what_is_refused_is_passed_over_as_long_as_something_is_accepted():
    def grey(upsampler, scale, channels):
        if channels > 1 or scale % 2:
            raise ValueError("only grey pictures, by an even scale")
        return Network(upsampler, scale, channels)

    check_model(grey)
    with pytest.raises(AssertionError, match=r"refuses every scale .* as in: only grey pictures"):
        check_model(grey, scales=(3,))


def test_packages_may_call_it_as_they_did():
    assert list(inspect.signature(check_model).parameters)[:3] == ["make", "upsampler", "scales"]
