"""Every upsampler that a config names keeps its contract; what breaks one is found."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from srlab.errors import WaitingWarning
from srlab.imaging.resample import crop
from srlab.testing import check_upsampler, upsampler_configs

UPSAMPLERS = dict(upsampler_configs())

every_upsampler = pytest.mark.parametrize("upsampler", UPSAMPLERS.values(), ids=UPSAMPLERS)


# What the configs name


@every_upsampler
def test_an_upsampler_of_the_configs_keeps_the_contract(upsampler):
    check_upsampler(upsampler)


def test_there_are_configs_to_judge():
    assert {"pixel_shuffle", "deconv", "resize_conv", "bicubic"} <= UPSAMPLERS.keys()


# Each kind of fault is found


class Sample(nn.Module):
    """An upsampler that keeps the contract."""

    size = 3

    def __init__(self, in_channels, out_channels, scale):
        super().__init__()
        self.scale, self.halo = scale, self.size // 2
        self.conv = nn.Conv2d(in_channels, out_channels, self.size)
        self.prepare()

    def prepare(self):
        pass

    def forward(self, framed):
        return self.enlarge(self.conv(framed))

    def enlarge(self, x):
        return x.repeat_interleave(self.scale, -1).repeat_interleave(self.scale, -2)


class SaysNoHalo(Sample):
    def prepare(self):
        self.halo = None


class Pads(Sample):
    def forward(self, framed):
        return super().forward(F.pad(framed, [1] * 4))


class PadsWithZeros(Sample):
    def forward(self, framed):
        return super().forward(F.pad(crop(framed, self.halo), [self.halo] * 4))


class SaysTooLittleHalo(Sample):
    size = 5

    def prepare(self):
        self.halo = 1


class NormalisesThePicture(Sample):
    def forward(self, framed):
        return super().forward(framed - framed.mean((-1, -2), keepdim=True))


class DrawsLots(Sample):
    def forward(self, framed):
        return super().forward(framed + 1e-3 * torch.rand_like(framed))


class MixesTheBatch(Sample):
    def forward(self, framed):
        return super().forward(framed - framed.mean(0))


class MakesSingles(Sample):
    def forward(self, framed):
        return super().forward(framed).float()


class MakesInfinities(Sample):
    def prepare(self):
        nn.init.constant_(self.conv.bias, torch.inf)


class LeavesAParameterOut(Sample):
    def prepare(self):
        self.spare = nn.Parameter(torch.zeros(3))


class CutsTheGradient(Sample):
    def forward(self, framed):
        return super().forward(framed.detach())


class HidesItsState(Sample):
    def prepare(self):
        self.kernel = torch.rand(1, dtype=torch.float64)

    def forward(self, framed):
        return super().forward(framed) * self.kernel.to(framed)


class CannotBeCopied(Sample):
    def prepare(self):
        self.kernel = 2 * self.conv.weight


class ReturnsTwo(Sample):
    def forward(self, framed):
        return super().forward(framed), framed


class IsWholeWithAFrame(Sample):
    whole = True


class NeedsAGuideUnasked(Sample):
    def forward(self, framed, guide):
        return super().forward(framed)


class TakesOneGuideOnly(Sample):
    guided = True

    def forward(self, framed, guide):
        sr = super().forward(framed)
        return sr + crop(guide.expand(-1, 1, -1, -1), self.scale * self.halo)


class DependsOnAnUnevenGuide(Sample):
    guided = True

    def forward(self, framed, guide):
        sr = super().forward(framed)
        return sr + guide.amax((-1, -2, -3), keepdim=True)


class BreaksDown(Sample):
    def prepare(self):
        raise RuntimeError("scale must be even")


class RefusesWithoutAWord(Sample):
    def prepare(self):
        raise ValueError


class RefusesEverything(Sample):
    def prepare(self):
        raise ValueError("scale must be a multiple of seven")


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (SaysNoHalo, "needs an attribute halo"),
        (Pads, r"Pads\(1, 1, 2\) makes \[2, 1, 6, 6\] of a picture of 1x1 .* pad nothing"),
        (PadsWithZeros, "depends on where the picture ends: cut off at the top"),
        (SaysTooLittleHalo, "fails on 2x1x3x3: RuntimeError: .*[Kk]ernel size"),
        (NormalisesThePicture, "says whole = True"),
        (DrawsLots, "another output the second time"),
        (MixesTheBatch, "mixes the pictures of a batch"),
        (MakesSingles, "makes torch.float32 of torch.float64"),
        (MakesInfinities, "not finite"),
        (LeavesAParameterOut, "no gradient reaches spare"),
        (CutsTheGradient, "no gradient reaches the input"),
        (HidesItsState, "its state_dict lacks"),
        (CannotBeCopied, "cannot be copied by copy.deepcopy"),
        (ReturnsTwo, "returns a tuple, no tensor"),
        (IsWholeWithAFrame, "its halo must be 0, not 1"),
        (NeedsAGuideUnasked, "missing 1 required positional argument: 'guide'"),
        (TakesOneGuideOnly, "fails on .* expand"),
        (DependsOnAnUnevenGuide, "depends on where the picture ends"),
        (BreaksDown, "cannot be made: RuntimeError: scale must be even"),
        (RefusesWithoutAWord, "refused without a word"),
        (RefusesEverything, "refuses every scale .* as in: scale must be a multiple of seven"),
        (lambda i, o, s: "deconv", "is a str, no nn.Module"),
    ],
)
def test_a_broken_promise_of_an_upsampler_is_named(make, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_upsampler(make)


def test_an_upsampler_that_keeps_the_contract_passes_though_it_refuses_a_scale():
    def even(inputs, outputs, scale):
        if scale % 2:
            raise ValueError(f"the scale must be even, got {scale}")
        return Sample(inputs, outputs, scale)

    check_upsampler(Sample)
    check_upsampler(even)


def test_a_judgement_leaves_the_random_numbers_alone():
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    check_upsampler(Sample, scales=(2,))
    assert torch.equal(torch.rand(1), expected)


def waiting(line):
    """Return an upsampler that keeps the contract, with a line that uses the picture ``x``."""

    class Waits(Sample):
        def forward(self, framed):
            return super().forward(framed) + 0 * eval(line, {"torch": torch, "x": framed}).sum()

    return Waits


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("torch.tensor([2.0]).to(x)", r"a copy between CPU and GPU in <string>, line 1"),
        ("torch.tensor([2.0], device=x.device)", "numbers that are copied"),
        ("torch.as_tensor([2.0], device=x.device)", "numbers that are copied"),
        ("x.new_tensor([2.0])", "numbers that are copied"),
        ("x[..., [1, 0]]", "an index that lies on the CPU"),
        ("x[..., torch.tensor([1, 0])]", "an index that lies on the CPU"),
        ("x[x >= 0]", "waits for a GPU"),
        ("x * (1 if x.abs().sum() > 0 else 2)", "a look at a value"),
        ("torch.linalg.inv(x.new_ones(1, 2, 2) + torch.eye(2, device=x.device))", "a look at a"),
    ],
)
def test_what_waits_for_a_gpu_within_a_step_is_warned_of(line, reason):
    with pytest.warns(WaitingWarning, match=reason):
        check_upsampler(waiting(line), scales=(2,))


@pytest.mark.parametrize(
    "line",
    [
        "x.new_full((3,), 2.0)",
        "x[..., 1:]",
        "x[0]",
        "torch.arange(3, device=x.device) + x[0, 0, 0, 0]",
    ],
)
def test_what_does_not_wait_is_not_warned_of(line):
    check_upsampler(waiting(line), scales=(2,))


def test_what_cannot_be_rehearsed_is_said_and_passes():
    def fail(x):
        if x.device.type == "meta":
            raise NotImplementedError("no kernel for meta")
        return x

    class OfAnotherPackage(Sample):
        def forward(self, framed):
            return super().forward(fail(framed))

    with pytest.warns(WaitingWarning, match="cannot be told: .* NotImplementedError: no kernel"):
        check_upsampler(OfAnotherPackage, scales=(2,))
