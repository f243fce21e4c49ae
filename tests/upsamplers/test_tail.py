"""Guards: the nonlinear tails are those of ESRGAN, PAN and SwinIR, and start as interpolation."""

import re
from functools import partial

import pytest
import torch.nn.functional as F
from common import above, largest, picture
from upsamplers.variants import with_any_weights

from srlab.imaging.resample import crop, enlarge, mirror_pad
from srlab.upsamplers.shuffle_tail import ShuffleTail
from srlab.upsamplers.tail import Tail

MAKES = [partial(Tail, features=6), partial(Tail, features=6, attention=True)]
MAKES.append(partial(ShuffleTail, features=6))


def conv(x, layer):
    """A convolution that keeps the size, as the papers' do."""
    return F.conv2d(x, layer.weight, layer.bias, padding=layer.kernel_size[0] // 2)


def by_interpolation(tail, x):
    """The tail of ESRGAN, with PAN's attention where there is any, on a whole picture."""
    for number, enlarging in enumerate(tail.enlarge):
        x = conv(F.interpolate(x, scale_factor=enlarging.scale, mode="nearest"), enlarging.conv)
        if len(tail.attend):  # PAN: pixel attention, and a second convolution in each stage
            x = x * conv(x, tail.attend[number]).sigmoid()
            x = conv(F.leaky_relu(x, 0.2), tail.refine[number])
        x = F.leaky_relu(x, 0.2)
    if not len(tail.attend):  # ESRGAN: a second convolution after the last
        x = F.leaky_relu(conv(x, tail.refine[0]), 0.2)
    return conv(x, tail.last)


def by_shuffling(tail, x):
    """SwinIR's reconstruction, on a whole picture."""
    x = F.leaky_relu(conv(x, tail.first), 0.01)
    for stage in tail.stages:
        x = F.pixel_shuffle(conv(x, stage.conv), stage.scale)
    return conv(x, tail.last)


def test_they_are_the_layers_of_the_papers():
    errors = {}
    for make, whole in zip(MAKES, (by_interpolation, by_interpolation, by_shuffling), strict=True):
        for scale in (2, 3, 4, 6):
            tail = with_any_weights(make(3, 2, scale))
            image = picture(1, 3, 12, 11)
            got = tail(crop(image, 5 - tail.halo))
            errors[str(make), scale] = largest(got - crop(whole(tail, image), 5 * scale))
    assert not above(errors, 1e-12)


def test_they_start_as_bilinear_interpolation_whatever_the_sign():
    image = picture(2, 3, 5, 6) - 0.5
    errors = {}
    for make in MAKES:
        for scale in (2, 3, 4):
            enlarged = enlarge(image, min(scale, 3) if scale != 4 else 2, "bilinear")
            enlarged = enlarge(enlarged, 2, "bilinear") if scale == 4 else enlarged
            for inputs, outputs in [(1, 1), (3, 3), (3, 2), (2, 3)]:
                tail = make(inputs, outputs, scale, init="bilinear").double()
                sr = tail(mirror_pad(image[:, :inputs], tail.halo))
                expected = enlarged[:, [c % inputs for c in range(outputs)]]
                # Of two stages the second sees another mirror image beyond the border.
                off = crop(sr - expected, 2 if scale == 4 else 0)
                errors[str(make), scale, inputs, outputs] = largest(off)
    assert not above(errors, 1e-6)


@pytest.mark.parametrize("make", [Tail, ShuffleTail])
def test_what_cannot_be_is_refused(make):
    with pytest.raises(ValueError, match=re.escape("features must be at least 6 with init=bili")):
        make(32, 3, 2, features=5, init="bilinear")
    with pytest.raises(ValueError, match="stages are of 2 and 3, and scale 5 is no product"):
        make(32, 3, 5)
    with pytest.raises(ValueError, match="init must be default or bilinear, got 'icnr'"):
        make(32, 3, 2, init="icnr")
