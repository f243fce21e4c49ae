"""Guards: every upsampler, with every option that changes its work, keeps what all promise."""

import re
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from common import largest, picture
from upsamplers.variants import CHANNELS, SCALES, VARIANTS, framed_for, is_staged, made

from srlab.imaging.resample import crop
from srlab.testing import check_upsampler, upsampler_configs
from srlab.upsamplers.boxed import Boxed
from srlab.upsamplers.carafe import CARAFE
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.liif import LIIF
from srlab.upsamplers.meta import MetaShuffle
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.resize_conv import ResizeConv
from srlab.upsamplers.staged import Staged
from srlab.upsamplers.unpool import Unpool

CONFIGS = dict(upsampler_configs())
# Of two parts that each round their reach up to whole pixels, or none of whose weights goes so far.
TOO_WIDE = {
    "resize_conv bicubic 3x3", "boxed deconv", "boxed twice", "tail", "tail default",
    "tail attention", "dysample reach 2",
}  # fmt: skip


def scales_for(name):
    """All scales for what is shipped; one in turn for its variants, but two stages for stages.

    That linear ones are convolutions at every scale is tested in test_linear.py.
    """
    if name in CONFIGS:
        return (2, 3, 4)
    return (4,) if is_staged(name) else (2 + list(VARIANTS).index(name) % 3,)


@pytest.mark.parametrize("name", VARIANTS)
@torch.enable_grad()
def test_an_upsampler_keeps_the_contract(name):
    check_upsampler(VARIANTS[name], scales_for(name), tolerance=1e-12)


def test_there_are_configs_to_judge_and_the_library_gives_their_factories():
    assert {"pixel_shuffle", "deconv", "resize_conv", "bicubic"} <= CONFIGS.keys()
    for name, make in CONFIGS.items():
        own, theirs = VARIANTS[name](3, 2, 3), make(3, 2, 3)
        assert type(theirs) is type(own)
        assert str(theirs) == str(own)


def test_the_frame_is_as_narrow_as_can_be():
    wide = set()
    for name in VARIANTS:
        for scale, io in zip(SCALES, CHANNELS, strict=True):
            if not reaches_its_frame(made(name, *io, scale)):
                wide.add(name)
    assert wide == TOO_WIDE


def reaches_its_frame(upsampler):
    """Tell whether what lies in the outer ring of a framed picture changes what comes out."""
    if upsampler.halo == 0:
        return True
    arguments = framed_for(upsampler, 1, 1)
    before = upsampler(*arguments)
    for x, width in zip(arguments, [1, upsampler.scale], strict=False):
        ring = F.pad(torch.zeros_like(crop(x, width)), [width] * 4, value=1)
        x += 3 * ring * picture(*x.shape, seed=5)
    return largest(upsampler(*arguments) - before) > 1e-6


@torch.enable_grad()
def test_every_parameter_is_trained_from_the_start_but_for_frozen_ones():
    untrained, frozen = set(), set()
    for name, make in VARIANTS.items():
        for inputs, outputs in [(3, 3), (4, 2)]:
            upsampler = make(inputs, outputs, 2)
            if any(p.requires_grad for p in upsampler.parameters()):
                arguments = [x.float() for x in framed_for(upsampler, 4, 4)]
                upsampler(*arguments).square().sum().backward()
            for key, p in upsampler.named_parameters():
                if not p.requires_grad:
                    frozen.add((name, key, p.grad))
                elif p.grad is None or not p.grad.isfinite().all() or largest(p.grad) == 0:
                    untrained.add((name, key))
    assert not untrained
    assert frozen == {
        ("deconv frozen", "deconv.weight", None),
        ("deconv frozen phase_bias", "deconv.weight", None),
    }


def test_the_weights_of_what_says_any_scale_fit_at_every_one():
    said = {name for name, make in VARIANTS.items() if make(2, 1, 2).any_scale}
    assert {name.split()[0] for name in said} == {"meta", "liif"}
    for name in said:
        weights = VARIANTS[name](2, 1, 2).state_dict()
        for scale in SCALES:
            VARIANTS[name](2, 1, scale).load_state_dict(weights)


