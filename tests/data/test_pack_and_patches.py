import contextlib
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from srlab.data import feed as feed_module
from srlab.data import pack as pack_module
from srlab.data.feed import feed
from srlab.data.images import ImageSet, folder
from srlab.data.pack import Pack, cache_folder, open_pack
from srlab.data.pairs import read_pairs
from srlab.data.patches import PatchBatches
from srlab.errors import UserError
from srlab.imaging.colour import quantise, to_channels
from srlab.imaging.files import read_pixels, to_pixels, to_tensor
from srlab.imaging.resample import crop_to_multiple, resize, shrink

seeds = st.integers(0, 2**32 - 1)
steps = st.integers(0, 10**7)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return the folder of packs, which is this test's own."""
    monkeypatch.setenv("SRLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "packs"


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def image_set(place, *sizes, shrink=(1.0,)):
    """Write one PNG of noise for each size (H, W) or (H, W, 3)."""
    place.mkdir(exist_ok=True)
    for number, size in enumerate(sizes):
        Image.fromarray(noise(*size, seed=number)).save(place / f"{number}.png")
    return ImageSet("noise", tuple(sorted(place.iterdir())), shrink)


def stored(pack, number):
    """Return the LR and HR pixels (H, W, C) of an image of a pack."""
    pairs = []
    for offset, factor in ((pack.lr_offset, 1), (pack.hr_offset, pack.scale)):
        height, width = pack.size[number] * factor
        first, count = offset[number], height * width * pack.channels
        pairs.append(pack.pixels[first : first + count].reshape(height, width, pack.channels))
    return pairs


def telling(height, width, number):
    """Return an image whose every pixel says its row, its column and the image's number."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.full_like(rows, number)], axis=-1).astype(np.uint8)


def telling_pack(scale, *sizes):
    """Make a pack whose LR images are of the given sizes, each pixel of LR and HR telling."""
    planes, lr_offset, hr_offset, total = [], [], [], 0
    for number, (height, width) in enumerate(sizes):
        lr = telling(height, width, number)
        hr = telling(height * scale, width * scale, number)
        lr_offset.append(total)
        hr_offset.append(total + lr.size)
        total += lr.size + hr.size
        planes += [lr.ravel(), hr.ravel()]
    return Pack(
        np.concatenate(planes), np.array(lr_offset), np.array(hr_offset), np.array(sizes), scale, 3,
        "telling",
    )  # fmt: skip


def eight_symmetries(pixels):
    """Return the images (H, W, C) under the symmetries of the square, made by quarter turns."""
    turns = [np.rot90(pixels, k) for k in range(4)]
    return turns + [turn[:, ::-1] for turn in turns]


def find(hr, pack):
    """Return image, top and left of LR, and the symmetry, of a telling HR patch (C, P, P)."""
    patch = hr.numpy().transpose(1, 2, 0)
    side, scale = patch.shape[0], pack.scale
    number, top, left = patch[0, 0, 2], patch[..., 0].min(), patch[..., 1].min()
    window = stored(pack, number)[1][top : top + side, left : left + side]
    symmetries = [k for k, p in enumerate(eight_symmetries(window)) if np.array_equal(p, patch)]
    assert len(symmetries) == 1, "the HR patch is no part of its image"
    assert top % scale == left % scale == 0, "the HR patch is between LR pixels"
    return int(number), int(top) // scale, int(left) // scale, symmetries[0]


# --- packs


@pytest.mark.parametrize("colour", ["y", "rgb"])
@pytest.mark.parametrize("scale", [2, 3])
def test_a_pack_holds_the_pairs_that_a_test_set_of_these_images_has(tmp_path, colour, scale):
    images = image_set(tmp_path / "images", (25, 32, 3), (31, 26), (40, 24, 3))
    pack = open_pack(images, scale, colour, 8)
    pairs = read_pairs(images, scale, colour, 11)
    assert len(pack.size) == len(pairs) == 3
    assert pack.channels == (1 if colour == "y" else 3)
    for number, pair in enumerate(pairs):
        lr, hr = stored(pack, number)
        assert np.array_equal(lr, pair.lr)
        assert np.array_equal(hr, np.broadcast_to(pair.hr, hr.shape))  # grey truth stays grey


def test_an_rgb_pack_holds_the_very_pixels_of_the_file(tmp_path):
    images = image_set(tmp_path / "images", (25, 32, 3))
    hr = stored(open_pack(images, 3, "rgb", 8), 0)[1]
    assert np.array_equal(hr, noise(25, 32, 3)[:24, :30])


def test_a_grey_image_has_three_equal_channels_in_an_rgb_pack(tmp_path):
    images = image_set(tmp_path / "images", (24, 30))
    hr = stored(open_pack(images, 2, "rgb", 8), 0)[1]
    assert np.array_equal(hr, np.repeat(noise(24, 30)[..., None], 3, axis=2))


def test_a_shrunk_copy_is_degraded_from_the_shrunk_image(tmp_path):
    images = image_set(tmp_path / "images", (60, 45, 3), shrink=(1.0, 0.6))
    pack = open_pack(images, 3, "rgb", 4)
    whole = to_channels(to_tensor(read_pixels(images.paths[0])), "rgb")
    small = crop_to_multiple(quantise(resize(whole, 36, 27)), 3)
    assert pack.size.tolist() == [[20, 15], [12, 9]]
    assert np.array_equal(stored(pack, 1)[1], to_pixels(small))
    assert np.array_equal(stored(pack, 1)[0], to_pixels(quantise(shrink(small, 3))))


def test_the_pixels_of_a_pack_are_mapped_not_read(tmp_path):
    pack = open_pack(image_set(tmp_path / "images", (24, 24)), 2, "y", 8)
    assert isinstance(pack.pixels, np.memmap)
    assert not pack.pixels.flags.writeable  # a mapping that could be written counts as memory


def test_a_pack_is_decoded_only_once(tmp_path, cache, monkeypatch):
    images = image_set(tmp_path / "images", (24, 24), (30, 30))
    decoded = []

    def count(path):
        decoded.append(path)
        return read_pixels(path)

    monkeypatch.setattr(pack_module, "read_pixels", count)
    first = open_pack(images, 2, "y", 8)
    assert decoded == list(images.paths)
    second = open_pack(images, 2, "y", 8)
    assert decoded == list(images.paths)
    assert second.fingerprint == first.fingerprint
    assert np.array_equal(second.pixels, first.pixels)
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("lost", ["pixels.bin", "index.npz"])
def test_a_pack_of_which_a_file_was_deleted_is_made_anew(tmp_path, cache, lost):
    images = image_set(tmp_path / "images", (24, 24))
    first = open_pack(images, 2, "y", 8)
    (place,) = cache.iterdir()
    (place / lost).unlink()
    second = open_pack(images, 2, "y", 8)
    assert second.fingerprint == first.fingerprint
    assert np.array_equal(stored(second, 0)[1][..., 0], noise(24, 24))
    assert list(cache.iterdir()) == [place]


def test_a_changed_image_gives_another_pack(tmp_path, cache):
    images = image_set(tmp_path / "images", (24, 24))
    before = open_pack(images, 2, "y", 8)
    Image.fromarray(noise(24, 24, seed=9)).save(images.paths[0])
    stamp = images.paths[0].stat().st_mtime_ns
    os.utime(images.paths[0], ns=(stamp, stamp + 10**9))  # as if a second later
    after = open_pack(images, 2, "y", 8)
    assert after.fingerprint != before.fingerprint
    assert np.array_equal(stored(after, 0)[1][..., 0], noise(24, 24, seed=9))
    assert len(list(cache.iterdir())) == 2


def test_the_same_pixels_from_another_place_have_the_same_fingerprint(tmp_path):
    here = open_pack(image_set(tmp_path / "here", (24, 24)), 2, "y", 8)
    there = open_pack(image_set(tmp_path / "there", (24, 24)), 2, "y", 8)
    assert here.fingerprint == there.fingerprint


def test_scale_colour_patch_size_and_shrink_factors_have_packs_of_their_own(tmp_path, cache):
    images = image_set(tmp_path / "images", (36, 36, 3))
    wishes = [(2, "y", 8, (1.0,)), (3, "y", 8, (1.0,)), (2, "rgb", 8, (1.0,)), (2, "y", 9, (1.0,)),
              (2, "y", 8, (1.0, 0.9))]  # fmt: skip
    for scale, colour, patch, factors in wishes:
        pack = open_pack(replace(images, shrink=factors), scale, colour, patch)
        assert (pack.scale, pack.channels) == (scale, 1 if colour == "y" else 3)
        assert len(pack.size) == len(factors)
    assert len(list(cache.iterdir())) == len(wishes)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_cut_off_image_is_told_by_name_and_leaves_nothing_behind(tmp_path, cache, suffix):
    images = image_set(tmp_path / "images", (60, 60, 3))
    broken = tmp_path / "images" / f"broken{suffix}"
    Image.fromarray(noise(60, 60, 3)).save(broken)
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 2])
    images = ImageSet("noise", (*images.paths, broken))
    with pytest.raises(UserError, match=f"broken{suffix} is not a readable image"):
        open_pack(images, 2, "y", 8)
    assert list(cache.iterdir()) == []


def test_an_image_that_is_too_small_is_told_by_name(tmp_path, cache):
    images = image_set(tmp_path / "images", (48, 48), (60, 47))
    with pytest.raises(UserError, match=r"1\.png is 47x60, too small for patches of 16x16"):
        open_pack(images, 3, "y", 16)
    assert list(cache.iterdir()) == []


def test_an_image_that_just_holds_a_patch_is_taken(tmp_path):
    pack = open_pack(image_set(tmp_path / "images", (48, 49)), 3, "y", 16)
    assert pack.size.tolist() == [[16, 16]]


def test_a_shrunk_copy_that_is_too_small_is_left_out(tmp_path):
    images = image_set(tmp_path / "images", (40, 40), (80, 80), shrink=(1.0, 0.5))
    pack = open_pack(images, 2, "y", 16)
    assert pack.size.tolist() == [[20, 20], [40, 40], [20, 20]]


def test_a_set_whose_shrunk_copies_are_all_too_small_is_told(tmp_path):
    images = image_set(tmp_path / "images", (40, 40), shrink=(0.5,))
    with pytest.raises(UserError):
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

    monkeypatch.setattr(pack_module.np, "savez", full)
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


@pytest.mark.parametrize("factors", [(), (0.0,), (1.5,), (0.5, -1.0)])
def test_shrink_factors_lie_above_0_and_up_to_1(factors):
    with pytest.raises(ValueError, match="shrink"):
        ImageSet("set", (), factors)


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    for name in ("b.png", "a.jpg", "C.PNG", "notes.txt"):
        (tmp_path / name).write_text("")
    assert [path.name for path in folder(str(tmp_path)).paths] == ["C.PNG", "a.jpg", "b.png"]
    assert folder(str(tmp_path), [1.0, 0.5]).shrink == (1.0, 0.5)


# --- patches

PACK = telling_pack(3, (9, 14), (20, 8), (8, 8))


@given(seed=seeds, step=steps, scale=st.sampled_from([2, 3, 4]), data=st.data())
def test_every_patch_is_a_part_of_its_image_at_one_symmetry(seed, step, scale, data):
    patch = data.draw(st.integers(2, 8), label="patch")
    halo = data.draw(st.integers(0, 10), label="halo")
    pack = telling_pack(scale, (9, 14), (20, 8), (8, 8))
    lr, hr = PatchBatches(pack, 4, patch, halo, seed)[step]
    assert lr.dtype == hr.dtype == torch.uint8
    assert lr.shape == (4, 3, patch + 2 * halo, patch + 2 * halo)
    assert hr.shape == (4, 3, patch * scale, patch * scale)
    for small, large in zip(lr, hr, strict=True):
        number, top, left, symmetry = find(large, pack)
        framed = np.pad(stored(pack, number)[0], [(halo, halo)] * 2 + [(0, 0)], mode="symmetric")
        side = patch + 2 * halo
        window = framed[top : top + side, left : left + side]
        assert np.array_equal(small.numpy().transpose(1, 2, 0), eight_symmetries(window)[symmetry])


@pytest.mark.parametrize("colour", ["y", "rgb"])
def test_patches_of_a_pack_from_files_are_aligned(tmp_path, colour):
    images = image_set(tmp_path / "images", (24, 31, 3), (40, 26, 3))
    pairs = read_pairs(images, 2, colour, 11)
    pack = open_pack(images, 2, colour, 6)
    lr, hr = PatchBatches(pack, 64, 6, 2, seed=0)[0]
    assert lr.shape[1] == hr.shape[1] == (1 if colour == "y" else 3)
    expected = {}  # every place of every image at every symmetry: HR -> LR
    for pair in pairs:
        framed = np.pad(pair.lr, [(2, 2), (2, 2), (0, 0)], mode="symmetric")
        for top in range(pair.lr.shape[0] - 5):
            for left in range(pair.lr.shape[1] - 5):
                large = pair.hr[2 * top : 2 * top + 12, 2 * left : 2 * left + 12]
                small = framed[top : top + 10, left : left + 10]
                turned = zip(eight_symmetries(large), eight_symmetries(small), strict=True)
                expected |= {high.tobytes(): low.tobytes() for high, low in turned}
    assert len(expected) == 8 * sum((p.lr.shape[0] - 5) * (p.lr.shape[1] - 5) for p in pairs)
    for small, large in zip(lr.permute(0, 2, 3, 1), hr.permute(0, 2, 3, 1), strict=True):
        assert expected[large.numpy().tobytes()] == small.numpy().tobytes()


def test_every_position_and_every_symmetry_is_drawn_and_equally_often():
    pack = telling_pack(2, (7, 6), (5, 9))
    batches = PatchBatches(pack, 20_000, 5, 0, seed=1)
    found = [find(patch, pack) for patch in batches[0][1]]
    places = {(0, top, left) for top in range(3) for left in range(2)}
    places |= {(1, 0, left) for left in range(5)}
    counts = dict.fromkeys([*places, *range(8)], 0)
    for number, top, left, symmetry in found:
        counts[number, top, left] += 1
        counts[symmetry] += 1
    assert len(counts) == len(places) + 8, "a patch lies outside its image"
    for kinds in (places, range(8)):
        mean = 20_000 / len(kinds)
        for kind in kinds:  # five standard deviations of a binomial count
            assert abs(counts[kind] - mean) < 5 * mean**0.5, kind


@given(seed=seeds, step=steps)
def test_a_batch_is_a_pure_function_of_seed_and_step(seed, step):
    batches = PatchBatches(PACK, 8, 6, 2, seed)
    first = batches[step]
    torch.manual_seed(step)
    np.random.default_rng(seed).random()
    for other in (step + 1, max(step - 1, 0)):
        batches[other]
    for again in (batches[step], PatchBatches(PACK, 8, 6, 2, seed)[step]):
        assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@given(seed=seeds, step=steps)
def test_other_seeds_and_steps_give_other_batches(seed, step):
    def hr(seed, step):
        return PatchBatches(PACK, 32, 6, 0, seed)[step][1]

    here = hr(seed, step)
    assert not torch.equal(here, hr(seed + 1, step))
    assert not torch.equal(here, hr(seed, step + 1))
    assert seed == step or not torch.equal(here, hr(step, seed))


@given(seed=seeds, step=steps, ranks=st.integers(1, 6), each=st.integers(1, 4))
def test_ranks_share_a_batch_whole_and_in_order(seed, step, ranks, each):
    whole = PatchBatches(PACK, ranks * each, 6, 1, seed)[step]
    parts = [PatchBatches(PACK, ranks * each, 6, 1, seed, r, ranks)[step] for r in range(ranks)]
    for all_of_them, shares in zip(whole, zip(*parts, strict=True), strict=True):
        assert torch.equal(all_of_them, torch.cat(shares))


@given(seed=seeds, step=steps, halo=st.integers(1, 30))
def test_the_halo_frames_the_patch_and_changes_nothing_else(seed, step, halo):
    bare_lr, bare_hr = PatchBatches(PACK, 8, 6, 0, seed)[step]
    lr, hr = PatchBatches(PACK, 8, 6, halo, seed)[step]
    assert torch.equal(hr, bare_hr)
    assert torch.equal(lr[..., halo:-halo, halo:-halo], bare_lr)


# --- the feed

CPU = torch.device("cpu")


def drawn(first, last, workers=0):
    batches = PatchBatches(PACK, 4, 6, 2, seed=5)
    return [torch.cat([x.flatten() for x in batch])
            for batch in feed(batches, first, last, CPU, workers)]  # fmt: skip


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(workers):
    alone, shared = drawn(0, 7), drawn(0, 7, workers)
    assert len(alone) == len(shared) == 7
    assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_starting_at_step_k_gives_the_tail(workers):
    whole, tail = drawn(0, 7), drawn(3, 7, workers)
    assert len(tail) == 4
    assert all(torch.equal(a, b) for a, b in zip(whole[3:], tail, strict=True))


@pytest.mark.parametrize("values", [1, 4000, 10**6])
def test_the_feed_gives_the_batches_in_order_whatever_its_blocks(monkeypatch, values):
    monkeypatch.setitem(feed_module._BLOCK_VALUES, "cpu", values)
    batches = PatchBatches(PACK, 4, 6, 2, seed=5)
    for step, (lr, hr) in enumerate(feed(batches, 4, 13, CPU), 4):
        assert torch.equal(lr, batches[step][0].float() / 255)
        assert torch.equal(hr, batches[step][1].float() / 255)
        assert lr.is_contiguous(memory_format=torch.channels_last)
        assert hr.is_contiguous(memory_format=torch.channels_last)
    assert step == 12


@pytest.mark.parametrize("values", [1, 4000, 10**6])
def test_a_pack_that_lies_on_a_gpu_gives_the_same_batches(monkeypatch, values):
    # The CPU stands for it: the places are drawn in a thread, one block ahead.
    monkeypatch.setattr(feed_module, "_fits", lambda *_: True)
    monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda x: x)
    monkeypatch.setitem(feed_module._BLOCK_VALUES, "cpu", values)
    batches = PatchBatches(PACK, 4, 6, 2, seed=5)
    ours = list(feed(batches, 4, 13, CPU))
    assert len(ours) == 9
    for step, (lr, hr) in enumerate(ours, 4):
        assert torch.equal(lr, batches[step][0].float() / 255)
        assert torch.equal(hr, batches[step][1].float() / 255)


def test_a_fault_in_the_thread_that_draws_is_raised(monkeypatch):
    def fail(_):
        raise ZeroDivisionError

    stream = feed_module._ahead(fail, range(3))
    with pytest.raises(ZeroDivisionError):
        next(stream)
    assert list(feed_module._ahead(lambda x: 2 * x, range(5))) == [0, 2, 4, 6, 8]


def test_the_feed_of_no_steps_is_empty():
    assert drawn(7, 7) == []


def test_several_batches_at_once_are_the_batches_one_by_one():
    batches = PatchBatches(PACK, 8, 6, 2, seed=5, rank=1, ranks=2)
    together = batches.block([9, 2, 30])
    for number, step in enumerate((9, 2, 30)):
        for all_of_them, one in zip(together, batches[step], strict=True):
            assert torch.equal(all_of_them[4 * number : 4 * number + 4], one)


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's end"
)
def test_a_worker_whose_parent_was_killed_as_it_began_ends_too():
    code = "import os, time; from srlab.data.feed import _start_worker\nparent = os.getpid()\n"
    late = (
        "if not os.fork():\n    time.sleep(0.5)\n    _start_worker(parent, 0)\n    time.sleep(60)\n"
    )
    early = "if not os.fork():\n    _start_worker(parent, 0)\n    time.sleep(60)\n"
    for child in (late, early):
        script = code + child + "time.sleep(0.2)\nos.kill(parent, 9)\n"
        # The pipe is open as long as the worker lives.
        subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=30, check=False)
