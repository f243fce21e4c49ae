"""Guards: what comes from elsewhere runs nothing and fills no memory and no disk."""

import json
import os
import pickle
import struct
import zipfile
import zlib

import pytest
import torch
from common import command_line, save_pictures
from safetensors.torch import save_file

from srlab.models.espcn import ESPCN
from srlab.storage.checkpoint import save
from srlab.upsamplers.pixel_shuffle import PixelShuffle


@pytest.fixture
def srlab(tmp_path, monkeypatch, capsys):
    """Return the command line in a folder with pictures, a run's config and a good checkpoint."""
    monkeypatch.chdir(tmp_path)
    save_pictures(tmp_path, train=2, test=1)
    save(tmp_path / "good.pt", {"config": config(), "weights": weights()})
    return command_line(monkeypatch, capsys)


def config(**model):
    head = {
        "_target_": "srlab.upsamplers.pixel_shuffle.PixelShuffle", "_partial_": True,
        "kernel_size": 3, "init": "default",
    }  # fmt: skip
    node = {"_target_": "srlab.models.espcn.ESPCN", "upsampler": head, "scale": 2, "channels": 1}
    return {"name": "mine", "scale": 2, "colour": "y", "model": node | model}


def weights():
    return ESPCN(PixelShuffle, 2).state_dict()


