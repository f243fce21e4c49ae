"""Guards: SCN is the paper's network, and starts as sparse coding."""

import torch
import torch.nn.functional as F
from common import count, largest, normal_noise, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from srlab.imaging.resample import crop, mirror_pad
from srlab.models.scn import SCN
from srlab.sparse_coding.shrinkage import soft_threshold
from srlab.upsamplers.interpolation import Interpolate


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
    model, x = scn(recursions=3, weight=0.2), normal_noise(2, 1, 12, 11)
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
@settings(max_examples=10)
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
