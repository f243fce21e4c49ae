"""Guards: a residual adds the interpolated picture to what the network makes, and nothing else."""

import pytest
import torch
from common import count, largest, made_of_noughts, picture
from models.variants import VARIANTS

from srlab.imaging.resample import enlarge
from srlab.models.compact import Compact
from srlab.models.edsr import EDSR
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.models.srcnn import SRCNN
from srlab.models.unet import UNet

OWN = {
    ESPCN: "espcn of relu + bicubic",
    SRCNN: "srcnn 9-5-5 + bicubic",
    FSRCNN: "fsrcnn of depth 0 + bicubic",
    Compact: "compact of depth 0 + nearest",
    EDSR: "edsr + bicubic",
    UNet: "unet of 2 levels + nearest",
}


@pytest.mark.parametrize("network", OWN)
@torch.no_grad()
def test_a_residual_adds_the_interpolated_picture_and_costs_no_parameters(network):
    upsampler = VARIANTS[OWN[network]][1]
    plain = network(upsampler, 3, 3).double()
    lr = picture(2, 3, 4, 5)
    for residual in ("nearest", "bicubic"):
        model = network(upsampler, 3, 3, residual=residual).double()
        assert count(model) == count(plain)
        model.load_state_dict(plain.state_dict())
        # Both subtract a constant from the picture and add it again.
        constant = model(lr) - plain(lr) - enlarge(lr, 3, residual)
        assert largest(constant - constant.mean()) < 1e-12
        assert largest(made_of_noughts(model)(lr) - enlarge(lr, 3, residual)) < 1e-12
