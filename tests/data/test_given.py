"""Guards: pairs that are brought along are matched, measured, and seen as they are."""

import re

import numpy as np
import pytest
import torch
from common import ran
from PIL import Image
from scipy.ndimage import shift
from skimage import data

from srlab.data.feed import feed
from srlab.data.given import misfit, pairs
from srlab.data.pack import open_pack
from srlab.data.pairs import read_pairs
from srlab.data.patches import PatchBatches
from srlab.errors import UserError
from srlab.imaging.files import png_of, read_pixels
from srlab.imaging.resample import shrink
from srlab.words import Colour


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)


@pytest.fixture
def place(tmp_path):
    """Two pairs at x2, whose LR sits half a pixel to the right with 0.97 of the levels."""
    for name, picture in (("cat", data.chelsea()), ("cup", data.coffee())):
        hr = picture[:160, :200].astype(float) / 255
        moved = torch.from_numpy(shift(hr, (0, 1, 0), order=1, mode="nearest"))
        lr = shrink(moved.permute(2, 0, 1)[None], 2)[0].permute(1, 2, 0).clamp(0, 1) * 0.97
        save(tmp_path / f"HR/{name}.png", (hr * 255).astype(np.uint8))
        save(tmp_path / f"LR/{name}x2.png", (lr.numpy() * 255).round().astype(np.uint8))
    return tmp_path


def given(place, scale=2, **more):
    return pairs(str(place / "LR"), str(place / "HR"), scale, **more)


def test_shift_and_gain_are_found_and_taken_back_when_asked(place):
    found = misfit(given(place), 2)
    assert found.right == pytest.approx(0.5, abs=0.06)
    assert found.down == pytest.approx(0, abs=0.06)
    assert found.gain == pytest.approx(0.97, abs=0.005)
    assert found.told == "sits 0.5 px to the right and has 0.97 of the contrast"
    brighter = misfit(given(place), 2)._replace(right=0, gain=1.0, offset=0.08)
    assert brighter.told == "is 20 levels brighter"
    apart = []
    for align in (False, True):
        pack = open_pack(given(place, align=align), 2, Colour.y, 16)
        height, width = pack.size[0]
        lr, hr = (
            pack.pixels[start : start + length].reshape(h, w) / 255.0
            for start, length, h, w in (
                (pack.lr_offset[0], height * width, height, width),
                (pack.hr_offset[0], 4 * height * width, 2 * height, 2 * width),
            )
        )
        made = shrink(torch.from_numpy(hr)[None, None], 2)[0, 0].numpy()
        apart.append(np.abs(lr - made)[8:-8, 8:-8].mean() * 255)
    assert apart[1] < 1 < 2 < apart[0]
    level = given(place)
    assert misfit(level, 2)._replace(right=0.04, gain=1.004).told is None


def test_equal_names_are_pairs_whatever_they_end_in(tmp_path):
    for name in ("box2", "box3", "a_x2_b", "img_x2_LR"):
        save(tmp_path / f"LR/{name}.png", np.zeros((40, 50, 3), np.uint8))
        of = "img" if name == "img_x2_LR" else name
        save(tmp_path / f"HR/{of}.png", np.zeros((80, 100, 3), np.uint8))
    found = given(tmp_path)
    assert [(low.stem, high.stem) for low, high in zip(found.low, found.paths, strict=True)] == [
        ("a_x2_b", "a_x2_b"), ("box2", "box2"), ("box3", "box3"), ("img_x2_LR", "img")
    ]  # fmt: skip
    assert misfit(found, 2).told is None  # flat pictures tell of no place


