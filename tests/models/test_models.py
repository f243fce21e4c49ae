from functools import partial

import pytest
import torch
from common import count, largest, picture
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from srlab.imaging.resample import REACH, crop, enlarge, mirror_pad, reframe
from srlab.models.base import MID_GREY
from srlab.models.espcn import ESPCN
from srlab.models.plain import Plain
from srlab.models.srcnn import SRCNN
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv

SCALES = [2, 3, 4]
MODES = sorted(REACH)
RESIDUALS = ["none", "nearest", "bicubic"]

UPSAMPLERS = {
    "pixel_shuffle": PixelShuffle,
    "deconv": Deconv,
    "deconv 9x9": partial(Deconv, kernel_size=9),
    "deconv 4x4": partial(Deconv, kernel_size=4),
    "resize_conv": ResizeConv,
    "resize_conv bicubic": partial(ResizeConv, mode="bicubic"),
    "nearest": partial(Interpolate, mode="nearest"),
    "bicubic": partial(Interpolate, mode="bicubic"),
}

MODELS = {
    "plain": Plain,
    "espcn": ESPCN,
    "espcn + bicubic": partial(ESPCN, residual="bicubic"),
    "srcnn": SRCNN,
    "srcnn 9-5-5": partial(SRCNN, kernels="9-5-5"),
    "srcnn + bicubic": partial(SRCNN, residual="bicubic"),
}

seeds = st.integers(0, 2**32 - 1)
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
every_upsampler = pytest.mark.parametrize("upsampler", UPSAMPLERS.values(), ids=UPSAMPLERS.keys())
every_scale = pytest.mark.parametrize("scale", SCALES)
either_network = pytest.mark.parametrize("network", [ESPCN, SRCNN])


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


# What the papers say


@pytest.mark.parametrize(
    ("kernels", "expected"), [("9-1-5", 8_129), ("9-3-5", 24_513), ("9-5-5", 57_281)]
)
@every_scale
def test_srcnn_has_the_parameters_of_the_paper_at_every_scale(kernels, expected, scale):
    model = SRCNN(Interpolate, scale, kernels=kernels)
    assert count(model) == expected
    assert [p.shape[-1] for p in model.parameters() if p.dim() == 4] == [
        int(k) for k in kernels.split("-")
    ]


def test_srcnn_is_9_1_5_on_luma_unless_asked_otherwise():
    assert count(SRCNN(Interpolate, 3)) == 8_129


@pytest.mark.parametrize(("scale", "expected"), [(2, 21_284), (3, 22_729), (4, 24_752)])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_espcn_has_the_parameters_of_the_paper(scale, expected, activation):
    assert count(ESPCN(PixelShuffle, scale, activation=activation)) == expected


@pytest.mark.parametrize("residual", RESIDUALS)
def test_a_residual_costs_no_parameters(residual):
    assert count(ESPCN(PixelShuffle, 2, residual=residual)) == 21_284
    assert count(SRCNN(Interpolate, 2, residual=residual)) == 8_129


@pytest.mark.parametrize("mode", MODES)
def test_plain_interpolation_has_no_parameters(mode):
    assert count(Plain(partial(Interpolate, mode=mode), 3)) == 0


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_espcn_computes_what_the_paper_says_with_biases_that_absorb_the_mean(activation):
    model = ESPCN(PixelShuffle, 3, activation=activation).double()
    first, second, last = model.body[0], model.body[2], model.upsampler.conv
    first_bias = first.bias - model.mean * first.weight.sum(dim=(1, 2, 3))
    lr = picture(2, 1, 6, 7)
    x = getattr(nn.functional.conv2d(mirror_pad(lr, 4), first.weight, first_bias), activation)()
    x = getattr(nn.functional.conv2d(x, second.weight, second.bias), activation)()
    x = nn.functional.conv2d(x, last.weight, last.bias + model.mean)
    assert largest(model(lr) - nn.functional.pixel_shuffle(x, 3)) < 1e-12


def test_srcnn_is_three_convolutions_of_the_bicubic_picture_with_biases_that_absorb_the_mean():
    model = SRCNN(Interpolate, 2).double()
    first, relu, second, again, last = model.body
    assert isinstance(relu, nn.ReLU)
    assert isinstance(again, nn.ReLU)
    lr = picture(2, 1, 12, 13)
    first_bias = first.bias - MID_GREY * first.weight.sum(dim=(1, 2, 3))
    x = nn.functional.conv2d(enlarge(lr, 2), first.weight, first_bias).relu()
    x = nn.functional.conv2d(x, second.weight, second.bias).relu()
    x = nn.functional.conv2d(x, last.weight, last.bias + MID_GREY)
    assert x.shape == (2, 1, 12, 14)
    assert largest(crop(model(lr), 6) - x) < 1e-12


