"""Guards: the channels of a sub-pixel convolution become the phases that the papers say."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from common import picture
from torch import nn
from upsamplers.variants import SCALES

from srlab.upsamplers.pixel_shuffle import PixelShuffle


def shuffled_by(order, x, scale):
    """Apply PixelShuffle, whose channel is ``c s^2 + a s + b``, to channels in another order.

    ``order(c, a, b)`` is the channel that holds phase (a, b) of output channel c.
    """
    outputs = x.shape[1] // scale**2
    indices = [order(c, a, b) for c in range(outputs) for a in range(scale) for b in range(scale)]
    layer = PixelShuffle(x.shape[1], outputs, scale, kernel_size=1).double()
    nn.init.zeros_(layer.conv.bias)
    # What another framework's kernel must go through: its output channels are permuted.
    theirs = torch.eye(x.shape[1], dtype=torch.float64)[:, :, None, None]
    layer.conv.weight.data = theirs[indices]
    return layer(x).numpy()


def depth_to_space(x, scale, mode):
    """ONNX's DepthToSpace as its specification has it, NCHW."""
    n, c, h, w = x.shape
    if mode == "DCR":
        x = x.reshape(n, scale, scale, c // scale**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        x = x.reshape(n, c // scale**2, scale, scale, h, w).transpose(0, 1, 4, 2, 5, 3)
    return x.reshape(n, c // scale**2, scale * h, scale * w)


def phase_shift(x, r):
    """The first TensorFlow code for ESPCN that was passed around, for one channel, NHWC."""
    n, a, b, _ = x.shape
    x = x.reshape(n, a, b, r, r).transpose(0, 1, 2, 4, 3)
    x = np.concatenate([np.squeeze(part, 1) for part in np.split(x, a, axis=1)], axis=2)
    x = np.concatenate([np.squeeze(part, 1) for part in np.split(x, b, axis=1)], axis=2)
    return x.reshape(n, a * r, b * r, 1)


@pytest.mark.parametrize("scale", SCALES)
def test_the_channel_orders_of_other_systems_are_permutations_of_the_outputs(scale):
    s = scale
    for outputs in (1, 3):  # one is shuffled by other code than several
        x = picture(2, outputs * s**2, 3, 4)
        torchs = shuffled_by(lambda c, a, b: c * s**2 + a * s + b, x, s)
        assert np.array_equal(torchs, F.pixel_shuffle(x, s).numpy())
        assert np.array_equal(torchs, depth_to_space(x.numpy(), s, "CRD"))

    dcr = depth_to_space(x.numpy(), s, "DCR")
    assert np.array_equal(shuffled_by(lambda c, a, b: (a * s + b) * 3 + c, x, s), dcr)
    assert not np.array_equal(dcr, torchs)

    one = x[:, : s**2]
    tensorflows = phase_shift(one.permute(0, 2, 3, 1).numpy(), s)[..., 0]
    assert np.array_equal(shuffled_by(lambda c, a, b: b * s + a, one, s)[:, 0], tensorflows)
    assert not np.array_equal(F.pixel_shuffle(one, s)[:, 0].numpy(), tensorflows)


@pytest.mark.parametrize("scale", SCALES)
def test_the_periodic_shuffling_of_the_paper_is_another_permutation(scale):
    r, outputs = scale, 2
    x = picture(1, outputs * r**2, 3, 4)
    # PS(T)[x, y, c] = T[x // r, y // r, C r (y mod r) + C (x mod r) + c], x the row (eq. 4).
    expected = np.empty((1, outputs, 3 * r, 4 * r))
    for c, row, column in np.ndindex(expected.shape[1:]):
        channel = outputs * r * (column % r) + outputs * (row % r) + c
        expected[0, c, row, column] = x[0, channel, row // r, column // r]
    got = shuffled_by(lambda c, a, b: outputs * r * b + outputs * a + c, x, r)
    assert np.array_equal(got, expected)
