"""Guards: a kernel at another scale is the same interpolation, and keeps a flat picture flat."""

import torch
from common import above, largest, picture

from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.linear import SubPixel, subpixel_form
from srlab.upsamplers.rescaling import rescaled


def test_a_smooth_interpolation_is_that_of_the_other_scale():
    off = {}
    for scale, new in [(2, 3), (2, 4), (3, 2), (4, 2), (3, 4), (4, 3)]:
        form, wanted = (subpixel_form(Interpolate(1, 1, s, "bicubic")) for s in (scale, new))
        off[scale, new] = largest(rescaled(form, new).kernel - wanted.padded(form.size))
    assert not above(off, 0.11)  # of a largest weight of 1; x2 has few samples of it


def test_a_flat_picture_is_answered_as_before_and_without_a_checkerboard():
    kernel = picture(2 * 9, 3, 3, 3) - 0.5
    form = SubPixel(kernel, torch.randn(18, dtype=torch.float64), 3)
    flat = picture(1, 3, 1, 1).expand(1, 3, 5, 5)
    for new in (2, 4, 5):
        made = rescaled(form, new)(flat)
        assert largest(made - made[..., :1, :1]) < 1e-12
        assert largest(made.mean((2, 3)) - form(flat).mean((2, 3))) < 1e-12
    assert rescaled(form, 3) is form