# Sizes


@every_model
@every_upsampler
@every_scale
def test_a_picture_of_any_size_becomes_the_scale_times_as_large(make, upsampler, scale):
    for channels, height, width in [(1, 1, 1), (3, 2, 5), (1, 7, 4)]:
        model = make(upsampler, scale, channels=channels)
        assert (model.scale, model.channels) == (scale, channels)
        sr = model(torch.rand(2, channels, height, width))
        assert sr.shape == (2, channels, scale * height, scale * width)


# The frame


@every_model
@every_upsampler
@every_scale
def test_a_frame_is_context_and_not_part_of_the_output(make, upsampler, scale):
    model = make(upsampler, scale).double()
    widest = model.halo + 2
    framed = picture(1, 1, 2 * widest + 1, 2 * widest + 2)
    whole = model(framed)
    for frame in sorted({0, 1, model.halo, widest}):
        window = model(framed, halo=frame)
        assert window.shape == crop(whole, scale * frame).shape
        assert largest(window - crop(whole, scale * frame)) < 1e-12


@either_network
@pytest.mark.parametrize("residual", RESIDUALS)
@every_scale
@given(data=st.data())
def test_a_window_cut_with_its_frame_gives_the_pixels_of_the_whole_picture(
    network, residual, scale, data
):
    model = network(PixelShuffle, scale, residual=residual).double()
    lr = picture(1, 1, 8, 9, seed=data.draw(seeds))
    top, left = data.draw(st.integers(0, 7)), data.draw(st.integers(0, 8))
    bottom, right = data.draw(st.integers(top + 1, 8)), data.draw(st.integers(left + 1, 9))
    frame = model.halo + data.draw(st.integers(0, 2))
    padded = mirror_pad(lr, frame)
    tile = padded[..., top : bottom + 2 * frame, left : right + 2 * frame]
    expected = model(lr)[..., scale * top : scale * bottom, scale * left : scale * right]
    assert largest(model(tile, halo=frame) - expected) < 1e-12


@every_model
@every_upsampler
def test_in_single_precision_a_frame_gives_the_same_pixels_to_a_millionth(make, upsampler):
    model = make(upsampler, 2)
    lr = picture(1, 1, 5, 6).float()
    for frame in (model.halo, model.halo + 2):
        assert largest(model(mirror_pad(lr, frame), halo=frame) - model(lr)) < 1e-6


@every_model
@every_upsampler
def test_a_picture_smaller_than_its_frame_is_mirrored_over_and_over(make, upsampler):
    model = make(upsampler, 3).double()
    lr = picture(1, 1, 1, 2)
    for frame in (model.halo, model.halo + 1, model.halo + 5):
        assert largest(model(mirror_pad(lr, frame), halo=frame) - model(lr)) < 1e-12


@every_model
@every_upsampler
@every_scale
def test_what_a_frame_lacks_is_mirrored_once(make, upsampler, scale):
    model = make(upsampler, scale).double()
    for frame in range(model.halo):
        framed = picture(1, 1, 3 + 2 * frame, 2 + 2 * frame)
        completed = reframe(framed, frame, model.halo)
        expected = model(completed, halo=model.halo)
        assert largest(model(framed, halo=frame) - expected) < 1e-12


def influence(model, distance):
    """How much the pixels at a distance change the block that a pixel becomes."""
    centre = model.halo + 2
    lr = picture(1, 1, 2 * centre + 1, 2 * centre + 1)
    offset = (torch.arange(2 * centre + 1) - centre).abs()
    ring = torch.maximum(offset[:, None], offset) == distance
    other = torch.where(ring, picture(1, 1, *ring.shape, seed=1), lr)
    block = slice(model.scale * centre, model.scale * (centre + 1))
    return largest((model(other) - model(lr))[..., block, block])


@every_model
@every_upsampler
@every_scale
def test_nothing_beyond_the_halo_matters_and_something_at_most_a_pixel_within_it_does(
    make, upsampler, scale
):
    model = make(upsampler, scale).double()
    assert influence(model, model.halo + 1) == influence(model, model.halo + 2) == 0
    assert max(influence(model, d) for d in {model.halo, max(model.halo - 1, 0)}) > 1e-9


