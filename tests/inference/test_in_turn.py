"""Guards: networks in turn make what they make of whole pictures, and as few as there need be."""

from functools import partial

import numpy as np
from models.variants import variant

from srlab.inference.in_turn import scales_in_turn, upscale_in_turn
from srlab.inference.pixels import OnPixels, upscale_pixels
from srlab.inference.resizing import resize_rows


def test_as_few_networks_as_need_be_and_of_these_the_least_larger():
    chosen = {}
    for factor in (1.1, 2, 2.5, 3, 3.01, 4, 4.1, 5, 6, 8, 9, 10, 12, 16, 17, 64):
        new = round(100 * factor), 90
        chosen[factor] = scales_in_turn((100, 90), new, (2, 3, 4))[0]
    assert chosen == {
        1.1: (2,), 2: (2,), 2.5: (3,), 3: (3,), 3.01: (4,), 4: (4,), 4.1: (2, 3), 5: (2, 3),
        6: (2, 3), 8: (2, 4), 9: (3, 3), 10: (3, 4), 12: (3, 4), 16: (4, 4), 17: (2, 3, 3),
        64: (4, 4, 4),
    }  # fmt: skip
    assert scales_in_turn((5, 7), (40, 56), (2, 4)) == ((2, 4), True)
    assert scales_in_turn((5, 7), (40, 55), (2, 4)) == ((2, 4), False)
    assert scales_in_turn((5, 7), (10, 21), (3,)) == ((3,), False)
    assert scales_in_turn((5, 7), (20, 28), (3,)) == ((3, 3), False)


def test_tiles_and_rows_in_turn_make_the_pixels_of_whole_pictures():
    """Also of a network with a wide halo, and past the last row of tiles."""
    models = [variant("espcn", 2, 1, disturbed=False), variant("edsr", 3, 1, disturbed=False)]
    onto = [OnPixels(model.float(), "y") for model in models]
    for channels in (1, 4):
        pixels = np.random.default_rng(0).integers(0, 256, (45, 38, channels), dtype=np.uint8)
        whole = pixels
        for model in onto:
            whole = np.concatenate(list(upscale_pixels(model, whole, 0)))
        for tile, at_once in ((0, 1), (16, 1), (11, 2)):
            cut = [(m.scale, partial(upscale_pixels, m, tile=tile, at_once=at_once)) for m in onto]
            made = np.concatenate(list(upscale_in_turn(pixels, cut, whole.shape[:2])))
            # Another order of summation may round to the next level, which the second one sees.
            assert abs(made.astype(int) - whole).max() <= 2
            made = np.concatenate(list(upscale_in_turn(pixels, cut, (100, 101))))
            expected = np.concatenate(list(resize_rows(whole, 100, 101)))
            assert abs(made.astype(int) - expected).max() <= 2
