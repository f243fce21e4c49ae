"""Guards: patches are drawn where bicubic interpolation errs most, if that is wanted."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from common import for_all, image_set, random_pixels
from PIL import Image

from srlab.data.images import ImageSet
from srlab.data.pack import open_pack
from srlab.data.patches import PatchBatches
from srlab.data.tiles import tile_errors
from srlab.imaging.files import to_tensor
from srlab.imaging.resample import enlarge, shrink


def test_the_error_of_a_tile_is_that_of_bicubic_within_it():
    pixels = random_pixels(24, 36, 3)

    def check(scale):
        whole = to_tensor(pixels)
        low = (shrink(whole, scale) * 255).round().clamp(0, 255) / 255
        squares = (enlarge(low, scale) - whole).square().mean(dim=(0, 1)).numpy()
        found = tile_errors(pixels, scale, 4)
        side = 4 * scale
        for top, left, error in found:
            window = squares[int(top) * scale :, int(left) * scale :][:side, :side]
            assert window.shape == (side, side)
            assert error == pytest.approx(window.mean(), rel=1e-9)
        # All of the picture lies in a tile: the last ones overlap those before.
        assert {int(top) for top, *_ in found} == {*range(0, 24 // scale - 3, 4), 24 // scale - 4}

    for_all([2, 3], check)


def test_where_a_picture_is_restored_at_its_size_it_is_half_of_it_that_tells():
    pixels = np.full((17, 16, 1), 99, np.uint8)
    pixels[8:16, 8:16, 0] = random_pixels(8, 8)
    found = {(int(top), int(left)): error for top, left, error in tile_errors(pixels, 1, 4)}
    assert max(found, key=lambda place: found[place]) in {(8, 8), (8, 12), (12, 8), (12, 12)}
    assert found[0, 0] < 1e-9 < found[12, 12]


@pytest.fixture
def half(tmp_path):
    """Return a set of a flat picture, and one whose right half alone is not flat."""
    places = []
    for number, first in enumerate((48, 24)):
        pixels = np.full((24, 48), 50, np.uint8)
        pixels[:, first:] = random_pixels(24, 48)[:, first:]
        places.append(tmp_path / f"{number}.png")
        Image.fromarray(pixels).save(places[-1])
    return ImageSet("half", tuple(places))


def test_patches_are_of_the_share_of_the_tiles_that_is_hardest_and_as_often_everywhere(half):
    pack = open_pack(replace(half, hardest=0.25), 2, "y", 4)
    # 3x6 tiles in each picture; what is not flat reaches a pixel over the middle
    assert len(pack.tiles) == 9
    assert set(pack.tiles[:, 0]) == {1}
    assert set(pack.tiles[:, 2]) == {12, 16, 20}
    batches = PatchBatches(pack, 20_000, 4, 0, seed=1)
    (_, _, _, _, top, left, _), *_ = batches.places([0])
    places = Counter(zip(top.tolist(), left.tolist(), strict=True))
    # The middle of a patch lies in a tile, as far as the patch lies in the picture.
    assert {t for t, _ in places} == set(range(9))
    assert {x for _, x in places} == set(range(10, 21))
    inner = [n for (t, x), n in places.items() if 2 <= t < 6 and 10 <= x < 18]
    mean = 20_000 * len(inner) / len(places) / len(inner)
    assert all(abs(n - mean) < 6 * mean**0.5 for n in inner)


def test_each_set_of_a_mixture_keeps_its_share_and_variants_are_alike(tmp_path):
    images = image_set(tmp_path / "images", (24, 24), (24, 48), (48, 24))
    mixed = replace(images, parts=(1, 2), hardest=0.3)
    pack = open_pack(mixed, 2, "y", 4)
    # 9 tiles, and 36
    assert Counter(pack.part[pack.tiles[:, 0]].tolist()) == {0: 3, 1: 11}
    assert np.all(pack.tiles[:, 3] == 4)


def test_all_tiles_are_all_positions(half):
    pack = open_pack(half, 2, "y", 4)
    assert pack.tiles is None
    assert open_pack(replace(half, hardest=0.5), 2, "y", 4).fingerprint == pack.fingerprint


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
def test_a_share_is_above_0_and_at_most_1(share):
    with pytest.raises(ValueError, match="hardest is a share above 0 and up to 1"):
        ImageSet("", (), hardest=share)
