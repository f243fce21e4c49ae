"""Guards: a network that is used takes pictures of any depth, and tells if memory is full."""

import numpy as np
import pytest
import torch

from srlab.assembly import network as handle
from srlab.assembly.network import Network, layers_for, named_network
from srlab.config.compose import option_node
from srlab.config.schema import NetworkConfig
from srlab.errors import OutOfMemory, UserError
from srlab.machine.shortage import enough_memory
from srlab.models.espcn import ESPCN
from srlab.models.plain import Plain
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.words import Colour, UpscalePrecision


def pixels_of(height, width, channels, bits=8):
    kind = np.uint8 if bits == 8 else np.uint16
    return np.random.default_rng(0).integers(0, 2**bits, (height, width, channels), dtype=kind)


@pytest.mark.parametrize("colour", Colour)
def test_an_interpolation_is_called_by_its_mode(colour):
    for mode in ("bicubic", "nearest"):
        node = option_node("model", mode, "model", 2, colour.value)
        config = NetworkConfig(model=node, scale=2, colour=colour)
        assert named_network(config, torch.device("cpu")).label == mode


def test_sixteen_bits_are_never_computed_in_half_precision_unless_asked():
    for place in ("cpu", "cuda"):
        for levels in (np.uint8, np.uint16):
            kinds = [
                layers_for(precision, torch.device(place), np.dtype(levels))
                for precision in map(UpscalePrecision, ("auto", "fp32", "fp16", "bf16"))
            ]
            half = place == "cuda" and levels == np.uint8
            assert kinds[0] == (torch.float16 if half else torch.float32)
            assert kinds[1:] == [torch.float32, torch.float16, torch.bfloat16]


def test_an_upscaler_takes_pictures_of_both_depths_in_turn(monkeypatch):
    asked = []

    def as_on_cuda(precision, device, levels):
        asked.append(levels)
        return layers_for(precision, torch.device("cuda"), levels)

    monkeypatch.setattr(handle, "layers_for", as_on_cuda)
    model = Network(ESPCN(PixelShuffle, 3).eval(), 3, Colour.y, "espcn", None, None)
    upscale = model.pixel_upscaler(0, False, UpscalePrecision.auto)
    exact = model.pixel_upscaler(0, False, UpscalePrecision.fp32)
    for bits in (8, 16, 8):
        pixels = pixels_of(9, 8, 3, bits)
        ours, theirs = (np.concatenate(list(f(pixels))) for f in (upscale, exact))
        assert ours.dtype == pixels.dtype
        unlike = abs(ours.astype(int) - theirs.astype(int)).max()
        assert unlike <= (2 if bits == 8 else 0)
    assert [kind.itemsize for kind in asked] == [1, 1, 2, 2, 1, 1]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
        RuntimeError("could not create a primitive"),
    ],
)
def test_a_memory_that_is_full_is_told_with_what_to_lower(error, monkeypatch):
    class Hungry(Plain):
        def forward(self, lr, halo=0):
            if lr.shape[-1] > 64:
                raise error
            return super().forward(lr, halo)

    model = Network(Hungry(Interpolate, 2), 2, Colour.y, "hungry", None, None)
    upscale = model.pixel_upscaler(0, False, UpscalePrecision.fp32)
    with pytest.raises(OutOfMemory, match=r"memory.* is full: lower tile") as caught:
        list(upscale(pixels_of(8, 80, 1)))
    assert caught.value.__suppress_context__
    assert isinstance(caught.value, UserError)


def test_other_errors_of_a_network_are_not_taken_for_a_full_memory():
    with pytest.raises(RuntimeError, match="sizes"), enough_memory("tile"):
        raise RuntimeError("sizes do not match")
