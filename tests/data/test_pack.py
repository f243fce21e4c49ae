"""Guards: a data set is decoded and degraded once, into a pack that holds the right pixels."""

import errno
import os
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from common import for_all, image_set, pixels_in_pack, random_pixels
from PIL import Image

from srlab.data import pairs as pairs_module
from srlab.data.images import ImageSet
from srlab.data.named import SETS, mixed
from srlab.data.pack import open_pack
from srlab.data.pairs import read_pairs
from srlab.data.patches import PatchBatches
from srlab.errors import UserError
from srlab.imaging.colour import quantise, to_channels
from srlab.imaging.files import read_pixels, to_pixels, to_tensor
from srlab.imaging.resample import crop_to_multiple, resize, shrink
from srlab.storage.cache import cache_folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return the folder of packs, which is this test's own."""
    monkeypatch.setenv("SRLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "packs"


# --- what a pack holds


def test_a_pack_holds_the_pairs_that_a_test_set_of_these_images_has(tmp_path):
    images = image_set(tmp_path / "images", (25, 32, 3), (31, 26), (40, 24, 3))

    def check(scale, colour):
        pack = open_pack(images, scale, colour, 8)
        pairs = read_pairs(images, scale, colour, 11)
        assert len(pack.size) == len(pairs) == 3
        assert pack.channels == (1 if colour == "y" else 3)
        for number, pair in enumerate(pairs):
            lr, hr = pixels_in_pack(pack, number)
            assert np.array_equal(lr, pair.lr)
            assert np.array_equal(hr, np.broadcast_to(pair.hr, hr.shape))  # grey truth stays grey

    for_all(product((2, 3), ("y", "rgb")), check)


def test_an_rgb_pack_holds_the_very_pixels_of_the_file_and_grey_three_times(tmp_path):
    pack = open_pack(image_set(tmp_path / "images", (25, 32, 3), (24, 30)), 3, "rgb", 8)
    grey = random_pixels(24, 30, seed=1)[..., None]
    assert np.array_equal(pixels_in_pack(pack, 0)[1], random_pixels(25, 32, 3)[:24, :30])
    assert np.array_equal(pixels_in_pack(pack, 1)[1], np.repeat(grey, 3, axis=2))


def test_a_shrunk_copy_is_degraded_from_the_shrunk_image(tmp_path):
    images = image_set(tmp_path / "images", (60, 45, 3), shrink=(1.0, 0.6))
    pack = open_pack(images, 3, "rgb", 4)
    whole = to_channels(to_tensor(read_pixels(images.paths[0])), "rgb")
    small = crop_to_multiple(quantise(resize(whole, 36, 27)), 3)
    assert pack.size.tolist() == [[20, 15], [12, 9]]
    assert np.array_equal(pixels_in_pack(pack, 1)[1], to_pixels(small))
    assert np.array_equal(pixels_in_pack(pack, 1)[0], to_pixels(quantise(shrink(small, 3))))


def test_the_pixels_of_a_pack_are_mapped_not_read(tmp_path):
    pack = open_pack(image_set(tmp_path / "images", (24, 24)), 2, "y", 8)
    assert isinstance(pack.pixels, np.memmap)
    assert not pack.pixels.flags.writeable  # a mapping that could be written counts as memory


# --- when a pack is made


def test_a_pack_is_decoded_only_once(tmp_path, cache, monkeypatch):
    images = image_set(tmp_path / "images", (24, 24), (30, 30))
    decoded = []

    def count(path, *bits):
        decoded.append(path)
        return read_pixels(path)

    monkeypatch.setattr(pairs_module, "read_pixels", count)
    first = open_pack(images, 2, "y", 8)
    assert decoded == list(images.paths)
    second = open_pack(images, 2, "y", 8)
    assert decoded == list(images.paths)
    assert second.fingerprint == first.fingerprint
    assert np.array_equal(second.pixels, first.pixels)
    assert len(list(cache.iterdir())) == 1


def test_a_pack_of_which_a_file_was_deleted_is_made_anew(tmp_path, cache):
    images = image_set(tmp_path / "images", (24, 24))
    first = open_pack(images, 2, "y", 8)
    (place,) = cache.iterdir()
    for lost in ("pixels.bin", "index.npz"):
        (place / lost).unlink()
        second = open_pack(images, 2, "y", 8)
        assert second.fingerprint == first.fingerprint
        assert np.array_equal(pixels_in_pack(second, 0)[1][..., 0], random_pixels(24, 24))
        assert list(cache.iterdir()) == [place]


def test_a_changed_image_gives_another_pack(tmp_path, cache):
    images = image_set(tmp_path / "images", (24, 24))
    before = open_pack(images, 2, "y", 8)
    Image.fromarray(random_pixels(24, 24, seed=9)).save(images.paths[0])
    stamp = images.paths[0].stat().st_mtime_ns
    os.utime(images.paths[0], ns=(stamp, stamp + 10**9))  # as if a second later
    after = open_pack(images, 2, "y", 8)
    assert after.fingerprint != before.fingerprint
    assert np.array_equal(pixels_in_pack(after, 0)[1][..., 0], random_pixels(24, 24, seed=9))
    assert len(list(cache.iterdir())) == 2


def test_the_same_pixels_from_another_place_have_the_same_fingerprint(tmp_path):
    here = open_pack(image_set(tmp_path / "here", (24, 24)), 2, "y", 8)
    there = open_pack(image_set(tmp_path / "there", (24, 24)), 2, "y", 8)
    assert here.fingerprint == there.fingerprint


def test_scale_colour_patch_size_and_shrink_factors_have_packs_of_their_own(tmp_path, cache):
    images = image_set(tmp_path / "images", (36, 36, 3))
    whole = (1.0,)
    wishes = [(2, "y", 8, whole), (3, "y", 8, whole), (2, "rgb", 8, whole), (2, "y", 9, whole)]
    wishes.append((2, "y", 8, (1.0, 0.9)))
    for scale, colour, patch, factors in wishes:
        pack = open_pack(replace(images, shrink=factors), scale, colour, patch)
        assert (pack.scale, pack.channels) == (scale, 1 if colour == "y" else 3)
        assert len(pack.size) == len(factors)
    assert len(list(cache.iterdir())) == len(wishes)


# --- what cannot be packed


def test_a_cut_off_image_is_told_by_name_and_left_out_if_it_is_alone(tmp_path, cache):
    images = image_set(tmp_path / "images", (60, 60, 3))
    whole = open_pack(images, 2, "y", 8)
    for suffix in (".png", ".jpg"):
        broken = tmp_path / "images" / f"broken{suffix}"
        Image.fromarray(random_pixels(60, 60, 3)).save(broken)
        broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
        for _ in range(2):  # made, and opened again
            pack = open_pack(ImageSet("noise", (*images.paths, broken)), 2, "y", 8)
            assert pack.fingerprint == whole.fingerprint
            [told] = pack.left_out
            assert f"broken{suffix} is not a readable image" in told
        with pytest.raises(UserError, match=f"broken{suffix} is not a readable image"):
            open_pack(ImageSet("alone", (broken,)), 2, "y", 8)
    assert len(list(cache.iterdir())) == 3
    assert whole.left_out == ()


def test_all_images_that_cannot_be_used_are_told_at_once(tmp_path, cache):
    images = image_set(tmp_path / "images", (20, 99), (60, 60), (99, 20))
    (tmp_path / "images" / "9.png").write_bytes(b"no image")
    paths = tuple(sorted((tmp_path / "images").iterdir()))
    with pytest.raises(UserError) as told:
        open_pack(replace(images, paths=paths), 2, "y", 16)
    *lines, last = str(told.value).splitlines()
    assert [line.split("images/")[1][:5] for line in lines] == ["0.png", "2.png", "9.png"]
    assert last.startswith("so 3 of the 4 pictures cannot be trained on")
    assert not list(cache.rglob("pixels.bin"))


def test_an_image_that_is_too_small_is_left_out_and_one_that_just_holds_a_patch_is_taken(tmp_path):
    images = image_set(tmp_path / "images", (48, 49), (60, 47))
    pack = open_pack(images, 3, "y", 16)
    assert pack.size.tolist() == [[16, 16]]
    [told] = pack.left_out
    assert "1.png is 47x60, too small for patches of 16x16" in told


def test_one_image_in_ten_may_be_left_out_and_not_one_more(tmp_path):
    images = image_set(tmp_path / "images", *[(20, 20)] * 2, *[(48, 48)] * 18)
    assert len(open_pack(images, 3, "y", 16).left_out) == 2
    with pytest.raises(UserError, match="so 2 of the 19 pictures cannot"):
        open_pack(replace(images, paths=images.paths[:-1]), 3, "y", 16)


def test_an_image_that_might_be_read_another_time_is_not_left_out(tmp_path, cache, monkeypatch):
    images = image_set(tmp_path / "images", *[(48, 48)] * 3)
    read = Path.read_bytes

    def check(error, said):
        def failing(path):
            if path.name == "1.png":
                raise error
            return read(path)

        monkeypatch.setattr(Path, "read_bytes", failing)
        with pytest.raises(UserError, match=f"1.png is {said}.*\nso 1 of the 3"):
            open_pack(images, 3, "y", 16)

    for_all(
        [
            (MemoryError(), "too large for the memory that is left"),
            (OSError(errno.EIO, "Input/output error"), "not a readable image: .* error"),
        ],
        check,
    )
    assert not list(cache.rglob("pixels.bin"))


def test_a_shrunk_copy_that_is_too_small_is_left_out(tmp_path):
    images = image_set(tmp_path / "images", (40, 40), (80, 80), shrink=(1.0, 0.5))
    pack = open_pack(images, 2, "y", 16)
    assert pack.size.tolist() == [[20, 20], [40, 40], [20, 20]]


def test_a_set_whose_shrunk_copies_are_all_too_small_is_told(tmp_path):
    images = image_set(tmp_path / "images", (40, 40), shrink=(0.5,))
    with pytest.raises(UserError, match="no image of noise is left"):
        open_pack(images, 2, "y", 16)


def test_a_cache_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SRLAB_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="SRLAB_CACHE"):
        open_pack(image_set(tmp_path / "images", (24, 24)), 2, "y", 8)
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_full_disk_leaves_nothing_behind(tmp_path, cache, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UserError, match="No space left on device"):
        open_pack(image_set(tmp_path / "images", (24, 24)), 2, "y", 8)
    assert list(cache.iterdir()) == []


