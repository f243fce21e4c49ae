"""Guards: plain interpolation is ``imaging``'s, without weights."""

from functools import partial

from common import count, largest, picture
from hypothesis import given
from hypothesis import strategies as st

from srlab.imaging.resample import REACH, enlarge
from srlab.models.plain import Plain
from srlab.upsamplers.interpolation import Interpolate


def test_plain_interpolation_is_what_imaging_enlarges_to_and_has_no_parameters():
    offenders = []
    for mode in REACH:
        for scale in (2, 3, 4):
            model, lr = (
                Plain(partial(Interpolate, mode=mode), scale, channels=3),
                picture(2, 3, 5, 4),
            )
            if count(model) or not model(lr).equal(enlarge(lr, scale, mode)):
                offenders.append((mode, scale))
    assert not offenders


@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([2, 3, 4]),
    height=st.integers(1, 8),
    width=st.integers(1, 8),
)
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


def test_the_halo_is_the_reach_of_the_interpolation():
    assert Plain(Interpolate, 2).halo == 2
    assert Plain(partial(Interpolate, mode="nearest"), 2).halo == 0
