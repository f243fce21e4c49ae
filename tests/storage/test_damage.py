"""Guards: a bit that flipped in a file at rest is noticed, or harmless: no result changes."""

import os

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import srlab
from srlab.assembly.checkpoints import _check_finite
from srlab.data.images import folder
from srlab.data.pack import open_pack
from srlab.errors import CheckpointError
from srlab.storage.cache import cache_folder
from srlab.storage.checkpoint import load, save
from srlab.storage.model_file import as_model
from srlab.weights import shipped
from srlab.words import Colour


@pytest.fixture(scope="module")
def checkpoint():
    """What a small checkpoint holds."""
    model, config = srlab.load_checkpoint("compact_x2")
    return {"config": config, "weights": model.state_dict(), "step": 3}


def outcomes(path, data, flips):
    """What comes of loading a file after each of so many single flipped bits."""
    random = np.random.default_rng(0)
    for bit in random.choice(8 * len(data), flips, replace=False):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            yield load(path)
        except CheckpointError as error:
            yield str(error)


@pytest.mark.parametrize("kind", ["pt", "safetensors"])
def test_a_flipped_bit_in_a_checkpoint_is_told_or_changes_nothing(kind, checkpoint, tmp_path):
    path = tmp_path / f"a.{kind}"
    if kind == "pt":
        save(path, checkpoint)
    else:
        path.write_bytes(as_model(checkpoint["config"], checkpoint["weights"], []))
    told = 0
    for outcome in outcomes(path, path.read_bytes(), 300):
        if isinstance(outcome, str):
            assert outcome.startswith(str(path))
            told += 1
            continue
        for name, tensor in checkpoint["weights"].items():
            assert torch.equal(outcome["weights"][name], tensor)
    assert told > 150


def test_a_model_of_an_older_version_has_no_checksum_and_loads():
    for path in shipped().values():
        assert load(path)["weights"]


def test_weights_that_are_not_finite_are_refused(checkpoint, tmp_path):
    weights = {name: tensor.clone() for name, tensor in checkpoint["weights"].items()}
    last = list(weights)[-1]
    weights[last].view(-1)[0] = torch.nan
    path = tmp_path / "a.pt"
    save(path, checkpoint | {"weights": weights})
    with pytest.raises(CheckpointError, match=rf"not finite, in {last}: its training diverged"):
        srlab.load(path)


def test_a_network_that_makes_absurd_values_of_a_smooth_picture_is_refused(checkpoint, tmp_path):
    weights = {name: 1e12 * tensor for name, tensor in checkpoint["weights"].items()}
    path = tmp_path / "a.pt"
    save(path, checkpoint | {"weights": weights})
    with pytest.raises(CheckpointError, match=r"makes values of \S+ of a picture in \[0, 1\]"):
        srlab.load(path)


def test_a_network_with_an_infinite_mask_that_wants_larger_pictures_is_taken():
    class Masked(nn.Module):
        channels = 1

        def __init__(self):
            super().__init__()
            self.register_buffer("mask", torch.tensor([0.0, -torch.inf]))

        def forward(self, lr):
            return nn.functional.pad(lr, (8,) * 4, mode="reflect")

    _check_finite("a.pt", Masked())


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.setenv("SRLAB_CACHE", str(tmp_path / "cache"))
    place = tmp_path / "damaged"
    place.mkdir()
    random = np.random.default_rng(0)
    for name in ("a.bmp", "b.bmp"):
        pixels = random.integers(0, 256, (64, 66, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / name)
    return place


def test_a_damaged_pack_is_made_anew(pictures):
    pack = open_pack(folder(str(pictures)), 2, Colour.y, 8)
    before = pack.pixels.copy()
    (place,) = (p.parent for p in cache_folder().glob("packs/damaged-*/pixels.bin"))
    content = bytearray((place / "pixels.bin").read_bytes())
    content[3000] ^= 1
    (place / "pixels.bin").write_bytes(content)
    again = open_pack(folder(str(pictures)), 2, Colour.y, 8)
    assert np.array_equal(again.pixels, before)


def test_a_picture_that_was_replaced_by_one_of_equal_size_and_date_is_seen(pictures):
    first = open_pack(folder(str(pictures)), 2, Colour.y, 8)
    path = pictures / "a.bmp"
    status, image = path.stat(), Image.open(path)
    inverted = Image.fromarray(255 - np.asarray(image))
    path.unlink()
    inverted.save(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    second = open_pack(folder(str(pictures)), 2, Colour.y, 8)
    assert second.fingerprint != first.fingerprint


def test_a_cache_that_is_named_by_an_empty_text_is_not_named(monkeypatch, tmp_path):
    monkeypatch.setenv("SRLAB_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "srlab"


def test_a_pack_whose_index_says_what_is_not_so_is_made_anew(pictures):
    pack = open_pack(folder(str(pictures)), 2, Colour.y, 8)
    (path,) = cache_folder().glob("packs/damaged-*/index.npz")
    with np.load(path) as index:
        sound = dict(index)
    for name, other in (
        ("size", sound["fingerprint"]), ("size", sound["size"][:1]), ("size", -sound["size"]),
        ("size", sound["size"][:0]), ("lr_offset", sound["hr_offset"]),
        ("hr_offset", sound["size"]), ("fingerprint", sound["size"]),
        ("left_out", sound["fingerprint"]),
    ):  # fmt: skip
        np.savez(path, **sound | {name: other})
        again = open_pack(folder(str(pictures)), 2, Colour.y, 8)
        assert np.array_equal(again.pixels, pack.pixels)
        assert np.array_equal(again.size, pack.size)
