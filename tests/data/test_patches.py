"""Guards: batch t is aligned patches that depend on the seed and on t alone."""

from collections import Counter
from dataclasses import replace

import numpy as np
import torch
from common import for_all, image_set, pixels_in_pack, telling_pack
from hypothesis import given
from hypothesis import strategies as st

from srlab.data import patches
from srlab.data.pack import open_pack
from srlab.data.pairs import read_pairs
from srlab.data.patches import PatchBatches, scale_of_step

seeds = st.integers(0, 2**32 - 1)
steps = st.integers(0, 10**7)

PACK = telling_pack(3, (9, 14), (20, 8), (8, 8))


def eight_symmetries(pixels):
    """Return the images (H, W, C) under the symmetries of the square, made by quarter turns."""
    turns = [np.rot90(pixels, k) for k in range(4)]
    return turns + [turn[:, ::-1] for turn in turns]


def find(hr, pack):
    """Return image, top and left of LR, and the symmetry, of a telling HR patch (C, P, P)."""
    patch = hr.numpy().transpose(1, 2, 0)
    side, scale = patch.shape[0], pack.scale
    number, top, left = patch[0, 0, 2], patch[..., 0].min(), patch[..., 1].min()
    window = pixels_in_pack(pack, number)[1][top : top + side, left : left + side]
    symmetries = [k for k, p in enumerate(eight_symmetries(window)) if np.array_equal(p, patch)]
    assert len(symmetries) == 1, "the HR patch is no part of its image"
    assert top % scale == left % scale == 0, "the HR patch is between LR pixels"
    return int(number), int(top) // scale, int(left) // scale, symmetries[0]


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
        framed = np.pad(
            pixels_in_pack(pack, number)[0], [(halo, halo)] * 2 + [(0, 0)], mode="symmetric"
        )
        side = patch + 2 * halo
        window = framed[top : top + side, left : left + side]
        assert np.array_equal(small.numpy().transpose(1, 2, 0), eight_symmetries(window)[symmetry])


def test_patches_of_a_pack_from_files_are_aligned(tmp_path):
    images = image_set(tmp_path / "images", (24, 31, 3), (40, 26, 3))

    def check(colour, channels):
        pairs = read_pairs(images, 2, colour, 11)
        lr, hr = PatchBatches(open_pack(images, 2, colour, 6), 64, 6, 2, seed=0)[0]
        assert lr.shape[1] == hr.shape[1] == channels
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

    for_all([("y", 1), ("rgb", 3)], check)


def test_every_position_and_every_symmetry_is_drawn_and_equally_often():
    count = 20_000
    batches = PatchBatches(telling_pack(2, (7, 6), (5, 9)), count, 5, 0, seed=1)
    rows, columns, numbers = batches[0][1].numpy().astype(int).transpose(1, 0, 2, 3)
    tops, lefts = rows.min(axis=(1, 2)), columns.min(axis=(1, 2))
    found = zip(numbers[:, 0, 0].tolist(), (tops // 2).tolist(), (lefts // 2).tolist(), strict=True)
    places = Counter(found)
    assert set(places) == {(0, top, left) for top in range(3) for left in range(2)} | {
        (1, 0, left) for left in range(5)
    }
    corners = [rows[:, 0, 0] == tops, columns[:, 0, 0] == lefts, rows[:, 0, 0] == rows[:, 0, -1]]
    symmetries = Counter(zip(*(corner.tolist() for corner in corners), strict=True))
    assert len(symmetries) == 8
    for counts in (places, symmetries):
        mean = count / len(counts)
        for kind in counts:  # five standard deviations of a binomial count
            assert abs(counts[kind] - mean) < 5 * mean**0.5, kind


def test_a_mixture_shares_patches_by_weights_and_each_set_by_positions():
    count, mixed = 20_000, telling_pack(2, (7, 6), (5, 9), (9, 9))
    mixed = replace(mixed, part=np.array([0, 0, 1]), weights=(1.0, 3.0))
    hr = PatchBatches(mixed, count, 5, 0, seed=1)[0][1]
    found = Counter(hr[:, 2, 0, 0].tolist())
    # 6 and 5 positions of the first set, which has a quarter; 25 of the second.
    for number, likely in enumerate((6 / 11 / 4, 5 / 11 / 4, 3 / 4)):
        assert abs(found[number] - count * likely) < 5 * (count * likely) ** 0.5
    rows, columns = (hr[hr[:, 2, 0, 0] == 2][:, k].amin(dim=(1, 2)) for k in (0, 1))
    places = Counter(zip(rows.tolist(), columns.tolist(), strict=True))
    assert len(places) == 25
    assert all(abs(n - count * 0.03) < 5 * (count * 0.03) ** 0.5 for n in places.values())


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


def test_several_batches_at_once_are_the_batches_one_by_one():
    batches = PatchBatches(PACK, 8, 6, 2, seed=5, rank=1, ranks=2)
    together = batches.block([9, 2, 30])
    for number, step in enumerate((9, 2, 30)):
        for all_of_them, one in zip(together, batches[step], strict=True):
            assert torch.equal(all_of_them[4 * number : 4 * number + 4], one)


@given(seed=seeds, step=steps)
def test_the_scale_of_a_batch_depends_on_the_seed_and_the_step_alone(seed, step):
    around = [scale_of_step(k, (2, 3, 4), seed) for k in range(step, step + 80)]
    assert set(around) == {2, 3, 4}
    patches._drawn.cache_clear()
    assert [scale_of_step(k, (2, 3, 4), seed) for k in reversed(range(step, step + 80))] == (
        around[::-1]
    )
    assert around != [scale_of_step(k, (2, 3, 4), seed + 1) for k in range(step, step + 80)]
    assert scale_of_step(step, (3,), seed) == 3
