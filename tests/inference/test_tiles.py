"""Guards: tiles give the pixels of the whole picture, from top to bottom, however many at once."""

import time
from contextlib import nullcontext
from unittest.mock import patch

import pytest
import torch
from common import largest, picture
from hypothesis import example, given, settings
from hypothesis import strategies as st
from models.variants import GUIDED, VARIANTS, WHOLE, variant

from srlab.inference import tiles
from srlab.inference.tiles import upscale_rows, upscale_tiled
from srlab.models.plain import Plain
from srlab.testing.behaviour import distance
from srlab.upsamplers.interpolation import Interpolate

# What another order of summation may change in single precision, on the range of 0 to 1.
ROUNDING = 1e-6

HEADS = {"own": None, "guided": GUIDED, "whole": WHOLE}


@torch.inference_mode()
def plainly(model, lr):
    return model(lr)


def in_batches():
    """Give tiles at once to the network in one batch, as on CUDA; else threads make them."""
    return patch.object(tiles._Tiling, "in_threads", tiles._Tiling.in_batches)


@given(
    name=st.sampled_from(list(VARIANTS)),
    head=st.sampled_from(list(HEADS)),
    scale=st.sampled_from([2, 3, 4]),
    channels=st.sampled_from([1, 3]),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    tile=st.integers(1, 20),
    at_once=st.sampled_from([1, 1, 2, 3, 50]),
    batches=st.booleans(),
)
@example("espcn", "own", 3, 1, (4, 3), 1, 1, True)  # smaller than the halo
@example("plain", "guided", 3, 1, (1, 30), 5, 1, True)  # all switches are ties
@example("unet", "guided", 3, 1, (30, 1), 5, 2, False)
@example("csc_sr", "own", 2, 3, (40, 23), 8, 2, True)
@settings(max_examples=25)
def test_tiles_of_any_size_give_the_whole_picture(
    name, head, scale, channels, size, tile, at_once, batches
):
    model = variant(name, scale, channels, HEADS[head])
    lr = picture(1, channels, *size)
    with in_batches() if batches else nullcontext():
        tiled = upscale_tiled(model, lr, tile, at_once)
    assert distance(tiled, plainly(model, lr)) < 1e-11


@pytest.mark.parametrize("batches", [False, True], ids=["threads", "batches"])
def test_in_single_precision_tiles_give_the_whole_picture_but_for_rounding(batches):
    offenders = []
    for name in VARIANTS:
        model = variant(name, disturbed=False).float()
        lr = picture(2, 1, 13, 19).float()
        whole = plainly(model, lr)
        with in_batches() if batches else nullcontext():
            for at_once in (1, 3):
                tiled = upscale_tiled(model, lr, 6, at_once)
                if not (distance(tiled, whole) < ROUNDING and whole.std() > 1e-3):
                    offenders.append((name, at_once, distance(tiled, whole), whole.std()))
                assert tiled.dtype == torch.float32
    assert not offenders


@pytest.mark.parametrize("name", ["plain", "espcn", "srcnn"])
def test_tiles_give_the_whole_picture_also_far_from_its_first_pixel(name):
    for scale in (2, 3, 4):
        model = variant(name, scale, disturbed=False).float()
        lr = picture(1, 1, 4, 2000).float()
        assert largest(upscale_tiled(model, lr, 500) - plainly(model, lr)) < ROUNDING


# Large enough for torch to convolve the whole in another way, and so to round otherwise.
AREAS = {
    "flat": torch.full((1, 1, 150, 170), 0.7),
    "ramp": torch.linspace(0, 1, 170).expand(1, 1, 150, 170),
    "steps": picture(1, 1, 15, 17).float().repeat_interleave(10, -1).repeat_interleave(10, -2),
}


@pytest.mark.parametrize("name", ["plain", "fsrcnn", "unet"])
def test_rounding_does_not_move_the_switches_of_even_areas_from_tile_to_tile(name):
    model = variant(name, upsampler=GUIDED, disturbed=False).float()
    far = {
        area: distance(upscale_tiled(model, lr, 48), plainly(model, lr))
        for area, lr in AREAS.items()
    }
    assert all(off < 1e-5 for off in far.values()), far


# How the work is done