class Trap:
    """What makes a folder when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("harm",)


def torch_pickle(path):
    torch.save({"format": 1, "config": config(), "weights": weights(), "trap": Trap()}, path)


def old_torch_pickle(path):
    content = {"format": 1, "config": Trap(), "weights": weights()}
    torch.save(content, path, _use_new_zipfile_serialization=False)


def bare_pickle(path):
    path.write_bytes(pickle.dumps(Trap()))


ENTRANCES = [
    ("evaluate", "checkpoint={}", "testset=folder", "testset.folder.path=test"),
    ("upscale", "checkpoint={}", "input=test/0.png", "output=large.png"),
    ("describe", "checkpoint={}"),
    ("convert", "checkpoint={}", "upsampler=deconv"),
    ("convert", "from={}", "scale=2"),
    ("export", "checkpoint={}", "format=safetensors", "output=out.safetensors"),
    ("train", "start={}", "scale=2", "data=folder", "data.path=train", "testset=folder",
     "testset.folder.path=test", "run_dir=new", "trainer.patch_size=8"),
]  # fmt: skip


PICKLES = [torch_pickle, old_torch_pickle, bare_pickle]


@pytest.mark.parametrize("command", ENTRANCES, ids=lambda c: f"{c[0]} {c[1][:4]}")
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(srlab, tmp_path, command):
    # One of the verbs that take checkpoint=, and the one that takes from=, meet every kind of file.
    for write in PICKLES if command[0] in ("describe", "convert") else PICKLES[:1]:
        write(tmp_path / "evil.pt")
        status, printed = srlab(*(word.format("evil.pt") for word in command))
        assert status == 2, write.__name__
        assert printed.err.startswith("srlab: ")
        assert "evil.pt" in printed.err
        assert not (tmp_path / "harm").exists(), write.__name__


def test_the_trap_works_where_it_is_let(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch_pickle(tmp_path / "evil.pt")
    torch.load(tmp_path / "evil.pt", weights_only=False)
    assert (tmp_path / "harm").is_dir()


EVIL = [
    {"_target_": "os.system", "command": "mkdir harm"},
    {"_target_": "srlab.models.espcn.ESPCN", "upsampler": {"_target_": "os.mkdir", "path": "harm"}},
    {"_target_": "torch.hub.load", "repo_or_dir": ".", "model": "harm", "source": "local"},
    {"_target_": "srlab.storage.atomic.os.mkdir", "path": "harm"},
]


@pytest.mark.parametrize("kind", ["pt", "safetensors"])
def test_a_config_that_names_what_is_not_trusted_builds_nothing(srlab, tmp_path, kind):
    for model in EVIL if kind == "pt" else EVIL[:2]:
        content = config() | {"model": model}
        if kind == "pt":
            save(tmp_path / "evil.pt", {"config": content, "weights": weights()})
        else:
            metadata = {"srlab": "1", "config": json.dumps(content), "scores": "[]"}
            save_file(weights(), tmp_path / "evil.safetensors", metadata)
        status, printed = srlab("upscale", f"checkpoint=evil.{kind}", "input=test/0.png")
        assert status == 2, model
        assert "is not trusted" in printed.err
        assert not (tmp_path / "harm").exists(), model


def test_a_config_that_asks_for_more_than_its_file_holds_fills_no_memory(srlab, tmp_path):
    for features in ([10**9, 10**9], [64, 10**7]):
        save(tmp_path / "huge.pt", {"config": config(features=features), "weights": weights()})
        status, printed = srlab("describe", "checkpoint=huge.pt")
        assert status == 2
        assert "weights, which its file does not hold" in printed.err


def test_a_scale_by_which_a_file_would_fill_the_memory_is_refused(srlab, tmp_path):
    head = {"_target_": "srlab.upsamplers.interpolation.Interpolate", "_partial_": True,
            "mode": "bicubic"}  # fmt: skip
    node = {"_target_": "srlab.models.plain.Plain", "upsampler": head, "scale": 3000, "channels": 1}
    content = {"name": "it", "scale": 3000, "colour": "y", "model": node}
    save(tmp_path / "huge.pt", {"config": content, "weights": {}})
    status, printed = srlab("describe", "checkpoint=huge.pt")
    assert status == 2
    assert "scale must be at most 64" in printed.err


def test_a_recipe_leaves_no_path_of_the_machine_in_an_exported_file(srlab, tmp_path):
    private = {"weights": "/home/alice/vgg.pth", "list": ["~/key", "kept"], "root": "data"}
    recipe = config() | {"loss": {"pixel": private}, "data": {"path": "x"} | private}
    save(tmp_path / "mine.pt", {"config": recipe, "weights": weights()})
    assert srlab("export", "checkpoint=mine.pt", "format=safetensors")[0] == 0
    content = (tmp_path / "mine.safetensors").read_bytes()
    assert b"kept" in content
    assert not any(word in content for word in (b"alice", b"~/key", b'"data"', b'"x"'))


def test_entries_of_an_archive_write_nothing_outside_of_it(srlab, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    with zipfile.ZipFile(tmp_path / "good.pt") as good, zipfile.ZipFile("evil.pt", "w") as evil:
        for item in good.infolist():
            evil.writestr(item.filename, good.read(item))
        for name in ("../harm", "../../harm", "/harm", "archive/../../harm"):
            evil.writestr(name, b"harm")
    before = {path.name for path in tmp_path.iterdir()}
    os.chdir(inner)
    srlab("describe", "checkpoint=../evil.pt")
    srlab("convert", "from=../evil.pt")
    assert {path.name for path in tmp_path.iterdir()} == before
    assert not list(inner.iterdir())


def bomb(path, side=50_000):
    """A PNG file of a few hundred bytes that says it has so many pixels a side."""

    def chunk(kind, content):
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    lines = zlib.compress(bytes(3 * 64 * 64), 9)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "command",
    [
        ("upscale", "checkpoint=good.pt", "input=bombs/0.png", "output=large.png"),
        ("upscale", "checkpoint=good.pt", "input=bombs", "output=large"),
        ("evaluate", "model=bicubic", "scale=2", "testset=folder", "testset.folder.path=bombs"),
        ("train", "scale=2", "data=folder", "data.path=bombs", "testset=folder",
         "testset.folder.path=test", "run_dir=new", "trainer.patch_size=8"),
    ],
    ids=lambda c: c[0],
)  # fmt: skip
def test_a_png_of_50000_pixels_a_side_is_refused_before_it_is_decoded(srlab, tmp_path, command):
    (tmp_path / "bombs").mkdir()
    bomb(tmp_path / "bombs" / "0.png")
    status, printed = srlab(*command)
    assert status == 2
    assert "0.png has more than 178,956,970 pixels" in printed.err
    assert not (tmp_path / "large.png").exists()


def test_a_header_that_is_larger_than_its_file_is_refused(srlab, tmp_path):
    (tmp_path / "evil.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    status, printed = srlab("describe", "checkpoint=evil.safetensors")
    assert status == 2
    assert "evil.safetensors is not a safetensors file, or it is cut off" in printed.err
