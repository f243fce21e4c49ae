"""Guards: FSRCNN is the paper's but for its border, and starts as interpolation if asked."""

from functools import partial

import pytest
import torch.nn.functional as F
from common import convolve, count, largest, picture
from models.variants import DECONV_9X9, variant
from torch import nn

from srlab.imaging.resample import enlarge, mirror_pad
from srlab.models.base import MID_GREY
from srlab.models.fsrcnn import FSRCNN
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv

pytestmark = pytest.mark.usefixtures("_no_gradients")


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, 12_464), ({"features": 32, "shrunk": 5, "depth": 1}, 3_937)],
)
def test_fsrcnn_has_the_weights_of_the_paper_at_every_scale(options, expected):
    for scale in (2, 3, 4):
        model = FSRCNN(DECONV_9X9, scale, **options)
        assert sum(p.numel() for p in model.parameters() if p.dim() == 4) == expected
        features = sum(layer.out_channels for layer in model.body if isinstance(layer, nn.Conv2d))
        assert count(model) == expected + 2 * features + 1  # a bias and a slope each


def test_halos_are_the_known_ones():
    assert FSRCNN(DECONV_9X9, 2).halo == 2 + 4 + 2
    assert FSRCNN(DECONV_9X9, 4).halo == 2 + 4 + 1
    assert FSRCNN(PixelShuffle, 3, depth=1).halo == 2 + 1 + 1


@pytest.mark.parametrize("scale", [2, 3])
def test_fsrcnn_computes_what_the_paper_says_in_a_picture_mirrored_once(scale):
    model = variant("fsrcnn", scale)
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


@pytest.mark.parametrize("channels", [1, 3])
def test_fsrcnn_with_both_starts_is_bilinear_interpolation(channels):
    lr = picture(1, channels, 7, 6)
    for upsampler in (
        partial(PixelShuffle, init="bilinear"),
        partial(Deconv, init="bilinear"),
        partial(Deconv, kernel_size=9, init="bilinear"),
        partial(Interpolate, mode="bilinear", init="bilinear"),
        partial(ResizeConv, init="bilinear"),
    ):
        for scale in (2, 3, 4):
            model = FSRCNN(upsampler, scale, channels, init="identity").double()
            assert largest(model(lr) - enlarge(lr, scale, "bilinear")) < 1e-6
            model = FSRCNN(upsampler, scale, channels).double()
            assert largest(model(lr) - enlarge(lr, scale, "bilinear")) > 1e-2


def test_the_other_features_of_fsrcnn_are_there_to_be_trained():
    model = FSRCNN(PixelShuffle, 2, channels=3, init="identity").double()
    features = model.body(picture(1, 3, 20, 21) - MID_GREY)
    assert (features.flatten(2).std(dim=-1) > 1e-6).sum() > 28
    slopes = [layer.weight for layer in model.body if isinstance(layer, nn.PReLU)]
    assert all((s[:3] == 1).all() and (s[3:] == 0.25).all() for s in slopes)
