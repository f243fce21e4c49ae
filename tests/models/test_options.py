"""Guards: an option of a network that cannot be is refused in a sentence that names it."""

import re
from functools import partial

from srlab.models.compact import Compact
from srlab.models.csc import CSC
from srlab.models.csc_sr import CSCSR
from srlab.models.edsr import EDSR
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.models.scn import SCN
from srlab.models.srcnn import SRCNN
from srlab.models.unet import UNet
from srlab.models.vdsr import VDSR
from srlab.upsamplers.pixel_shuffle import PixelShuffle

START = "init must be default or identity, got 'identiti'"
RESIDUAL = "residual must be none, nearest or bicubic, got 'bilinear'"
CODES = r"filters must be at least 1 and iterations at least 0, got "
LEARNT = r"filters and iterations must be at least 1, got "

REFUSED = [
    (partial(ESPCN, activation="gelu"), "activation must be tanh or relu, got 'gelu'"),
    (partial(ESPCN, residual="bilinear"), RESIDUAL),
    (partial(ESPCN, init="identiti"), START),
    (partial(ESPCN, features=(64, 5)), r"two numbers of at least 6, got \[64, 5\]"),
    (partial(ESPCN, features=(64,)), r"two numbers of at least 6, got \[64\]"),
    (partial(SRCNN, residual="bilinear"), RESIDUAL),
    (partial(SRCNN, init="identiti"), START),
    (partial(SRCNN, kernels="9-5-9"), "kernels must be 9-1-5, 9-3-5 or 9-5-5"),
    (partial(SRCNN, features=(5, 64)), r"two numbers of at least 6, got \[5, 64\]"),
    (partial(FSRCNN, depth=-1), "depth must not be negative, got -1"),
    (partial(FSRCNN, channels=3, shrunk=2), "at least the 3 channels .* got 56 and 2"),
    (partial(FSRCNN, init="identiti"), START),
    (partial(FSRCNN, residual="bilinear"), RESIDUAL),
    (partial(Compact, depth=-1), "depth must not be negative, got -1"),
    (partial(Compact, channels=3, features=2), "at least the 3 channels .* got 2"),
    (partial(Compact, init="identiti"), START),
    (partial(Compact, residual="bilinear"), RESIDUAL),
    (partial(VDSR, depth=1), "depth must be at least 2 and features 1, got 1 and 64"),
    (partial(VDSR, init="identiti"), START),
    (partial(EDSR, blocks=0), "blocks and features must be at least 1, got 0, 64"),
    (partial(EDSR, residual="bilinear"), RESIDUAL),
    (partial(UNet, depth=0), "depth and features must be at least 1, got 0 and 16"),
    (partial(UNet, residual="bilinear"), RESIDUAL),
    (partial(CSC, filters=0), CODES + "0, 6"),
    (partial(CSC, iterations=-1), CODES + "128, -1"),
    (partial(CSC, kernel_size=4), "kernel_size must be odd and from 1 to 63, got 4"),
    (partial(CSC, weight=0), "weight must be above 0, got 0"),
    (partial(CSCSR, iterations=0), LEARNT + "64, 0"),
    (partial(CSCSR, kernel_size=19), "kernel_size must be odd and at most 17, got 19"),
    (partial(CSCSR, damping=0), "weight and damping must be above 0, got 0.5, 0"),
    (partial(CSCSR, block=7), "block must be at least 8 pixels, got 7"),
    (partial(SCN, atoms=0), "atoms must be at least 1 and recursions at least 0, got 0 and 1"),
    (partial(SCN, weight=0), "weight must be above 0, got 0"),
]


def told(make):
    try:
        make(PixelShuffle, 2)
    except ValueError as error:
        return str(error)
    return "nothing"


def test_a_bad_option_is_refused_by_name():
    said = [(make, told(make), wanted) for make, wanted in REFUSED]
    offenders = [(m, s, wanted) for m, s, wanted in said if not re.search(wanted, s)]
    assert not offenders
