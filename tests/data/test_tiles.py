"""Guards: patches are drawn where bicubic interpolation errs most, if that is wanted."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from common import for_all, image_set, random_pixels
from PIL import Image

from srlab.data import tiles as tiles_module
from srlab.data.images import ImageSet
from srlab.data.pack import open_pack
from srlab.data.patches import PatchBatches
from srlab.data.tiles import hardest_tiles, tile_errors
from srlab.degradations.degradation import Degradation
from srlab.degradations.noise import GaussianNoise
from srlab.degradations.shrink import Shrink
from srlab.imaging.files import to_tensor
from srlab.imaging.resample import enlarge, shrink


def test_each_place_of_a_patch_is_in_one_tile_and_its_error_is_that_of_a_patch_there():
    def check(scale, height, width):
        pixels = random_pixels(height * scale, width * scale, 3)
        grey = to_tensor(pixels).mean(dim=1, keepdim=True) * 255
        squares = (enlarge(shrink(grey, scale), scale) - grey).square()[0, 0].numpy()
        middles = np.zeros((height, width), int)
        for top, left, rows, columns, error in tile_errors(pixels, scale, 4):
            top, left, rows, columns = (int(n) for n in (top, left, rows, columns))
            middles[top : top + rows, left : left + columns] += 1
            first = top - 2 + rows // 2, left - 2 + columns // 2
            assert 0 <= first[0] <= height - 4
            assert 0 <= first[1] <= width - 4
            window = squares[first[0] * scale :, first[1] * scale :][: 4 * scale, : 4 * scale]
            assert error == pytest.approx(window.mean(), rel=1e-9)
        wanted = np.zeros((height, width), int)
        wanted[2 : height - 1, 2 : width - 1] = 1  # of a patch of 4 pixels, the third is its middle
        assert np.array_equal(middles, wanted)

    for_all([(2, 12, 9), (3, 4, 21), (2, 5, 4), (3, 7, 8)], check)


@pytest.mark.parametrize("size", [(17, 16), (1, 40)])
def test_where_a_picture_is_restored_at_its_size_it_is_half_of_it_that_tells(size):
    pixels = np.full((*size, 1), 99, np.uint8)
    pixels[-8:, -8:, 0] = random_pixels(8, 8)[: size[0]]
    found = tile_errors(pixels, 1, min(4, *size))
    assert found[0, 4] < 1e-3
    assert size[0] == 1 or found[found[:, 4].argmax(), :2].tolist() in ([10, 10], [14, 10])


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
    # In each picture 2 or 3 rows of tiles, of 4, 4 and 1 places, and 6 columns, of 4 and 1.
    assert len(pack.tiles) == 9
    assert set(pack.tiles[:, 0]) == {1}
    assert pack.tiles[:, 2].min() >= 10
    batches = PatchBatches(pack, 20_000, 4, 0, seed=1)
    _, _, _, _, top, left, _ = batches.places([0])[0]
    places = Counter(zip(top.tolist(), left.tolist(), strict=True))
    tiles = pack.tiles[:, 1:] - [2, 2, 0, 0]
    assert set(places) == {
        (y, x) for t, x0, h, w in tiles.tolist() for y in range(t, t + h) for x in range(x0, x0 + w)
    }
    mean = 20_000 / len(places)
    assert all(abs(n - mean) < 6 * mean**0.5 for n in places.values())


def test_a_share_of_all_is_every_place_as_often_whatever_the_size_and_the_patch(tmp_path):
    images = image_set(tmp_path / "images", (10, 12), (26, 18), (16, 16))
    everywhere = open_pack(images, 2, "y", 5)
    tiles = hardest_tiles(np.array([[0, k, *t] for k, (h, w) in enumerate(everywhere.size)
        for t in tile_errors(random_pixels(2 * h, 2 * w, 1), 2, 5)]), 1.0)  # fmt: skip
    pack = replace(everywhere, tiles=tiles)

    def check(patch):
        lists = []
        for one in (everywhere, pack):
            drawn = PatchBatches(one, 20_000, patch, 0, seed=1).places([0])[0]
            lists.append(Counter(zip(*(drawn[k].tolist() for k in (0, 4, 5)), strict=True)))
        uniform, tiled = lists
        assert patch < 5 or set(uniform) == set(tiled)
        mean = 20_000 / len(tiled)
        assert all(abs(n - mean) < 6 * mean**0.5 for n in tiled.values())
        sizes = dict(zip(pack.lr_offset.tolist(), pack.size.tolist(), strict=True))
        for offset, top, left in tiled:
            assert top + patch <= sizes[offset][0]
            assert left + patch <= sizes[offset][1]

    for_all([(5,), (4,), (3,)], check)


def test_each_set_of_a_mixture_keeps_its_share_and_variants_have_the_same_tiles(tmp_path):
    images = image_set(tmp_path / "images", (24, 24), (24, 48), (48, 24))
    mixed = replace(images, parts=(1, 2), hardest=0.3)
    noisy = Degradation("noisy", {"shrink": Shrink(), "noise": GaussianNoise(5)}, variants=2)
    pack = open_pack(mixed, 2, "y", 4, noisy)
    tiles = [pack.tiles[pack.tiles[:, 0] == number, 1:].tolist() for number in range(6)]
    assert tiles[::2] == tiles[1::2]
    # 3x3 tiles, and twice 3x6; of each picture two variants
    assert len(tiles[0]) * 2 == 6
    assert sum(map(len, tiles[2:])) == 22


def test_what_bicubic_errs_is_looked_up_and_the_pixels_are_kept_once(half, tmp_path, monkeypatch):
    monkeypatch.setenv("SRLAB_CACHE", str(tmp_path / "cache"))
    everywhere = open_pack(half, 2, "y", 4)
    first = open_pack(replace(half, hardest=0.5), 2, "y", 4)
    with monkeypatch.context() as patch:
        patch.setattr(tiles_module, "tile_errors", None)
        other = open_pack(replace(half, hardest=0.25), 2, "y", 4)
    (place,) = (tmp_path / "cache" / "packs").iterdir()
    assert len({pack.fingerprint for pack in (everywhere, first, other)}) == 3
    assert everywhere.tiles is None
    (kept,) = place.glob("tiles-*.npy")
    kept.write_bytes(kept.read_bytes()[:-9])
    again = open_pack(replace(half, hardest=0.5), 2, "y", 4)
    assert np.array_equal(again.tiles, first.tiles)
    assert again.fingerprint == first.fingerprint


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
def test_a_share_is_above_0_and_at_most_1(share):
    with pytest.raises(ValueError, match="hardest is a share above 0 and up to 1"):
        ImageSet("", (), hardest=share)