# SRCNN's kernels look 6 (9-1-5) or 8 (9-5-5) high-resolution pixels far; where the scale does not
# divide that, its halo is rounded up to whole low-resolution pixels.
@pytest.mark.parametrize(
    ("name", "scale"),
    [(name, scale) for name in ("plain", "espcn", "espcn + bicubic") for scale in SCALES]
    + [("srcnn", 2), ("srcnn", 3), ("srcnn 9-5-5", 2), ("srcnn 9-5-5", 4)],
)
@every_upsampler
def test_the_halo_is_as_narrow_as_can_be(name, scale, upsampler):
    model = MODELS[name](upsampler, scale).double()
    assert influence(model, model.halo) > 1e-9


def test_halos_are_the_known_ones():
    assert Plain(Interpolate, 2).halo == 2
    assert ESPCN(PixelShuffle, 3).halo == 2 + 1 + 1
    assert ESPCN(partial(Interpolate, mode="nearest"), 3).halo == 2 + 1 + 1
    assert SRCNN(Interpolate, 2).halo == 3 + 2
    assert SRCNN(Interpolate, 3).halo == 2 + 2
    assert SRCNN(partial(Interpolate, mode="nearest"), 4, kernels="9-5-5").halo == 2


def test_a_residual_that_looks_farther_than_the_network_widens_the_halo():
    nearest = partial(Interpolate, mode="nearest")
    assert SRCNN(nearest, 6).halo == 1
    assert SRCNN(nearest, 6, residual="nearest").halo == 1
    model = SRCNN(nearest, 6, residual="bicubic").double()
    assert model.halo == 2
    assert influence(model, 2) > 1e-6
    lr = picture(1, 1, 3, 2)
    assert largest(model(mirror_pad(lr, 2), halo=2) - model(lr)) < 1e-12


@either_network
def test_an_upsampler_from_elsewhere_needs_nothing_but_a_halo(network):
    def repeat(inputs, outputs, scale):
        return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.Upsample(scale_factor=scale))

    with pytest.raises(ValueError, match="Sequential needs an attribute halo"):
        network(repeat, 2)

    def framed(*sizes):
        module = repeat(*sizes)
        module.halo = 0
        return module

    model = network(framed, 2).double()
    lr = picture(1, 1, 4, 5)
    assert model(lr).shape == (1, 1, 8, 10)
    assert largest(model(mirror_pad(lr, 9), halo=9) - model(lr)) < 1e-12


# All else equal


@either_network
@pytest.mark.parametrize("init", ["default", "identity"])
def test_the_body_starts_the_same_whatever_the_upsampler(network, init):
    bodies = []
    for upsampler in UPSAMPLERS.values():
        torch.manual_seed(7)
        bodies.append(network(upsampler, 3, init=init).body.state_dict())
    torch.manual_seed(8)
    other = network(PixelShuffle, 3, init=init).body.state_dict()
    for name, weight in bodies[0].items():
        assert all(torch.equal(body[name], weight) for body in bodies)
    assert not all(torch.equal(other[name], weight) for name, weight in bodies[0].items())


# Plain interpolation


@pytest.mark.parametrize("mode", MODES)
@every_scale
def test_plain_interpolation_is_what_imaging_enlarges_to(mode, scale):
    model = Plain(partial(Interpolate, mode=mode), scale, channels=3)
    lr = picture(2, 3, 5, 4)
    assert torch.equal(model(lr), enlarge(lr, scale, mode))


@given(seed=seeds, scale=st.sampled_from(SCALES), height=st.integers(1, 8), width=st.integers(1, 8))
def test_plain_bicubic_commutes_with_the_symmetries_of_the_square(seed, scale, height, width):
    model = Plain(Interpolate, scale)
    lr = picture(1, 1, height, width, seed=seed)
    for turn in (
        lambda x: x.flip(-1),
        lambda x: x.flip(-2),
        lambda x: x.transpose(-1, -2),
        lambda x: x.rot90(1, (-2, -1)),
    ):
        assert largest(model(turn(lr)) - turn(model(lr))) < 1e-12


# Residuals


@either_network
@every_scale
@pytest.mark.parametrize("residual", ["nearest", "bicubic"])
def test_a_network_of_noughts_with_a_residual_is_an_interpolation(network, scale, residual):
    model = network(PixelShuffle, scale, channels=3, residual=residual).double()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    lr = picture(2, 3, 4, 5)
    assert largest(model(lr) - enlarge(lr, scale, residual)) < 1e-12


