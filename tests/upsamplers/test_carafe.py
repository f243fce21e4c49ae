"""Guards: CARAFE is what its paper says, and starts near the average or near bilinear."""

import numpy as np
import torch.nn.functional as F
from common import above, count, largest, picture
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from upsamplers.variants import SCALES, blocks, framed_for, with_any_weights

from srlab.imaging.resample import crop, enlarge, mirror_pad
from srlab.upsamplers.carafe import CARAFE


def of_the_paper(upsampler, image):
    """What it makes of the whole picture, at borders too, by the loop of section 3."""
    scale, size = upsampler.scale, upsampler.kernel_size
    # Kernel prediction: compress, encode, rearrange to s H x s W x k^2, normalise (section 3.2).
    compressed = F.conv2d(image, upsampler.compress.weight, upsampler.compress.bias)
    encoder = upsampler.encode.kernel_size[0]
    encoded = F.conv2d(
        compressed, upsampler.encode.weight, upsampler.encode.bias, padding=encoder // 2
    )
    kernels = F.pixel_shuffle(encoded, scale)[0].numpy()
    source = image
    if upsampler.in_channels != upsampler.out_channels:  # CARAFE itself keeps their number
        source = F.conv2d(image, upsampler.project.weight, upsampler.project.bias, padding=1)
    radius = size // 2
    source = F.pad(source, [radius] * 4)[0].numpy()
    # Reassembly (section 3.3): location l' = (x', y') looks at l = floor(l' / s).
    made = np.empty((upsampler.out_channels, *kernels.shape[1:]))
    for row, column in np.ndindex(made.shape[1:]):
        weights = np.exp(kernels[:, row, column].reshape(size, size))
        i, j = row // scale, column // scale
        near = source[:, i : i + size, j : j + size]
        made[:, row, column] = (weights / weights.sum() * near).sum((-1, -2))
    return made


def test_it_is_the_loop_of_the_paper():
    beyond, errors = 3, {}
    for inputs, outputs in [(2, 2), (3, 2)]:
        for scale in SCALES:
            for size, encoder in [(1, 1), (3, 1), (3, 3), (3, 5), (5, 3)]:
                upsampler = with_any_weights(
                    CARAFE(inputs, outputs, scale, size, encoder, compressed=3)
                )
                image = picture(1, inputs, 2 * beyond + 2, 2 * beyond + 1)
                got = upsampler(crop(image, beyond - upsampler.halo))[0].numpy()
                inside = slice(scale * beyond, -scale * beyond)
                expected = of_the_paper(upsampler, image)[:, inside, inside]
                assert got.shape == expected.shape == (outputs, 2 * scale, scale)
                errors[inputs, scale, size, encoder] = np.abs(got - expected).max()
    assert not above(errors, 1e-12)


@given(scale=st.sampled_from(SCALES), size=st.sampled_from([1, 3, 5]), seed=st.integers(0, 2**32))
def test_it_stays_between_the_extremes_of_the_neighbourhood(scale, size, seed):
    upsampler = with_any_weights(CARAFE(2, 2, scale, size, compressed=4), seed)
    (framed,) = framed_for(upsampler, 4, 5, seed)
    sr = upsampler(framed)
    around = crop(framed, upsampler.halo - size // 2)
    highest = F.max_pool2d(around, size, stride=1)
    lowest = -F.max_pool2d(-around, size, stride=1)
    assert (blocks(sr, scale) <= highest[..., None, None] + 1e-12).all()
    assert (blocks(sr, scale) >= lowest[..., None, None] - 1e-12).all()


def test_a_flat_picture_stays_flat_also_where_the_channels_change():
    for scale in SCALES:
        upsampler = with_any_weights(CARAFE(3, 2, scale, compressed=4))
        size = 3 + 2 * upsampler.halo
        sr = upsampler(picture(1, 3, 1, 1).expand(1, 3, size, size))
        assert largest(sr - sr[..., :1, :1]) < 1e-12
        assert largest(sr) > 1e-3


def test_a_bilinear_start_is_bilinear_but_for_a_thousandth_for_each_neighbour():
    image = picture(1, 2, 6, 7)
    near, exact = {}, {}
    for scale in SCALES:
        bilinear = enlarge(image, scale, "bilinear")
        for size in (3, 5):
            upsampler = CARAFE(2, 2, scale, size, init="bilinear").double()
            framed = mirror_pad(image, upsampler.halo)
            near[scale, size] = largest(upsampler(framed) - bilinear)

            nn.init.zeros_(upsampler.encode.weight)  # which begin near zero
            around = mirror_pad(image, size // 2)
            mean = F.interpolate(F.avg_pool2d(around, size, stride=1), scale_factor=scale)
            floor = 1e-3 * size**2
            expected = (bilinear + floor * mean) / (1 + floor)
            exact[scale, size] = largest(upsampler(framed) - expected)
    assert not above(near, 0.03)  # of a picture between 0 and 1
    assert not above(exact, 1e-6)


def test_it_starts_near_the_mean_of_the_neighbourhood_by_default():
    image = picture(1, 2, 6, 7)
    mean = F.avg_pool2d(mirror_pad(image, 2), 5, stride=1)
    for scale in SCALES:
        upsampler = CARAFE(2, 2, scale).double()
        expected = F.interpolate(mean, scale_factor=scale)
        assert largest(upsampler(mirror_pad(image, upsampler.halo)) - expected) < 0.01


def test_it_has_the_parameters_of_the_paper():
    # 1x1 to 64 channels, then 3x3 to s^2 k^2 = 4 x 25, both with biases.
    assert count(CARAFE(256, 256, 2)) == 256 * 64 + 64 + 64 * 9 * 100 + 100
    assert count(CARAFE(32, 1, 2)) == 32 * 64 + 64 + 64 * 9 * 100 + 100 + 32 * 9 + 1
