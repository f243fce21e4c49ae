from functools import partial

import pytest
import torch
import torch.nn.functional as F
from common import count, largest, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from srlab.imaging.resample import crop, enlarge, mirror_pad
from srlab.inference.tiles import upscale_tiled
from srlab.models.base import MID_GREY
from srlab.models.edsr import EDSR
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.models.plain import Plain
from srlab.models.srcnn import SRCNN
from srlab.models.unet import UNet
from srlab.models.vdsr import VDSR
from srlab.upsamplers.boxed import Boxed
from srlab.upsamplers.carafe import CARAFE
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv
from srlab.upsamplers.staged import Staged
from srlab.upsamplers.unpool import Unpool

PAPERS_EDSR = partial(Staged, stage=PixelShuffle)
DECONV_9X9 = partial(Deconv, kernel_size=9)
ALIGNED = partial(Interpolate, mode="bilinear", align_corners=True)

# Small ones of every kind.
NETWORKS = {
    "fsrcnn": partial(FSRCNN, features=6, shrunk=4, depth=2),
    "fsrcnn + bicubic": partial(FSRCNN, features=6, shrunk=4, depth=0, residual="bicubic"),
    "vdsr": partial(VDSR, features=5, depth=4),
    "edsr": partial(EDSR, features=5, blocks=2),
    "edsr + bicubic": partial(EDSR, features=5, blocks=1, residual="bicubic"),
    "unet": partial(UNet, features=3, depth=1),
    "unet of 2 levels + nearest": partial(UNet, features=3, residual="nearest"),
    "unet without skips": partial(UNet, features=3, depth=1, skips=False),
}
DEEP = [name for name in NETWORKS if not name.startswith("fsrcnn")]
SHALLOW = {
    "espcn": ESPCN,
    "srcnn": SRCNN,
    "plain": Plain,
}
UPSAMPLERS = {
    "pixel_shuffle": PixelShuffle,
    "deconv 9x9": DECONV_9X9,
    "resize_conv bicubic": partial(ResizeConv, mode="bicubic"),
    "bicubic": Interpolate,
    "staged": PAPERS_EDSR,
    "boxed": partial(Boxed, inner=PixelShuffle),
    "carafe": partial(CARAFE, compressed=4),
    "unpool": Unpool,
    "unpool 9x9": partial(Unpool, kernel_size=9),
}
every_network = pytest.mark.parametrize("name", NETWORKS)
every_upsampler = pytest.mark.parametrize("upsampler", UPSAMPLERS)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def weights(module):
    """Count the weights of convolutions alone, as papers do."""
    return sum(p.numel() for p in module.parameters() if p.dim() == 4)


def network(name, upsampler, scale=2, channels=1):
    """Make a network in double precision whose output has about the range of a picture."""
    make = (NETWORKS | SHALLOW)[name]
    upsampler = UPSAMPLERS.get(upsampler, upsampler)
    model = make(upsampler, scale, channels).double().eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_normal_(parameter)
        else:
            nn.init.uniform_(parameter, 0, 0.2)  # not below, lest a ReLU lets nothing pass
    return model


# What the papers say


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, 12_464), ({"features": 32, "shrunk": 5, "depth": 1}, 3_937)],
)
def test_fsrcnn_has_the_weights_of_the_paper_at_every_scale(options, expected, scale):
    model = FSRCNN(DECONV_9X9, scale, **options)
    assert weights(model) == expected
    features = sum(layer.out_channels for layer in model.body if isinstance(layer, nn.Conv2d))
    assert count(model) == expected + 2 * features + 1  # a bias and a slope each


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_vdsr_has_the_weights_of_the_paper_at_every_scale(scale):
    model = VDSR(Interpolate, scale)
    assert weights(model) == 664_704
    assert count(model) == 665_921
    assert sum(isinstance(layer, nn.Conv2d) for layer in model.body) == 20
    assert sum(isinstance(layer, nn.ReLU) for layer in model.body) == 19
    assert isinstance(model.body[-1], nn.Conv2d)


