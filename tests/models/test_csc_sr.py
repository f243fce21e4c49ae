"""Guards: CSC-SR learns its dictionaries step by step, and CSC starts from them."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from common import largest, normal_noise

from srlab.imaging.resample import mirror_pad
from srlab.models.csc import CSC
from srlab.models.csc_sr import CSCSR
from srlab.sparse_coding.fista import code_by_fista
from srlab.sparse_coding.operators import sparse_objective, transform
from srlab.sparse_coding.regression import moments
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv


def test_a_deconvolution_is_zero_insertion_and_convolution_of_mapped_codes():
    """The paper's synthesis: K maps to J, zeros in between, J filters (methods of section 3)."""
    scale, mapping, filters = 3, torch.rand(5, 4, dtype=torch.float64), normal_noise(5, 1, 9, 9)
    mapping /= mapping.sum(dim=1, keepdim=True)
    codes = normal_noise(1, 4, 8, 7)
    sparse = torch.zeros(1, 5, 24, 21, dtype=torch.float64)
    sparse[..., 1::3, 1::3] = torch.einsum("jk,nkhw->njhw", mapping, codes)
    wanted = F.conv_transpose2d(sparse, filters, padding=4)
    head = Deconv(4, 1, scale, kernel_size=9).double()
    head.deconv.weight.data.copy_(torch.einsum("jk,johw->kohw", mapping, filters))
    torch.nn.init.zeros_(head.deconv.bias)
    assert largest(head(F.pad(codes, [head.halo] * 4)) - wanted) < 1e-12


def test_no_border_leaks_to_the_opposite_one():
    model = CSCSR(partial(Deconv, kernel_size=15), 3, filters=16, block=24)
    lr = torch.rand(1, 1, 24, 24)
    other = lr.clone()
    other[..., -1] = 1 - other[..., -1]
    change = (model(lr) - model(other)).abs()
    assert largest(change[..., :6]) < 1e-3 * largest(change)
    assert largest(change[..., -6:]) > 0


def classical(upsampler):
    torch.manual_seed(0)
    return CSCSR(upsampler, 2, filters=8, kernel_size=5, iterations=20)


def learn(model, steps):
    terms = []
    for step in steps:
        coarse = torch.rand(4, 1, 14, 14, generator=torch.Generator().manual_seed(step))
        hr = F.interpolate(coarse, size=96, mode="bilinear").clamp(0.2, 0.8)
        lr = F.avg_pool2d(hr, 2)
        terms.append(model.learn(mirror_pad(lr, model.frame), hr))
    return terms


def learned(upsampler):
    model = classical(upsampler)
    return model, learn(model, range(12))


@pytest.fixture(scope="module")
def taught():
    """One that has learnt, and what it lowered."""
    return learned(partial(Deconv, kernel_size=10))


def test_learning_goes_on_from_its_state_with_the_same_bits():
    head = partial(Deconv, kernel_size=10)
    whole, first, second = (classical(head) for _ in range(3))
    learn(whole, range(6))
    learn(first, range(3))
    second.load_state_dict(first.state_dict())
    learn(second, range(3, 6))
    for name, value in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name


def test_what_is_learnt_lowers_both_objectives_and_is_the_same_for_equal_layers(taught):
    model, terms = taught
    assert terms[-1]["coding"] < 0.8 * terms[0]["coding"]
    assert terms[-1]["synthesis"] < 0.8 * terms[0]["synthesis"]
    assert model.filters.flatten(1).norm(dim=1).max() <= 1 + 1e-5
    other, _ = learned(partial(PixelShuffle, kernel_size=5))
    picture = torch.rand(1, 1, 20, 30)
    assert largest(model(picture) - other(picture)) < 1e-5


def test_the_moments_are_those_of_all_steps_the_later_the_more_they_count(monkeypatch):
    of_steps = []

    def noted(*arguments):
        of_steps.append(moments(*arguments))
        return of_steps[-1]

    monkeypatch.setattr("srlab.models.csc_sr.moments", noted)
    model = classical(partial(Deconv, kernel_size=10))
    learn(model, range(4))
    shares = [n / 35 for n in (1, 4, 10, 20)]
    for mean, each in zip((model.taps, model.answers), zip(*of_steps, strict=True), strict=True):
        wanted = sum(share * part for share, part in zip(shares, each, strict=True))
        assert largest(mean - wanted) < 1e-5 * largest(wanted)


def test_flat_pictures_teach_nothing_and_break_nothing():
    model = CSCSR(partial(Deconv, kernel_size=10), 2, filters=12)
    before = model.filters.clone()
    side = 8 + 2 * model.frame
    model.learn(torch.full((2, 1, side, side), 0.9), torch.full((2, 1, 16, 16), 0.9))
    assert torch.equal(model.filters, before)
    assert largest(model.responses()) < 1e-3


def test_what_cannot_hold_a_kernel_is_refused():
    with pytest.raises(ValueError, match="ResizeConv cannot represent it"):
        CSCSR(ResizeConv, 2, filters=4).check_learning()
    with pytest.raises(ValueError, match=r"raise model\.kernel_size"):
        CSCSR(partial(PixelShuffle, kernel_size=7), 2, filters=4).check_learning()


def test_the_unrolled_network_starts_as_ista_with_the_classical_dictionaries(taught):
    taught, _ = taught
    network = CSC(partial(Deconv, kernel_size=10), 2, filters=8, iterations=400, weight=0.5)
    network.start_from(taught.state_dict())
    residual = torch.zeros(1, 1, 40, 40)
    residual[..., 12:28, 12:28] = torch.randn(1, 1, 16, 16)  # its zero borders are like a circle
    size = 0.5 / network.threshold[0, 0, 0]  # by which its codes are larger
    spectrum = transform(taught.filters, (40, 40))
    one = network.codes(residual) / size
    other = code_by_fista(residual, taught.filters, 0.5, 1000)
    reached = [sparse_objective(residual, codes, spectrum, 0.5) for codes in (one, other)]
    assert largest(reached[0] / reached[1] - 1) < 0.01
    framed = [F.pad(codes, [2] * 4) for codes in (size * one, one)]
    made, wanted = network.upsampler(framed[0]), taught.upsampler(framed[1])
    assert largest(made - wanted) < 1e-5 * largest(wanted)
    held = network.synthesis.clone()
    other = CSC(partial(Deconv, kernel_size=6), 2, filters=8)
    with pytest.raises(ValueError, match=r"its upsampler is another: size mismatch for deconv"):
        other.start_from(taught.state_dict())
    with pytest.raises(ValueError, match="its filters are zeros"):
        network.start_from(taught.state_dict() | {"filters": torch.zeros(8, 1, 5, 5)})
    assert torch.equal(network.synthesis, held)
    with pytest.raises(ValueError, match="its filters are"):
        CSC(partial(Deconv, kernel_size=10), 2, filters=9).start_from(taught.state_dict())
