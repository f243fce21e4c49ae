"""Sparse coding and its dictionaries: closed forms, adjoints, and solvers that agree."""

import runpy
import shutil
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from common import command_line, count, largest, picture, save_pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from srlab.imaging.files import read_pixels, to_tensor
from srlab.imaging.resample import crop, mirror_pad
from srlab.models.csc import CSC
from srlab.models.csc_sr import CSCSR
from srlab.models.scn import SCN
from srlab.sparse_coding.admm import code_by_admm, solve_rank_one
from srlab.sparse_coding.contact_sheet import contact_sheet
from srlab.sparse_coding.fista import code_by_fista
from srlab.sparse_coding.operators import (
    analyse,
    lipschitz,
    random_filters,
    sparse_objective,
    synthesise,
    transform,
)
from srlab.sparse_coding.regression import descend_in_balls, inner_taps, moments, ridge
from srlab.sparse_coding.shrinkage import soft_threshold
from srlab.sparse_coding.split import REACH, smooth_of, smoothing_kernel
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv

SCRIPTS = Path(__file__).parents[2] / "scripts/results"


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def noise(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def filters_of(count, size):
    return random_filters(count, size).double()


@given(st.floats(-3, 3), st.floats(0, 2))
def test_the_soft_threshold_is_the_proximal_operator_of_the_absolute_value(x, threshold):
    found = soft_threshold(torch.tensor(x, dtype=torch.float64), threshold)
    near = found + torch.linspace(-1, 1, 201, dtype=torch.float64)
    cost = (near - x) ** 2 / 2 + threshold * near.abs()
    assert cost.min() >= (found - x) ** 2 / 2 + threshold * found.abs() - 1e-12


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 6), st.sampled_from([1, 3, 5]), st.integers(5, 12), st.integers(5, 12))
def test_analysis_is_the_adjoint_of_synthesis(count, size, height, width):
    spectrum = transform(filters_of(count, size), (height, width))
    codes, picture = noise(2, count, height, width), noise(2, 1, height, width)
    one = (synthesise(codes, spectrum) * picture).sum()
    other = (codes * analyse(picture, spectrum)).sum()
    assert largest(one - other) < 1e-10 * (1 + largest(one))


def test_synthesis_is_a_convolution_on_a_circle():
    filters, codes = filters_of(4, 5), noise(1, 4, 9, 11)
    wrapped = F.pad(codes, [2] * 4, mode="circular")
    wanted = crop(F.conv_transpose2d(wrapped, filters), 4)
    assert largest(synthesise(codes, transform(filters, (9, 11))) - wanted) < 1e-12


def test_the_lipschitz_constant_is_the_largest_eigenvalue():
    spectrum = transform(filters_of(3, 3), (8, 8))
    x = noise(1, 3, 8, 8)
    for _ in range(2000):
        x = analyse(synthesise(x, spectrum), spectrum)
        size = x.norm()
        x = x / size
    assert largest(size / lipschitz(spectrum) - 1) < 1e-6


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 100.0])
def test_sherman_and_morrison_solve_the_system_of_each_frequency(penalty):
    d = torch.complex(noise(5, 4, 3), noise(5, 4, 3))
    right = torch.complex(noise(2, 5, 4, 3), noise(2, 5, 4, 3))
    z = solve_rank_one(d, right, penalty)
    back = d.conj() * (d * z).sum(dim=1, keepdim=True) + penalty * z
    assert (back - right).abs().max() < 1e-9


def test_admm_and_fista_reach_the_same_objective():
    filters, picture = filters_of(12, 5), noise(2, 1, 24, 20)
    spectrum = transform(filters, (24, 20))
    one, other = (
        sparse_objective(picture, codes, spectrum, 0.3)
        for codes in (
            code_by_admm(picture, filters, 0.3, 600, 3.0),
            code_by_fista(picture, filters, 0.3, 2000),
        )
    )
    assert largest(one / other - 1) < 1e-3


def test_codes_meet_the_optimality_condition():
    filters, picture = filters_of(6, 3), noise(1, 1, 16, 16)
    spectrum = transform(filters, (16, 16))
    codes = code_by_fista(picture, filters, 0.5, 3000)
    slope = analyse(synthesise(codes, spectrum) - picture, spectrum)
    assert largest(slope) < 0.5 + 1e-4
    assert largest((slope + 0.5 * codes.sign())[codes != 0]) < 1e-4