@pytest.mark.parametrize(("scale", "expected"), [(2, 1_369_859), (3, 1_554_499), (4, 1_517_571)])
def test_edsr_baseline_has_the_parameters_of_the_paper(scale, expected):
    assert count(EDSR(PAPERS_EDSR, scale, channels=3)) == expected


@pytest.mark.parametrize("residual", ["nearest", "bicubic"])
@pytest.mark.parametrize("make", [FSRCNN, EDSR, UNet])
def test_a_residual_costs_no_parameters(make, residual):
    assert count(make(PixelShuffle, 2, residual=residual)) == count(make(PixelShuffle, 2))


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


@pytest.mark.parametrize(
    ("depth", "scale", "halo"), [(20, 2, 2 + 10), (20, 3, 2 + 7), (20, 4, 2 + 5), (3, 2, 2 + 2)]
)
def test_the_halo_of_vdsr_is_its_layers_in_low_resolution_pixels_and_bicubics_two(
    depth, scale, halo
):
    assert VDSR(Interpolate, scale, depth=depth, features=1).halo == halo


def test_halos_are_the_known_ones():
    assert FSRCNN(DECONV_9X9, 2).halo == 2 + 4 + 2
    assert FSRCNN(DECONV_9X9, 4).halo == 2 + 4 + 1
    assert FSRCNN(PixelShuffle, 3, depth=1).halo == 2 + 1 + 1
    assert EDSR(PixelShuffle, 2).halo == 1 + 32 + 1 + 1 + 1
    assert EDSR(PixelShuffle, 2).frame == 0
    assert EDSR(PixelShuffle, 2, residual="bicubic").frame == 2
    assert EDSR(Unpool, 2).frame == 1 + 2  # the upsampler's, and bicubic's for the guide
    assert UNet(PixelShuffle, 2).grid == 4


# What the networks compute