class Spy(Plain):
    """Notes how it is called."""

    def __init__(self):
        super().__init__(Interpolate, 2)
        self.seen = []

    def forward(self, lr, halo=0):
        self.seen.append((tuple(lr.shape), halo))
        return super().forward(lr, halo)


def test_a_picture_that_fits_in_one_tile_is_taken_whole():
    for tile in (0, 18, 19, 500):
        spy = Spy()
        upscale_tiled(spy, torch.rand(1, 1, 12, 18), tile)
        assert spy.seen == [((1, 1, 12, 18), 0)]


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((12, 18), [(6, 6)] * 6),
        ((5, 18), [(5, 6)] * 3),
        ((17, 8), [(6, 8), (6, 8), (5, 8)]),
    ],
)
def test_tiles_are_alike_and_no_larger_than_asked_for_but_for_their_frame(size, wanted):
    spy = Spy()
    upscale_tiled(spy, torch.rand(1, 1, *size), 8)
    assert all(halo == spy.halo for _, halo in spy.seen)
    assert [(shape[-2] - 4, shape[-1] - 4) for shape, _ in spy.seen] == wanted


def test_several_tiles_of_several_pictures_are_given_at_once():
    with in_batches():
        for pictures in (1, 3):
            for at_once in (2, 4):
                spy = Spy()
                upscale_tiled(spy, torch.rand(pictures, 1, 8, 80), 10, at_once)
                assert [shape[0] for shape, _ in spy.seen] == [pictures * at_once] * (8 // at_once)


def test_upscaling_in_tiles_keeps_no_graph():
    model = variant("espcn", disturbed=False).float()
    for tile in (0, 4):
        assert not upscale_tiled(model, torch.rand(1, 1, 6, 6), tile).requires_grad


def rows_of(model, lr, tile, at_once=1, asked=None):
    def read(first, last):
        if asked is not None:
            asked.append((first, last))
        return lr[..., first:last, :]

    return upscale_rows(model, read, *lr.shape[-2:], tile, at_once)


def test_rows_come_from_top_to_bottom_as_they_are_done():
    offenders = []
    for name in VARIANTS:
        for head in HEADS.values():
            model, asked = variant(name, 3, 3, head), []
            lr = picture(1, 3, 40, 13)
            rows = rows_of(model, lr, 10, asked=asked)
            first = next(rows)
            # No more than it depends on; of the picture's first row the width is known.
            least, (begin, end) = asked[0], asked[1]
            few = (begin, end) <= (0, 10 + 2 * model.grid + model.halo) and least == (0, 1)
            soon = first.shape[-2] <= 3 * (10 + model.grid)
            off = distance(torch.cat([first, *rows], dim=-2), plainly(model, lr))
            if not (off < 1e-11 and (model.whole or (soon and few))):
                offenders.append((name, off, first.shape, asked))
    assert not offenders


def test_threads_are_as_many_again_when_the_rows_are_given_up():
    usual = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        model, lr = variant("espcn").float(), torch.rand(1, 1, 40, 40)
        rows, others = (rows_of(model, lr, 8, 2) for _ in range(2))
        next(rows)
        next(others)
        assert torch.get_num_threads() == 3
        rows.close()
        others.close()
        assert torch.get_num_threads() == 3
        upscale_tiled(model, lr, 8, 2)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(usual)


def test_what_a_thread_raises_arrives():
    class Fails(Plain):
        def forward(self, lr, halo=0):
            raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        upscale_tiled(Fails(Interpolate, 2), torch.rand(1, 1, 40, 40), 8, 2)


class Interrupted(Plain):
    """A network that is interrupted at its second tile, wherever that is made."""

    def __init__(self):
        super().__init__(Interpolate, 2)
        self.tiles = 0

    def forward(self, lr, halo=0):
        self.tiles += 1
        if self.tiles > 1:
            time.sleep(0.05)
            raise KeyboardInterrupt
        return super().forward(lr, halo)


def test_an_interrupted_row_of_tiles_is_not_worked_off():
    model = Interrupted()
    lr = torch.rand(1, 1, 8, 400)
    with pytest.raises(KeyboardInterrupt):
        upscale_tiled(model, lr, 8, 2)
    made = model.tiles
    time.sleep(0.3)
    assert model.tiles <= made + 1  # the one that another thread was at
    assert model.tiles < 10