@pytest.mark.parametrize("damping", [1e-8, 1e-3])
def test_ridge_regression_of_codes_that_are_all_zero_is_zero(damping):
    found = ridge(torch.zeros(300, 300), torch.zeros(300, 4), damping)
    assert torch.equal(found, torch.zeros(300, 4))


def test_ridge_regression_is_that_of_all_pixels():
    codes, targets = noise(2, 3, 10, 9), noise(2, 4, 8, 7)
    found = ridge(*moments(codes, targets, 3), 1e-9)
    rows = F.unfold(codes, 3).transpose(1, 2).flatten(0, 1)
    wanted = torch.linalg.lstsq(rows, targets.flatten(2).transpose(1, 2).flatten(0, 1)).solution
    assert largest(found - wanted) < 1e-6


def test_inner_taps_are_those_of_a_smaller_window():
    codes = noise(1, 2, 9, 9)
    rows = F.unfold(codes, 5)[:, inner_taps(2, 5, 3)]
    assert torch.equal(rows, F.unfold(crop(codes, 1), 3))


def alternate(pictures, filters, weight, passes):
    """Yield filters and objective of learning on all pictures, of a circle, at once."""
    count, _, size, _ = filters.shape
    for _ in range(passes):
        codes = code_by_fista(pictures, filters, weight, 800)
        spectrum = transform(filters, pictures.shape[-2:])
        yield filters, sparse_objective(pictures, codes, spectrum, weight).sum().item()
        around = F.pad(codes, [size // 2] * 4, mode="circular")
        matrix, right = moments(around, pictures, size)
        start = filters.flip(-2, -1).flatten()
        found = descend_in_balls(start, matrix, right[:, 0], size**2, 5)
        filters = found.view(count, 1, size, size).flip(-2, -1)


def test_learning_never_raises_the_objective_and_keeps_filters_in_the_ball():
    pictures, objectives = noise(2, 1, 20, 20), []
    for filters, objective in alternate(pictures, filters_of(6, 3), 0.5, 8):
        objectives.append(objective)
        assert filters.flatten(1).norm(dim=1).max() <= 1 + 1e-6
    assert all(b <= a * (1 + 1e-6) for a, b in pairwise(objectives))
    assert objectives[-1] < 0.95 * objectives[0]


def test_a_planted_dictionary_is_found():
    planted = filters_of(3, 5)
    codes = noise(4, 3, 32, 32) * (torch.rand(4, 3, 32, 32) < 0.02)
    pictures = synthesise(codes, transform(planted, (32, 32)))
    start = planted + 0.15 * noise(3, 1, 5, 5)
    start = start / start.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    *_, (found, _) = alternate(pictures, start, 0.02, 30)
    before = (start * planted).sum(dim=(1, 2, 3))
    after = (found * planted).sum(dim=(1, 2, 3))
    assert before.min() < 0.8
    assert after.min() > 0.99


def test_a_deconvolution_is_zero_insertion_and_convolution_of_mapped_codes():
    """The paper's synthesis: K maps to J, zeros in between, J filters (methods of section 3)."""
    scale, mapping, filters = 3, torch.rand(5, 4, dtype=torch.float64), noise(5, 1, 9, 9)
    mapping /= mapping.sum(dim=1, keepdim=True)
    codes = noise(1, 4, 8, 7)
    sparse = torch.zeros(1, 5, 24, 21, dtype=torch.float64)
    sparse[..., 1::3, 1::3] = torch.einsum("jk,nkhw->njhw", mapping, codes)
    wanted = F.conv_transpose2d(sparse, filters, padding=4)
    head = Deconv(4, 1, scale, kernel_size=9).double()
    head.deconv.weight.data.copy_(torch.einsum("jk,johw->kohw", mapping, filters))
    torch.nn.init.zeros_(head.deconv.bias)
    assert largest(head(F.pad(codes, [head.halo] * 4)) - wanted) < 1e-12


def test_the_smooth_component_minimises_its_functional():
    picture = noise(1, 1, 64, 64)
    kernel = smoothing_kernel(torch.float64)
    smooth = smooth_of(F.pad(picture, [REACH] * 4, mode="circular"), kernel)
    box = torch.zeros(64, 64, dtype=torch.float64)
    box[:2, :2] = box[-1, :2] = 1
    box[:2, -1] = box[-1, -1] = 1
    s = torch.fft.fft2(box)
    slope = 4 - 2 * (
        torch.cos(2 * torch.pi * torch.fft.fftfreq(64, dtype=torch.float64))[:, None]
        + torch.cos(2 * torch.pi * torch.fft.fftfreq(64, dtype=torch.float64))[None, :]
    )
    z = torch.fft.fft2(picture) * s.conj() / (s.abs() ** 2 + 30 * slope)
    assert largest(smooth - torch.fft.ifft2(s * z).real) < 1e-3 * largest(picture)


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


def test_learning_goes_on_from_its_state_with_the_same_bits():
    head = partial(Deconv, kernel_size=10)
    whole, first, second = (classical(head) for _ in range(3))
    learn(whole, range(6))
    learn(first, range(3))
    second.load_state_dict(first.state_dict())
    learn(second, range(3, 6))
    for name, value in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name


def test_what_is_learnt_lowers_both_objectives_and_is_the_same_for_equal_layers():
    model, terms = learned(partial(Deconv, kernel_size=10))
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


def test_the_unrolled_network_starts_as_ista_with_the_classical_dictionaries():
    taught, _ = learned(partial(Deconv, kernel_size=10))
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


def scn(channels=1, **options):
    """Make an SCN in double precision whose patches are not zeros."""
    model = SCN(Interpolate, 2, channels, **options).double().eval().requires_grad_(False)
    nn.init.normal_(model.decode.weight, std=0.2)
    return model


def test_scn_has_the_layers_of_the_paper():
    layers = 5**2 * 4 + 4 * 5**2 * 100 + 100 * 128 + 128 * 128 + 128 * 5**2
    assert count(SCN(Interpolate, 3)) == layers + 128 + 5**2  # thresholds, weights of the overlap


def test_scn_starts_with_first_and_second_differences_of_25_pixels_as_features():
    model = scn()
    y, x = torch.meshgrid(*2 * [torch.arange(9, dtype=torch.float64)], indexing="ij")
    features = model.gather(model.differences((3 * x + 5 * y**2)[None, None]))
    across, bend_across, down, bend_down = features.view(4, 5, 5)
    assert torch.all(across == 6)
    assert torch.equal(down, 20 * y[2:-2, 2:-2])
    assert torch.all(bend_across == 0)
    assert torch.all(bend_down == 40)


def test_scn_starts_as_ista_on_unit_features():
    model, x = scn(recursions=3, weight=0.2), noise(2, 1, 12, 11)
    features = model.gather(model.differences(x))
    unit = features / (features.square().sum(dim=1, keepdim=True) + 1e-6).sqrt()
    step = 0.2 / model.threshold[0, 0, 0]
    atoms = step * model.encode.weight[..., 0, 0]
    assert largest(atoms.norm(dim=1) - 1) < 1e-6
    wanted = torch.zeros(2, 128, 4, 3, dtype=torch.float64)
    for _ in range(4):
        error = unit - torch.einsum("kf,nkhw->nfhw", atoms, wanted)
        moved = wanted + torch.einsum("kf,nfhw->nkhw", atoms, error) / step
        wanted = soft_threshold(moved, 0.2 / step)
    assert largest(model.codes(x) - wanted) < 1e-6
    assert 0 < (wanted != 0).double().mean() < 1


def test_scn_without_patches_is_the_local_mean_of_the_enlarged_picture():
    model, lr = scn(), picture(1, 1, 10, 9)
    model.decode.weight.zero_()
    enlarged = model.upsampler(mirror_pad(lr, model.upsampler.halo + 3))
    assert largest(model(lr) - F.avg_pool2d(enlarged, 13, stride=1)) < 1e-12


def test_scn_adds_overlapping_patches_scaled_by_the_contrast():
    model, lr = scn(atoms=9), picture(1, 1, 8, 8)
    enlarged = model.upsampler(mirror_pad(lr, model.upsampler.halo + 5))
    mean = F.avg_pool2d(enlarged, 13, stride=1)
    near = F.unfold(crop(enlarged, 6) - mean, 5).view(25, 20, 20)
    contrast = (near.square().sum(dim=0) + 1e-6).sqrt()
    atoms = model.decode.weight[..., 0, 0]
    patches = torch.einsum("pk,khw->phw", atoms, model.codes(crop(enlarged, 4))[0]) * contrast
    added = F.fold(patches.flatten(1), (24, 24), 5)[None] / 25
    assert largest(model(lr) - crop(added + mean, 4)) < 1e-8


@given(st.floats(0.3, 1), st.floats(-0.5, 0.5))
@settings(deadline=None, max_examples=10)
def test_scn_starts_blind_to_brightness_and_contrast(contrast, brightness):
    torch.manual_seed(0)
    model, lr = scn(), picture(1, 1, 12, 12)
    wanted = contrast * model(lr) + brightness
    assert largest(model(contrast * lr + brightness) - wanted) < 1e-3


def test_scn_treats_the_channels_of_a_colour_picture_alike():
    torch.manual_seed(1)
    colour, rgb = scn(channels=3), picture(2, 3, 8, 7)
    torch.manual_seed(1)
    grey = scn()
    each = [grey(rgb[:, c : c + 1]) for c in range(3)]
    assert largest(colour(rgb) - torch.cat(each, dim=1)) < 1e-12


def test_a_contact_sheet_shows_every_filter_once():
    filters = torch.arange(1.0, 7.0).view(6, 1, 1, 1).expand(6, 1, 2, 2)
    sheet = contact_sheet(filters, zoom=2)
    assert (sheet == 1).sum() == 6 * 16
    assert sheet.min() == 0


@pytest.fixture
def train(tmp_path, monkeypatch, capsys):
    save_pictures(tmp_path, train=2, test=1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SRLAB_CACHE", str(tmp_path / "cache"))
    run = command_line(monkeypatch, capsys)
    small = [
        "scale=2", "data=folder", "data.path=train", "testset=folder", "testset.folder.path=test",
        "device=cpu", "trainer.batch_size=2", "trainer.patch_size=8", "trainer.steps=4",
        "trainer.save_every=2",
    ]  # fmt: skip

    def train(*arguments):
        resuming = arguments[0].startswith("resume=")
        return run("train", *([] if resuming else small), *arguments)

    return train


CLASSICAL = ["model=csc_sr", "model.filters=4", "model.iterations=5"]


def test_the_command_line_learns_dictionaries_and_starts_a_network_from_them(train, tmp_path):
    status, told = train(*CLASSICAL, "run_dir=dictionaries")
    assert status == 0, told.err
    last = torch.load(tmp_path / "dictionaries" / "last.pt", weights_only=True)
    assert last["weights"]["steps"] == 4
    unrolled = ["model=csc", "model.filters=4", "upsampler=deconv_wide", "start=dictionaries"]
    status, told = train(*unrolled, "run_dir=unrolled")
    assert status == 0, told.err
    begun = torch.load(tmp_path / "unrolled" / "last.pt", weights_only=True)["weights"]
    # As if it had been killed before it saved.
    unsaved = shutil.ignore_patterns("*.pt", "results.*")
    shutil.copytree(tmp_path / "unrolled", tmp_path / "killed", ignore=unsaved)
    status, told = train("resume=killed")
    assert status == 0, told.err
    again = torch.load(tmp_path / "killed" / "last.pt", weights_only=True)["weights"]
    assert all(torch.equal(again[name], begun[name]) for name in begun)
    status, told = train(*unrolled, "model.filters=5")
    assert status == 2
    assert "does not fit this model: its filters are [4, 1, 5, 5]" in told.err


def test_the_scripts_show_what_was_learnt(train, tmp_path, monkeypatch, capsys):
    assert train(*CLASSICAL, "run_dir=dictionaries")[0] == 0
    capsys.readouterr()
    checkpoint = "dictionaries/last.pt"

    def script(name, *arguments):
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(SCRIPTS / name), run_name="__main__")
        return capsys.readouterr().out

    table = script("compare_codes.py", "test", checkpoint).splitlines()
    name, unexplained, active = table[1].split()
    assert name == checkpoint
    assert 0 < float(unexplained.rstrip("%")) < 100
    assert 0 < float(active) < 4
    told = script("dictionaries.py", checkpoint, "test/0.png", "drawn")
    assert "of 4 codes" in told
    drawn = {path.stem: to_tensor(read_pixels(path)) for path in (tmp_path / "drawn").iterdir()}
    assert drawn["reconstruction"].shape[-2:] == (66, 4 * 66)
    assert drawn.keys() == {"filters-lr", "filters-hr", "codes", "reconstruction"}


@pytest.mark.parametrize("ignored", ["optim.lr=1", "loss=l1", "trainer.ema=0.9", "~optim.lr"])
def test_what_learning_dictionaries_would_ignore_is_refused(train, ignored, tmp_path):
    status, told = train(*CLASSICAL, ignored, "run_dir=run")
    assert status == 2
    assert f"it would ignore {ignored}" in told.err
    assert not (tmp_path / "run").exists()


def test_an_upsampler_that_cannot_hold_what_is_learnt_is_refused(train):
    status, told = train(*CLASSICAL, "upsampler=bicubic")
    assert status == 2
    assert "Traceback" not in told.err