def test_the_cache_folder_is_the_users_unless_another_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("SRLAB_CACHE", str(tmp_path / "a"))
    assert cache_folder() == tmp_path / "a"
    monkeypatch.delenv("SRLAB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    assert cache_folder() == tmp_path / "b" / "srlab"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "c"))
    assert cache_folder() == tmp_path / "c" / ".cache" / "srlab"


# --- mixtures


def mixture(folder, monkeypatch, **options):
    """Return a mixture of a data set of two images, and three of one's own."""
    monkeypatch.setitem(SETS, "Set5", (2, ()))
    (folder / "sets").mkdir(exist_ok=True)
    image_set(folder / "sets" / "Set5", (20, 24), (22, 20))
    image_set(folder / "mine", (30, 24), (22, 40), (24, 24))
    return mixed(["Set5"], str(folder / "sets"), str(folder / "mine"), **options)


def test_a_pack_of_a_mixture_knows_which_set_each_image_is_of(tmp_path, cache, monkeypatch):
    images = mixture(tmp_path, monkeypatch, weights=[1, 3], shrink=[1.0, 0.9])
    assert images.name == "Set5+mine/"
    pack = open_pack(images, 2, "y", 8)
    assert pack.part.tolist() == [0] * 4 + [1] * 6  # each image twice
    assert pack.weights == (1, 3)
    PatchBatches(pack, 8, 8, 0, seed=0)[0]
    other = open_pack(replace(images, weights=()), 2, "y", 8)  # the same pack, as it is
    assert other.weights == ()
    assert len(list(cache.iterdir())) == 1


def test_mixtures_that_make_no_sense_are_refused(tmp_path, cache, monkeypatch):
    for weights, said in (
        ([1], r"one for each of the 2 sets, got \[1\]"),
        ([1, 0], r"numbers above 0, got \[1, 0\]"),
        ([1, float("nan")], "numbers above 0"),
    ):
        with pytest.raises(ValueError, match=said):
            mixture(tmp_path, monkeypatch, weights=weights)
    with pytest.raises(UserError, match=r"a mixture wants two sets or more: names"):
        mixed(["Set5"], str(tmp_path / "sets"))
    with pytest.raises(UserError, match=r"two of the sets of Set5\+Set5/ hold the same files"):
        mixed(["Set5"], str(tmp_path / "sets"), str(tmp_path / "sets" / "Set5"))
    images = replace(mixture(tmp_path, monkeypatch), shrink=(0.75,))
    for path in images.paths[2:]:
        Image.new("L", (60, 60)).save(path)
    with pytest.raises(UserError, match=r"no image of set 1 of Set5\+mine/ is left: shrunk by"):
        open_pack(images, 2, "y", 10)  # those of Set5 hold a patch, but shrunk they do not
    for path in images.paths[3:]:
        path.unlink()
    images.paths[2].write_bytes(b"no picture")
    few = mixed(["Set5"], str(tmp_path / "sets"), str(tmp_path / "mine"))
    with pytest.raises(
        UserError, match=r"(?s)0.png.*\nso no image of set 2 of Set5\+mine/ is left"
    ):
        open_pack(few, 2, "y", 8)
