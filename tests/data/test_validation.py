"""Guards: the pictures that choose are a fair part of a set, not those of a test or a training."""

import numpy as np
from common import image_set

from srlab.data.pairs import read_pairs
from srlab.data.photos import held_out, training
from srlab.data.validation import folder, photos
from srlab.words import Colour


def test_the_bundled_pictures_are_neither_trained_nor_tested_on():
    assert not {*photos().paths} & {*training().paths, *held_out().paths}


def test_the_pictures_are_spread_over_the_set(tmp_path):
    image_set(tmp_path, *[(4, 4)] * 11)
    every = folder(str(tmp_path), images=0).paths
    assert len(every) == 11
    for count in (1, 3, 10, 11):
        kept = [every.index(path) for path in folder(str(tmp_path), images=count).paths]
        assert len(kept) == count
        assert max(np.diff([*kept, 11]), default=0) <= 1 + 11 // count


def test_the_middle_is_judged_and_never_too_little_of_it(tmp_path):
    image_set(tmp_path / "set", (60, 80))
    [whole] = read_pairs(folder(str(tmp_path / "set"), crop=0), 2, Colour.y, 15)
    [middle] = read_pairs(folder(str(tmp_path / "set"), crop=20), 2, Colour.y, 15)
    assert np.array_equal(middle.hr, whole.hr[20:40, 30:50])
    [enough] = read_pairs(folder(str(tmp_path / "set"), crop=4), 3, Colour.y, 17)
    assert 17 <= min(enough.hr.shape[:2]) <= 20