def test_low_resolution_is_seen_as_it_is_and_scores_say_so(place):
    [cat, _] = read_pairs(given(place), 2, Colour.rgb, 11)
    assert cat.made_by == "as given"
    np.testing.assert_array_equal(cat.lr, np.asarray(Image.open(place / "LR/catx2.png")))
    of = ["testset=pairs", "testset.pairs.lr=LR", "testset.pairs.hr=HR"]
    done = ran(
        place, "train", "scale=2", "data=pairs", "data.lr=LR", "data.hr=HR", *of,
        "valset=first_testset", "trainer.steps=2", "trainer.patch_size=8", "run_dir=run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "LR of HR/ sits 0.5 px to the right" in done.stdout
    assert "LR = as given / 2" in done.stdout
    (place / "LR").rename(place / "elsewhere")
    resumed = ran(place, "train", "resume=run", "data.lr=elsewhere", "testset.pairs.lr=elsewhere")
    assert resumed.returncode == 0, resumed.stderr
    refused = ran(
        place, "train", "scale=2", "data=pairs", "data.lr=elsewhere", "data.hr=HR",
        "degradation=photo",
    )  # fmt: skip
    assert "HR/ brings low resolution along: leave degradation=bicubic" in refused.stderr


@pytest.fixture
def deep(tmp_path):
    """A pair of 16 bits at x2, and one of which only LR has them."""
    rng = np.random.default_rng(0)
    for name, bits in (("fine", 16), ("coarse", 8)):
        hr = rng.integers(0, 2**bits, (48, 48, 3)).astype(f"uint{bits}")
        lr = rng.integers(0, 2**16, (24, 24, 3)).astype(np.uint16)
        for folder, pixels in (("HR", hr), ("LR", lr)):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / f"{folder}/{name}.png").write_bytes(png_of(pixels))
    return tmp_path


def test_sixteen_bits_reach_the_network(deep):
    images = given(deep)
    pack = open_pack(images, 2, Colour.rgb, 24)
    batches = PatchBatches(pack, 8, 24, 0, seed=0)  # each patch is a whole picture, turned
    [(lr, hr)] = feed(batches, 0, 1, torch.device("cpu"))
    known = [
        [np.sort((read_pixels(path, 16) / 65535).astype(np.float32), axis=None) for path in paths]
        for paths in (images.low, images.paths)
    ]
    for patches, pictures in ((lr, known[0]), (hr, known[1])):
        found = [np.sort(patch, axis=None) for patch in patches.numpy()]
        seen = [[np.array_equal(f, picture) for picture in pictures] for f in found]
        assert all(map(any, seen))
        assert all(map(any, zip(*seen, strict=True)))


def test_sixteen_bits_are_judged_as_such(deep):
    of = ["scale=2", "testset=pairs", "testset.pairs.lr=LR", "testset.pairs.hr=HR"]
    done = ran(
        deep, "evaluate", "model=nearest", "colour=rgb", *of, "details=true", "pictures=kept",
        "output=tables",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "rounded to 16 bits, peak 65535" in done.stdout
    assert "rounded to 8" not in done.stderr
    [row] = [line.split() for line in done.stdout.splitlines() if " fine " in line]
    sr = read_pixels(deep / "LR/fine.png", 16).repeat(2, axis=0).repeat(2, axis=1)
    [kept] = (deep / "kept").rglob("fine.png")
    np.testing.assert_array_equal(read_pixels(kept, 16), sr)
    weights = np.array([65.481, 128.553, 24.966]) / 255
    y = [
        np.round(x @ weights + 16 / 255 * 65535)
        for x in (sr, read_pixels(deep / "HR/fine.png", 16))
    ]
    error = np.square(y[0] - y[1])[2:-2, 2:-2].mean()
    assert float(row[row.index("fine") + 1]) == round(10 * np.log10(65535**2 / error), 2)
    trained = ran(
        deep, "train", "data=pairs", "data.lr=LR", "data.hr=HR", *of, "valset=first_testset",
        "trainer.steps=2", "trainer.patch_size=8", "run_dir=run",
    )  # fmt: skip
    assert trained.returncode == 0, trained.stderr
    assert "peak 65535" in trained.stdout
    assert "rounded to 8" not in trained.stderr


def test_all_that_does_not_fit_is_told_at_once(place):
    for name in ("LR/cat-LR", "LR/alone", "HR/lonely", "HR/odd_HR", "LR/LR_odd"):
        save(place / f"{name}.png", np.zeros((40, 50, 3), np.uint8))
    with pytest.raises(UserError) as told:
        given(place)
    for said in (
        r"cat-LR.png and .*catx2.png have one name between them", r"alone.png has no HR",
        r"lonely.png has no LR", r"odd_HR.png is 50x40, not 2 times", r"so .* are no pairs",
    ):  # fmt: skip
        assert re.search(said, str(told.value)), said
    with pytest.raises(UserError, match=r"cup.png is 200x160, not 3 times .*, but 2 times"):
        given(place, scale=3)
    with pytest.raises(UserError, match="two folders"):
        pairs("", str(place / "HR"), 2)
