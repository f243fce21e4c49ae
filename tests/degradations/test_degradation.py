"""Guards: a degradation is a function of seed, picture and variant; packs hold what it makes."""

from functools import partial

import numpy as np
import pytest
import torch
from common import for_all, ran, save_pictures

from srlab.assembly.testsets import build_degradation
from srlab.config.compose import option_node
from srlab.config.plugins import option_files
from srlab.data.images import folder
from srlab.data.pack import open_pack
from srlab.data.pairs import read_pairs
from srlab.data.patches import PatchBatches
from srlab.degradations.degradation import Degradation, picture_key
from srlab.degradations.noise import GaussianNoise
from srlab.degradations.order import Shuffled, Sometimes
from srlab.degradations.shrink import Shrink
from srlab.errors import UserError
from srlab.imaging.colour import to_channels
from srlab.imaging.files import to_pixels
from srlab.words import Colour

PRESETS = [name for name in option_files()["degradation"] if name != "bicubic"]


def preset(name, **changed):
    return build_degradation(option_node("degradation", name, "degradation", 2) | changed)


def noisy(**changed):
    return Degradation("noisy", {"shrink": Shrink(), "noise": GaussianNoise([5, 40])}, **changed)


def picture(side=48, channels=3):
    return (
        torch.rand(1, channels, side, side, dtype=torch.float64, generator=torch.manual_seed(0))
        .mul(255)
        .round()
        .div(255)
    )


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_8_bits_at_every_scale_of_colour_and_grey(name):
    def check(scale, channels):
        degrade, hr = preset(name), picture(24 * scale, channels)
        lr = degrade(hr, scale, 5)
        assert lr.shape == (1, channels, 24, 24)
        torch.testing.assert_close(lr * 255, (lr * 255).round(), atol=1e-9, rtol=0)
        assert torch.equal(lr, preset(name)(hr, scale, 5))
        if degrade.variants > 1:
            assert not torch.equal(lr, degrade(hr, scale, 5, 1))
            assert not torch.equal(lr, degrade(hr, scale, 6))

    for_all([(2, 3), (3, 3), (4, 1)], check)


def test_what_it_is_described_by_changes_with_all_that_it_depends_on():
    same = [noisy().described, noisy().described]
    louder = Degradation("noisy", {"shrink": Shrink(), "noise": GaussianNoise([5, 41])})
    others = [d.described for d in (noisy(seed=1), noisy(variants=3), preset("photo"), louder)]
    assert same[0] == same[1]
    assert len({same[0], *others}) == 5
    assert "0x" not in preset("realesrgan").described  # no address of this process


class Holds:
    """A step of others that holds something."""

    def __init__(self, held):
        self.held = held

    def __call__(self, image, rng, size):
        return image


def test_what_steps_of_others_hold_tells_them_apart():
    def described(held):
        return Degradation("of others", {"step": Holds(held)}).described

    held = [1, 2, "a", torch.ones(2), torch.zeros(2), np.zeros(2, int), partial(min, 1),
            partial(min, 2), partial(max, 1), GaussianNoise(1), [1, 2], {"a": 1}]  # fmt: skip
    assert len({described(one) for one in held}) == len(held)
    with pytest.raises(UserError, match="a step of a degradation holds a object"):
        described(object())


@pytest.mark.parametrize("step", [5, None, {"chance": 1}])
def test_what_is_no_step_is_refused(step):
    for make in (lambda: Degradation("wrong", {"it": step}), lambda: Shuffled({"it": step}),
                 lambda: Sometimes(step)):  # fmt: skip
        with pytest.raises(ValueError, match="is no step: it needs a _target_"):
            make()


def test_a_preset_that_was_changed_is_called_otherwise():
    assert [preset(name).name for name in ("photo", "realesrgan")] == ["photo", "realesrgan"]
    assert preset("photo", variants=3).name == "photo"
    names = {preset("noise", seed=seed).name for seed in (0, 1, 2)}
    assert len(names) == 3
    assert all(name.startswith("noise (DN)") for name in names)


def test_steps_that_do_not_shrink_are_told():
    with pytest.raises(UserError, match="degradation wrong makes 48x48 pixels, not 24x24"):
        Degradation("wrong", {"noise": GaussianNoise(1)})(picture(), 2, 0)


@pytest.mark.parametrize("colour", [Colour.y, Colour.rgb])
def test_a_pack_has_every_variant_with_the_hr_of_its_picture(tmp_path, colour):
    save_pictures(tmp_path, train=2, test=1)
    images, degrade = folder(str(tmp_path / "train")), noisy(variants=3)
    pack = open_pack(images, 2, colour, 8, degrade)
    plain = open_pack(images, 2, colour, 8)
    assert len(pack.size) == 6
    assert len(np.unique(pack.hr_offset)) == 2
    for k, (start, (height, width)) in enumerate(zip(pack.hr_offset, pack.size, strict=True)):
        of = k // 3
        length = 4 * height * width * pack.channels
        hr = plain.pixels[plain.hr_offset[of] : plain.hr_offset[of] + length]
        assert np.array_equal(pack.pixels[start : start + length], hr)
    again = open_pack(images, 2, colour, 8, noisy(variants=3))
    assert again.fingerprint == pack.fingerprint
    assert (
        open_pack(images, 2, colour, 8, noisy(variants=3, seed=1)).fingerprint != pack.fingerprint
    )
    lr, _ = PatchBatches(pack, 64, 8, 0, seed=0)[0]
    assert lr.shape == (64, pack.channels, 8, 8)


def test_test_pictures_have_the_first_variant_of_a_key_of_their_own(tmp_path):
    save_pictures(tmp_path, train=1, test=2)
    images, degrade = folder(str(tmp_path / "test")), noisy()
    plain = read_pairs(images, 2, Colour.rgb, 11)
    for pair, clean in zip(
        read_pairs(images, 2, Colour.rgb, 11, degradation=degrade), plain, strict=True
    ):
        hr = torch.from_numpy(pair.hr).permute(2, 0, 1)[None].double() / 255
        expected = to_pixels(to_channels(degrade(hr, 2, picture_key(pair.name)), Colour.rgb))
        np.testing.assert_array_equal(pair.lr, expected)
        np.testing.assert_array_equal(pair.hr, clean.hr)


def test_a_training_with_it_resumes_and_its_scores_say_it(tmp_path):
    save_pictures(tmp_path, train=2, test=1)
    settings = [
        "scale=2", "data=folder", "data.path=train", "testset=folder", "testset.folder.path=test",
        "device=cpu", "trainer.batch_size=2", "trainer.patch_size=8", "degradation=realesrgan",
        "degradation.variants=2",
    ]  # fmt: skip
    assert ran(tmp_path, "train", *settings, "trainer.steps=4", "run_dir=whole").returncode == 0
    sentence = (tmp_path / "whole/results.csv").read_text()
    assert "LR = realesrgan / 2" in sentence
    done = ran(tmp_path, "evaluate", "whole", *settings[3:5], "degradation=photo")
    assert "LR = photo / 2" in done.stdout, done.stderr
    refused = ran(
        tmp_path, "evaluate", "whole", *settings[3:5], "degradation=photo", "protocol=vdsr"
    )
    assert refused.returncode == 2
    assert "no degradation" in refused.stderr
