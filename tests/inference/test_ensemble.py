"""Guards: the self-ensemble is the mean over the eight symmetries of the square, in tiles, too."""

from functools import partial

import pytest
import torch
from common import largest, picture
from hypothesis import given
from hypothesis import strategies as st
from models.variants import GUIDED, WHOLE, variant

from srlab.inference.ensemble import SelfEnsemble, self_ensemble
from srlab.inference.tiles import upscale_tiled
from srlab.models.plain import Plain
from srlab.testing.behaviour import distance
from srlab.upsamplers.interpolation import Interpolate


@given(seed=st.integers(0, 999), scale=st.sampled_from([2, 3, 4]))
def test_the_ensemble_of_bicubic_is_bicubic(seed, scale):
    lr = picture(1, 1, 7, 10, seed=seed)
    model = Plain(Interpolate, scale)
    assert largest(self_ensemble(model, lr.float()) - model(lr.float())) < 1e-6
    assert largest(self_ensemble(model, lr) - model(lr)) < 1e-12


@torch.inference_mode()
def test_the_ensemble_is_the_mean_over_the_eight_symmetries():
    model = variant("espcn", 3)
    lr = picture(1, 1, 5, 8)
    results = []
    for quarter in range(4):  # by quarter turns, where srlab transposes and flips
        for mirrored in (False, True):
            turned = torch.rot90(lr.flip(-1) if mirrored else lr, quarter, (-2, -1))
            back = torch.rot90(model(turned), -quarter, (-2, -1))
            results.append(back.flip(-1) if mirrored else back)
    assert min(largest(one - results[0]) for one in results[1:]) > 1e-3  # they do differ
    assert len({r.sum().item() for r in results}) == 8
    assert largest(self_ensemble(model, lr) - sum(results) / 8) < 1e-12


@torch.inference_mode()
def test_the_ensemble_turns_with_its_input():
    model = variant("srcnn", channels=3)
    lr = picture(2, 3, 6, 9)
    whole = self_ensemble(model, lr)
    for transposed in (False, True):
        for flips in ([], [-1], [-2], [-2, -1]):

            def turn(x, transposed=transposed, flips=flips):
                return (x.mT if transposed else x).flip(flips)

            assert distance(self_ensemble(model, turn(lr)), turn(whole)) < 1e-12


# One whose context is its frame, one whose context is more, one that begins at a grid, and one that
# must see the picture whole.
@pytest.mark.parametrize(
    ("name", "head"),
    [("espcn", None), ("edsr", GUIDED), ("unet", None), ("fsrcnn", WHOLE)],
)
@torch.inference_mode()
def test_the_ensemble_in_tiles_is_that_of_the_whole_picture(name, head):
    model = variant(name, 2, 3, head)
    lr = picture(1, 3, 45, 14)  # more than tile and context together
    whole = self_ensemble(model, lr)
    assert distance(upscale_tiled(SelfEnsemble(model, 5), lr, 5, 2), whole) < 1e-11
    assert distance(self_ensemble(partial(upscale_tiled, model, tile=5), lr), whole) < 1e-11
