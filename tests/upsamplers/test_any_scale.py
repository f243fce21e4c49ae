"""Guards: heads of any scale start as bilinear interpolation at all, by weights of one."""

import pytest
from common import above, largest, picture
from upsamplers.variants import SCALES

from srlab.imaging.resample import enlarge, mirror_pad
from srlab.upsamplers.liif import LIIF
from srlab.upsamplers.meta import MetaShuffle


@pytest.mark.parametrize("head", [MetaShuffle, LIIF])
def test_it_starts_as_bilinear_interpolation_at_every_scale_whatever_the_sign(head):
    image = picture(2, 3, 5, 6) - 0.5
    errors = {}
    for inputs, outputs in [(1, 1), (3, 3), (3, 2), (2, 3)]:
        start = head(inputs, outputs, 2, hidden=9, init="bilinear")
        for scale in SCALES:
            made = head(inputs, outputs, scale, hidden=9).double()
            made.load_state_dict(start.state_dict())
            sr = made(mirror_pad(image[:, :inputs], made.halo))
            channels = [c % inputs for c in range(outputs)]
            expected = enlarge(image, scale, "bilinear")[:, channels]
            errors[inputs, outputs, scale] = largest(sr - expected)
    assert not above(errors, 1e-12)