@pytest.mark.parametrize("wrap", [Boxed, Staged])
@pytest.mark.parametrize("part", [Unpool, partial(Interpolate, align_corners=True)])
def test_what_takes_a_guide_or_no_frame_cannot_be_part_of_another(wrap, part):
    with pytest.raises(ValueError, match=r"^(Unpool|Interpolate) cannot be "):
        wrap(2, 2, 4, part)


def test_upsamplers_have_comparable_capacity_by_default():
    for scale in SCALES:
        for inputs, outputs in [(32, 1), (32, 3), (1, 1)]:
            makes = (PixelShuffle, Deconv, ResizeConv, Unpool)
            counts = [
                sum(p.numel() for p in make(inputs, outputs, scale).parameters()) for make in makes
            ]
            pair = inputs * outputs
            resized = (2 * scale + 1) ** 2 * pair + outputs
            assert counts == [
                (9 * pair + outputs) * scale**2,
                9 * pair * scale**2 + outputs,
                resized,
                resized,
            ]


def bad_options():
    """Each bad option with what it must be told by, at a scale of 3."""
    for make in (PixelShuffle, ResizeConv, Unpool, CARAFE):
        for size in (2, 0, -3):
            yield make, {"kernel_size": size}, f"kernel_size must be odd and positive, got {size}$"
    for size in (1, 4):
        yield MetaShuffle, {"kernel_size": size}, f"kernel_size must be odd .* 3, got {size}$"
    yield MetaShuffle, {"hidden": 1}, "hidden must be at least 2, got 1"
    yield LIIF, {"hidden": 0}, "hidden must be at least 1 with init=default, got 0"
    yield LIIF, {"hidden": 1, "init": "bilinear"}, "hidden must be at least 2 with init=bilinear"
    yield LIIF, {"depth": 0}, "depth must be at least 1, got 0"
    yield CARAFE, {"encoder_size": 2}, "encoder_size must be odd and positive, got 2"
    yield CARAFE, {"compressed": 0}, "compressed must be at least 1, got 0"
    for size in (2, 0):
        yield Deconv, {"kernel_size": size}, f"kernel_size must be at least the scale 3, got {size}"
    for padding in (-1, 9):
        yield Deconv, {"padding": padding}, f"padding .* at least 0 and under 9, got {padding}"
    for make in (PixelShuffle, Deconv):
        yield make, {"init": "cubic"}, "init must be .* or bilinear, got 'cubic'"
    for make in (ResizeConv, Interpolate, Unpool, CARAFE, MetaShuffle, LIIF):
        yield make, {"init": "icnr"}, "init must be default or bilinear, got 'icnr'"
    for make in (ResizeConv, Interpolate):
        yield make, {"mode": "lanczos"}, "mode must be one of .*, got 'lanczos'"
    aligned = {"mode": "nearest", "align_corners": True}
    yield Interpolate, aligned, "align_corners is for bilinear and bicubic"
    bilinear = {"init": "bilinear", "kernel_size": 1}
    yield PixelShuffle, bilinear, "init=bilinear needs a kernel of at least 3 .*, got 1"
    yield ResizeConv, bilinear, "init=bilinear at scale 3 needs a kernel_size of at least 3, got 1"
    yield CARAFE, bilinear, "init=bilinear needs a kernel_size of at least 3, got 1"
    for kernel in ({"kernel_size": 3}, {"padding": 0}):
        yield Deconv, {"init": "bilinear"} | kernel, "init=bilinear at scale 3 needs a kernel_size"
    nearest = {"init": "nearest", "kernel_size": 3, "padding": 1}
    yield Deconv, nearest, "init=nearest at scale 3 needs a kernel_size"
    for kernel in ({"kernel_size": 8}, {"kernel_size": 9, "padding": 4}):
        yield Deconv, {"init": "icnr"} | kernel, "init=icnr needs .* a padding of whole multiples"


def test_a_bad_option_is_refused_by_name():
    offenders = []
    for make, options, sentence in bad_options():
        try:
            make(2, 1, 3, **options)
        except ValueError as error:
            if re.search(sentence, str(error)):
                continue
            offenders.append((make.__name__, options, str(error)))
        else:
            offenders.append((make.__name__, options, "is taken"))
    assert not offenders
