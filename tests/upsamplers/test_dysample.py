"""Guards: DySample is what its paper says where its offsets stay within reach."""

import torch
import torch.nn.functional as F
from common import above, count, largest, picture
from upsamplers.variants import SCALES, with_any_weights

from srlab.imaging.resample import crop, enlarge, mirror_pad
from srlab.upsamplers.dysample import DySample


def predicted(upsampler, image):
    """What the paper's layers predict, ``(2, groups, s^2, H, W)``: across and down."""
    told = F.conv2d(image, upsampler.offset.weight, upsampler.offset.bias)
    if upsampler.dynamic:
        told = told * F.conv2d(image, upsampler.scope.weight).sigmoid() * 0.5
    else:
        told = told * 0.25
    return told.view(2, upsampler.groups, upsampler.scale**2, *image.shape[-2:])


def sampled(image, offsets, scale):
    """Sample ``(1, C, H, W)`` by ``grid_sample``, a group of channels by each group of offsets."""
    height, width = image.shape[-2:]
    groups = []
    for part, (across, down) in zip(
        image.chunk(offsets.shape[1], dim=1), offsets.transpose(0, 1), strict=True
    ):
        x, y = (F.pixel_shuffle(axis[None], scale)[0, 0] for axis in (across, down))
        own_x = (torch.arange(scale * width, dtype=torch.float64) + 0.5) / scale
        own_y = (torch.arange(scale * height, dtype=torch.float64) + 0.5) / scale
        # Where bilinear interpolation would look, of pixels that are 1 wide and begin at 0.
        grid = torch.stack([(own_x + x) / width, (own_y[:, None] + y) / height], dim=-1) * 2 - 1
        groups.append(F.grid_sample(part, grid[None], padding_mode="border", align_corners=False))
    return torch.cat(groups, dim=1)


def bounded(offsets, scale, reach):
    most = reach - (scale - 1) / (2 * scale)
    return most * torch.tanh(offsets / most)


def test_it_samples_where_grid_sample_would():
    errors = {}
    for scale in SCALES:
        for groups, dynamic, reach in [(1, False, 1), (2, True, 1), (2, False, 2)]:
            upsampler = with_any_weights(DySample(4, 4, scale, groups, dynamic, reach))
            upsampler.offset.weight.data *= 5
            image = picture(1, 4, 9, 8)
            offsets = bounded(predicted(upsampler, image), scale, reach)
            assert largest(offsets) > reach / 2
            got = upsampler(crop(image, 3 - upsampler.halo))
            expected = crop(sampled(image, offsets, scale), 3 * scale)
            errors[scale, groups, reach] = largest(got - expected)
    assert not above(errors, 1e-12)


def test_small_offsets_are_those_of_the_paper():
    for dynamic in (False, True):
        upsampler = with_any_weights(DySample(4, 4, 3, dynamic=dynamic))
        upsampler.offset.weight.data *= 0.03
        upsampler.offset.bias.data *= 0.03
        image = picture(1, 4, 9, 8)
        offsets = predicted(upsampler, image)
        expected = crop(sampled(image, offsets, 3), 9)
        moved = largest(expected - crop(sampled(image, 0 * offsets, 3), 9))
        off = largest(upsampler(crop(image, 2)) - expected)
        assert off < 0.01 * moved


def test_where_channels_change_each_group_samples_channels_of_its_own():
    upsampler = with_any_weights(DySample(3, 2, 2, groups=4))
    image = picture(1, 3, 9, 8)
    made = F.conv2d(mirror_pad(image, 1), upsampler.project.weight, upsampler.project.bias)
    offsets = bounded(predicted(upsampler, image), 2, 1)
    expected = sampled(made, offsets, 2).view(1, 4, 2, 18, 16).sum(dim=1)
    got = upsampler(crop(image, 3 - upsampler.halo))
    assert largest(got - crop(expected, 6)) < 1e-12


def test_a_flat_picture_stays_flat():
    for scale in SCALES:
        upsampler = with_any_weights(DySample(3, 2, scale))
        size = 3 + 2 * upsampler.halo
        sr = upsampler(picture(1, 3, 1, 1).expand(1, 3, size, size))
        assert largest(sr - sr[..., :1, :1]) < 1e-12
        assert largest(sr) > 1e-3


def test_it_starts_near_bilinear():
    image = picture(1, 2, 6, 7)
    near = {}
    for scale in SCALES:
        bilinear = enlarge(image, scale, "bilinear")
        for outputs in (1, 2):
            for dynamic in (False, True):
                upsampler = DySample(2, outputs, scale, dynamic=dynamic, init="bilinear").double()
                sr = upsampler(mirror_pad(image, upsampler.halo))
                near[scale, outputs, dynamic] = largest(sr - bilinear[:, :outputs])
    assert not above(near, 0.005)  # of a picture between 0 and 1


def test_it_has_the_parameters_of_the_paper():
    assert count(DySample(64, 64, 2)) == 64 * 2 * 4 * 4 + 2 * 4 * 4
    assert count(DySample(64, 64, 2, dynamic=True)) == 2 * 64 * 2 * 4 * 4 + 2 * 4 * 4