@either_network
@every_upsampler
@pytest.mark.parametrize("residual", ["nearest", "bicubic"])
def test_a_residual_adds_the_interpolated_picture_but_for_its_mean(network, upsampler, residual):
    plain = network(upsampler, 3).double()
    residual_model = network(upsampler, 3, residual=residual).double()
    residual_model.load_state_dict(plain.state_dict())
    lr = picture(1, 1, 4, 5)
    constant = residual_model(lr) - plain(lr) - enlarge(lr, 3, residual)
    assert largest(constant - constant.mean()) < 1e-12


# The identity start


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kernels", ["9-1-5", "9-3-5", "9-5-5"])
@every_scale
def test_srcnn_starts_as_the_bicubic_picture(channels, kernels, scale):
    model = SRCNN(Interpolate, scale, channels=channels, kernels=kernels, init="identity").double()
    lr = picture(1, channels, 9, 8)
    bicubic = enlarge(lr, scale)
    assert bicubic.min() < 0 < 1 < bicubic.max()
    assert largest(model(lr) - bicubic) < 1e-12


def test_the_filters_besides_the_identity_are_there_to_be_trained():
    model = SRCNN(Interpolate, 2, channels=3, init="identity")
    features = model.body[:4](picture(1, 3, 16, 16).float() - MID_GREY)
    assert (features.flatten(2).std(dim=-1) > 1e-6).sum() > 16


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("activation", "twice"), [("relu", lambda x: x), ("tanh", lambda x: x.tanh().tanh())]
)
def test_the_first_features_of_espcn_start_as_its_input(channels, activation, twice):
    model = ESPCN(PixelShuffle, 2, channels=channels, activation=activation, init="identity")
    lr = picture(1, channels, 9, 8)
    features = model.double().body(lr)
    assert features.shape == (1, 32, 3, 2)
    assert largest(features[:, :channels] - twice(crop(lr, 3))) < 1e-12
    assert (features[:, channels:].flatten(2).std(-1) > 1e-6).any()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("activation", "passes"),
    [("relu", lambda x: x), ("tanh", lambda x: (x - 0.5).tanh().tanh() + 0.5)],
)
@pytest.mark.parametrize(
    "upsampler",
    [
        partial(PixelShuffle, init="bilinear"),
        partial(Deconv, init="bilinear"),
        partial(ResizeConv, init="bilinear"),
        partial(Interpolate, mode="bilinear", init="bilinear"),
    ],
)
def test_espcn_with_both_starts_interpolates_what_the_activations_let_pass(
    upsampler, activation, passes, channels
):
    model = ESPCN(upsampler, 3, channels, activation=activation, init="identity").double()
    lr = picture(1, channels, 5, 6)
    assert largest(model(lr) - enlarge(passes(lr), 3, "bilinear")) < 1e-6


@either_network
@pytest.mark.parametrize("channels", [1, 3])
def test_the_identity_start_makes_the_other_filters_orthogonal_and_the_biases_nought(
    network, channels
):
    body = network(Interpolate, 2, channels=channels, init="identity").body
    for layer in (body[0], body[2]):
        filters = layer.weight.flatten(1)
        carriers = (filters != 0).sum(dim=1) <= 2 * channels
        assert channels <= carriers.sum() <= 2 * channels
        assert largest(layer.bias) == 0
        # Orthogonal up to a gain: one singular value, but for the filters that were replaced.
        values = torch.linalg.svdvals(filters[~carriers])[: -carriers.sum()]
        assert largest(values / values[0] - 1) < 1e-5
        assert values[0] > 1 - 1e-5


# Options


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(ESPCN, activation="gelu"), "activation must be tanh or relu, got 'gelu'"),
        (partial(ESPCN, residual="bilinear"), "residual must be none, nearest or bicubic"),
        (partial(SRCNN, residual="yes"), "residual must be none, nearest or bicubic"),
        (partial(SRCNN, kernels="9-5-9"), "kernels must be 9-1-5, 9-3-5 or 9-5-5"),
    ],
)
def test_a_bad_option_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make(PixelShuffle, 2)


@either_network
def test_an_unknown_start_is_refused_by_name(network):
    with pytest.raises(ValueError, match="init must be"):
        network(PixelShuffle, 2, init="identiti")