def convolve(x, layer):
    return F.conv2d(x, layer.weight, layer.bias, padding=layer.weight.shape[-1] // 2)


@pytest.mark.parametrize("scale", [2, 3])
def test_fsrcnn_computes_what_the_paper_says_in_a_picture_mirrored_once(scale):
    model = network("fsrcnn", "deconv 9x9", scale)
    lr = picture(2, 1, 5, 6)
    x = mirror_pad(lr, 9) - MID_GREY  # wider than what it sees
    convolutions = [layer for layer in model.body if isinstance(layer, nn.Conv2d)]
    slopes = [layer for layer in model.body if isinstance(layer, nn.PReLU)]
    assert [layer.kernel_size[0] for layer in convolutions] == [5, 1, 3, 3, 1]
    assert len(slopes) == len(convolutions)
    for conv, slope in zip(convolutions, slopes, strict=True):
        x = convolve(x, conv)
        x = x.clamp(min=0) + slope.weight.view(1, -1, 1, 1) * x.clamp(max=0)
    deconv = model.upsampler.deconv
    padding = (9 - scale + 1) // 2
    x = F.conv_transpose2d(x, deconv.weight, deconv.bias, stride=scale)
    start = 9 * scale + padding
    x = x[..., start : start + 5 * scale, start : start + 6 * scale]
    assert largest(model(lr) - (x + MID_GREY)) < 1e-12


def test_vdsr_adds_to_the_bicubic_picture_what_its_convolutions_padded_with_zeros_make_of_it():
    model = network("vdsr", "bicubic", 3, channels=3)
    lr = picture(2, 3, 5, 4)
    bicubic = enlarge(lr, 3)
    x = bicubic - MID_GREY
    for layer in model.body:
        x = convolve(x, layer) if isinstance(layer, nn.Conv2d) else x.relu()
    assert largest(model(lr) - (bicubic + x)) < 1e-12


@pytest.mark.parametrize("block_scale", [1.0, 0.1])
@pytest.mark.parametrize("scale", [2, 4])
def test_edsr_is_residual_blocks_with_a_long_skip_and_stages_of_pixel_shuffle(scale, block_scale):
    model = EDSR(PAPERS_EDSR, scale, 3, blocks=2, features=5, block_scale=block_scale).double()
    lr = picture(2, 3, 6, 5)
    first = convolve(lr - MID_GREY, model.head)
    x = first
    for block in model.blocks:
        x = x + block_scale * convolve(convolve(x, block.first).relu(), block.second)
    x = convolve(x, model.join) + first
    x = F.pad(x, [2] * 4)  # stages see one frame of zeros, not one each
    for stage in model.upsampler.stages:
        x = F.pixel_shuffle(F.conv2d(x, stage.conv.weight, stage.conv.bias), stage.scale)
    x = crop(x, (x.shape[-1] - 5 * scale) // 2)
    assert largest(model(lr) - (convolve(x, model.tail) + MID_GREY)) < 1e-12


@pytest.mark.parametrize("residual", ["nearest", "bicubic"])
@pytest.mark.parametrize("make", [FSRCNN, EDSR, UNet])
def test_a_network_of_noughts_with_a_residual_is_an_interpolation(make, residual):
    model = make(PixelShuffle, 3, channels=3, residual=residual).double()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    lr = picture(2, 3, 5, 6)
    assert largest(model(lr) - enlarge(lr, 3, residual)) < 1e-12


def relu_twice(x, block):
    first, _, second, _ = block
    return convolve(convolve(x, first).relu(), second).relu()


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize(("scale", "depth"), [(2, 1), (3, 2)])
def test_the_switches_of_the_decoder_are_where_the_encoder_pooled(scale, depth, skips):
    model = UNet(Unpool, scale, 1, depth, features=3, skips=skips).double()
    lr = picture(2, 1, 8, 12)
    x, encoded = lr - MID_GREY, []
    for block in model.down:
        x = relu_twice(x, block)
        encoded.append(x)
        x, indices = F.max_pool2d(x, 2, return_indices=True)
        encoded[-1] = (encoded[-1], indices)
    x = relu_twice(x, model.bottom)
    for level in reversed(range(depth)):
        before, indices = encoded[level]
        x = F.max_unpool2d(x, indices, 2, output_size=before.shape[-2:])
        x = convolve(x, model.steps[level].conv)
        x = relu_twice(torch.cat([x, before], dim=1) if skips else x, model.up[level])
    # The last is guided by the picture itself.
    indices = F.max_pool2d(enlarge(lr, scale), scale, return_indices=True)[1]
    sparse = F.max_unpool2d(x, indices.expand_as(x), scale)
    sr = convolve(sparse, model.upsampler.conv) + MID_GREY
    assert largest(model(lr) - sr) < 1e-12
    other = F.max_pool2d(encoded[0][0].flip(-1), 2, return_indices=True)[1]
    assert not torch.equal(encoded[0][1], other)


@pytest.mark.parametrize("scale", [2, 3])
def test_the_switches_of_a_colour_picture_are_those_of_the_mean_of_its_channels(scale):
    model = network("plain", "unpool", scale, channels=3)
    lr = picture(2, 3, 5, 6)
    framed = mirror_pad(lr, 3)
    grey = enlarge(framed.sum(dim=1, keepdim=True) / 3, scale)
    indices = F.max_pool2d(grey, scale, return_indices=True)[1].expand_as(framed)
    sparse = F.max_unpool2d(framed, indices, scale)
    assert largest(model(lr) - crop(convolve(sparse, model.upsampler.conv), 3 * scale)) < 1e-12


def test_a_u_net_by_pixel_shuffle_is_the_hourglass_one_writes_by_hand():
    model = network("unet of 2 levels + nearest", "pixel_shuffle", 3)
    lr = picture(1, 1, 8, 12)
    x, encoded = lr - MID_GREY, []
    for block in model.down:
        x = relu_twice(x, block)
        encoded.append(x)
        x = F.max_pool2d(x, 2)
    x = relu_twice(x, model.bottom)
    for level in (1, 0):
        x = F.pixel_shuffle(convolve(x, model.steps[level].conv), 2)
        x = relu_twice(torch.cat([x, encoded[level]], dim=1), model.up[level])
    x = F.pixel_shuffle(convolve(x, model.upsampler.conv), 3)
    assert largest(model(lr) - (x + enlarge(lr, 3, "nearest"))) < 1e-12


@given(
    height=st.integers(1, 9), width=st.integers(1, 9), upsampler=st.sampled_from(list(UPSAMPLERS))
)
def test_a_picture_that_the_pools_do_not_divide_is_mirrored_at_its_bottom_and_right(
    height, width, upsampler
):
    model = network("unet of 2 levels + nearest", upsampler, 2)
    # The hourglass sees the same; the last upsampler pads with zeros where the picture ends.
    h = model.frame + model.upsampler.halo
    lr = picture(1, 1, height + h, width + h)
    rows, columns = (n + -n % model.grid for n in lr.shape[-2:])
    whole = mirror_pad(lr, model.grid)[..., model.grid :, model.grid :][..., :rows, :columns]
    sr, larger = model(lr), model(whole)
    assert sr.shape == (1, 1, 2 * (height + h), 2 * (width + h))
    inside = (..., slice(0, 2 * height), slice(0, 2 * width))
    assert largest(sr[inside] - larger[inside]) < 1e-12


def test_skips_cost_the_convolutions_that_see_them_twice_as_many_channels():
    for depth in (1, 2, 3):
        widths = [16 * 2**level for level in range(depth)]
        with_skips = UNet(PixelShuffle, 2, depth=depth)
        without = UNet(PixelShuffle, 2, depth=depth, skips=False)
        assert count(with_skips) - count(without) == sum(9 * w * w for w in widths)
        assert count(UNet(PixelShuffle, 2, depth=depth, skips=True)) == count(with_skips)


def test_every_step_of_the_decoder_is_by_two_and_the_last_by_the_scale():
    model = UNet(PixelShuffle, 3, channels=3, depth=3, features=4)
    steps = [(m.in_channels, m.out_channels, m.scale) for m in model.steps]
    assert steps == [(4, 4, 2), (8, 8, 2), (16, 16, 2)]
    last = model.upsampler
    assert (last.in_channels, last.out_channels, last.scale) == (4, 3, 3)


# How they start


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "upsampler",
    [
        partial(PixelShuffle, init="bilinear"),
        partial(Deconv, init="bilinear"),
        partial(Deconv, kernel_size=9, init="bilinear"),
        partial(Interpolate, mode="bilinear", init="bilinear"),
        partial(ResizeConv, init="bilinear"),
    ],
)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_fsrcnn_with_both_starts_is_bilinear_interpolation(scale, upsampler, channels):
    model = FSRCNN(upsampler, scale, channels, init="identity").double()
    lr = picture(1, channels, 7, 6)
    assert largest(model(lr) - enlarge(lr, scale, "bilinear")) < 1e-6
    model = FSRCNN(upsampler, scale, channels).double()
    assert largest(model(lr) - enlarge(lr, scale, "bilinear")) > 1e-2


def test_the_other_features_of_fsrcnn_are_there_to_be_trained():
    model = FSRCNN(PixelShuffle, 2, channels=3, init="identity").double()
    features = model.body(picture(1, 3, 20, 21) - MID_GREY)
    assert (features.flatten(2).std(dim=-1) > 1e-6).sum() > 28
    slopes = [layer.weight for layer in model.body if isinstance(layer, nn.PReLU)]
    assert all((s[:3] == 1).all() and (s[3:] == 0.25).all() for s in slopes)


@pytest.mark.parametrize("upsampler", UPSAMPLERS.values(), ids=UPSAMPLERS.keys())
@pytest.mark.parametrize("channels", [1, 3])
def test_vdsr_starts_as_its_upsampler(upsampler, channels):
    model = VDSR(upsampler, 2, channels, depth=4, features=5, init="identity").double()
    alone = Plain(lambda *_: model.upsampler, 2, channels)
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


@torch.enable_grad()
@every_network
@every_upsampler
def test_every_parameter_is_trained(name, upsampler):
    model = network(name, upsampler)
    model(picture(2, 1, 12, 13)).square().mean().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all()
        assert largest(parameter.grad) > 0, key


# The frame


@every_network
@every_upsampler
@pytest.mark.parametrize("scale", [2, 3])
def test_a_picture_of_any_size_becomes_the_scale_times_as_large(name, upsampler, scale):
    for channels, height, width in [(1, 1, 1), (3, 2, 5), (1, 7, 4)]:
        model = network(name, upsampler, scale, channels)
        assert (model.scale, model.channels) == (scale, channels)
        assert 0 <= model.frame <= model.halo
        sr = model(picture(2, channels, height, width))
        assert sr.shape == (2, channels, scale * height, scale * width)


@every_network
@every_upsampler
def test_what_a_picture_is_framed_by_is_not_part_of_the_output(name, upsampler):
    model = network(name, upsampler)
    lr = picture(1, 1, 5, 6)
    whole = model(lr)
    for frame in sorted({model.frame, model.frame + 1, model.halo}):
        framed = model(mirror_pad(lr, frame), halo=frame)
        assert framed.shape == whole.shape
        assert largest(framed - whole) < 1e-12


@pytest.mark.parametrize("name", [n for n in NETWORKS if n not in DEEP])
@every_upsampler
def test_without_zero_padding_a_frame_of_real_context_gives_the_pixels_of_the_larger_picture(
    name, upsampler
):
    model = network(name, upsampler, 3)
    h = model.halo
    larger = picture(1, 1, 2 * h + 4, 2 * h + 3)
    assert largest(model(larger, halo=h) - crop(model(larger), 3 * h)) < 1e-12


@every_network
@every_upsampler
def test_a_window_with_its_context_gives_the_pixels_of_the_whole_picture(name, upsampler):
    model = network(name, upsampler)
    halo, grid = -(-model.halo // model.grid) * model.grid, model.grid
    lr = picture(1, 1, 2 * halo + 3 * grid + 3, 2 * halo + 2 * grid + 1)
    whole = model(lr)
    # It begins at a multiple of the grid, and both ends of it lie within the picture.
    window = lr[..., grid : grid + 2 * halo + grid, grid : grid + 2 * halo + grid]
    inside = crop(model(window), 2 * halo)
    start = 2 * (grid + halo)
    assert largest(inside - whole[..., start : start + 2 * grid, start : start + 2 * grid]) < 1e-11


def influence(model, distance, at):
    """How much what is farther than a distance changes the block that a pixel becomes."""
    height = 2 * (model.halo + 3) + 1 + at
    height += -height % model.grid
    lr = picture(1, 1, height, height)
    offset = (torch.arange(height) - height // 2 - at).abs()
    beyond = torch.maximum(offset[:, None], offset) > distance
    other = torch.where(beyond, picture(1, 1, height, height, seed=1), lr)
    block = slice(model.scale * (height // 2 + at), model.scale * (height // 2 + at + 1))
    return largest((model(other) - model(lr))[..., block, block])


@every_network
@every_upsampler
def test_nothing_beyond_the_halo_matters_and_something_within_it_does(name, upsampler):
    model = network(name, upsampler)
    phases = range(model.grid)
    assert max(influence(model, model.halo, at) for at in phases) < 1e-13
    # A deep network's halo is what its convolutions see and, beyond that, its frame. At high
    # resolution and between pools they see fractions of pixels, which are rounded up.
    context = model.halo - (model.frame if name in DEEP else 0)
    rounded = context // 2 if name.startswith("unet") else 2
    assert max(influence(model, context - rounded, at) for at in phases) > 1e-12


# Tiles


@every_network
@every_upsampler
@pytest.mark.parametrize(("size", "tile"), [((13, 19), 6), ((17, 11), 7), ((5, 23), 3)])
def test_tiles_give_the_whole_picture(name, upsampler, size, tile):
    model = network(name, upsampler)
    lr = picture(1, 1, *size)
    whole = model(lr)
    assert whole.std() > 1e-3
    assert largest(upscale_tiled(model, lr, tile) - whole) < 1e-10


@every_network
@pytest.mark.parametrize("upsampler", ["pixel_shuffle", "unpool", "carafe"])
def test_tiles_smaller_than_the_context_give_the_whole_of_a_larger_picture(name, upsampler):
    model = network(name, upsampler, 3, channels=3)
    lr = picture(1, 3, 2 * model.halo + 11, 18)
    assert largest(upscale_tiled(model, lr, 9) - model(lr)) < 1e-10


@pytest.mark.parametrize("name", SHALLOW)
@pytest.mark.parametrize("upsampler", ["staged", "boxed", "carafe", "unpool", "unpool 9x9"])
@pytest.mark.parametrize("scale", [2, 3])
def test_tiles_of_the_shallow_networks_give_the_whole_picture_with_the_new_upsamplers(
    name, upsampler, scale
):
    model = network(name, upsampler, scale)
    lr = picture(1, 1, 13, 11)
    assert largest(upscale_tiled(model, lr, 4) - model(lr)) < 1e-10


@pytest.mark.parametrize("name", ["unet of 2 levels + nearest", "unet without skips"])
@given(
    height=st.integers(1, 40), width=st.integers(1, 40), tile=st.integers(1, 20),
    upsampler=st.sampled_from(list(UPSAMPLERS)),
)  # fmt: skip
@settings(max_examples=15)
def test_the_size_of_a_tile_of_a_u_net_changes_nothing(name, height, width, tile, upsampler):
    model = network(name, upsampler)
    lr = picture(1, 1, height, width, seed=height)
    assert largest(upscale_tiled(model, lr, tile) - model(lr)) < 1e-10


@pytest.mark.parametrize("name", ["fsrcnn", "edsr", "unet", "vdsr", "plain"])
@pytest.mark.parametrize("size", [(1, 30), (30, 1)])
def test_tiles_give_the_whole_of_a_picture_one_pixel_wide_whose_switches_are_all_ties(name, size):
    model = network(name, "unpool", 3)
    lr = picture(1, 1, *size)
    assert largest(upscale_tiled(model, lr, 5) - model(lr)) < 1e-10


# Large enough for torch to convolve the whole in another way, and so to round otherwise.
AREAS = {
    "flat": torch.full((1, 1, 150, 170), 0.7),
    "ramp": torch.linspace(0, 1, 170).expand(1, 1, 150, 170),
    "steps": picture(1, 1, 15, 17).float().repeat_interleave(10, -1).repeat_interleave(10, -2),
}


@pytest.mark.parametrize("name", ["plain", "fsrcnn", "unet"])
@pytest.mark.parametrize("area", AREAS)
def test_rounding_does_not_move_the_switches_of_even_areas_from_tile_to_tile(area, name):
    model = network(name, "unpool").float()
    lr = AREAS[area]
    assert largest(upscale_tiled(model, lr, 48) - model(lr)) < 1e-5


@every_network
def test_a_network_whose_upsampler_aligns_the_corners_takes_the_picture_whole(name):
    model = network(name, ALIGNED)
    assert model.whole
    lr = picture(1, 1, 13, 11)
    assert torch.equal(upscale_tiled(model, lr, 4), model(lr))
    assert not network(name, PixelShuffle).whole


@every_network
def test_aligned_corners_do_not_see_what_a_picture_is_framed_by(name):
    model = network(name, ALIGNED)
    lr = picture(1, 1, 6, 7)
    for frame in (model.frame, model.halo + 1):
        assert largest(model(mirror_pad(lr, frame), halo=frame) - model(lr)) < 1e-12


# Options


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(FSRCNN, depth=-1), "depth must not be negative, got -1"),
        (partial(FSRCNN, channels=3, shrunk=2), "at least the 3 channels .* got 56 and 2"),
        (partial(FSRCNN, init="identiti"), "init must be default or identity, got 'identiti'"),
        (partial(FSRCNN, residual="bilinear"), "residual must be none, nearest or bicubic"),
        (partial(VDSR, depth=1), "depth must be at least 2 and features 1, got 1 and 64"),
        (partial(VDSR, init="he"), "init must be default or identity, got 'he'"),
        (partial(EDSR, blocks=0), "blocks and features must be at least 1, got 0, 64"),
        (partial(EDSR, residual="yes"), "residual must be none, nearest or bicubic"),
        (partial(UNet, depth=0), "depth and features must be at least 1, got 0 and 16"),
        (partial(UNet, residual="yes"), "residual must be none, nearest or bicubic"),
    ],
)
def test_a_bad_option_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make(PixelShuffle, 2)
