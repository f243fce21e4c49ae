"""Guards: what is of any scale is used at each as the network that was built for it."""

import json
from fractions import Fraction

import pytest
import torch
from common import for_all, ran, random_pixels, save_pictures
from PIL import Image

from srlab.assembly.checkpoints import load_checkpoint
from srlab.config.build import build
from srlab.config.compose import option_node
from srlab.imaging.files import to_pixels, to_tensor
from srlab.imaging.picture import read_picture
from srlab.imaging.resample import crop_to_multiple, shrink
from srlab.storage.checkpoint import load, save

JUDGED = ("testset=folder", "testset.folder.path=test", "device=cpu")


def write(path, upsampler, scale, weights=None, model="espcn"):
    """Write a checkpoint whose weights are random, or given, and return these."""
    head = option_node("upsampler", upsampler, "upsampler", scale) | {"hidden": 8}
    node = option_node("model", model, "model", scale, "y") | {"upsampler": head}
    if model == "edsr_baseline":
        node |= {"blocks": 1, "features": 4}
    network = build(node, "model")
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    weights = weights or network.state_dict()
    config = {"model": node, "upsampler": head, "scale": scale, "colour": "y", "name": "it"}
    save(path, {"config": config, "weights": weights, "step": 7})
    return weights


@pytest.fixture
def place(tmp_path):
    """A folder with networks of x2, and beside each what it is at x3 and at x4."""
    for kind, model in (("meta", "espcn"), ("liif", "edsr_baseline")):
        weights = write(tmp_path / f"{kind}.pt", kind, 2, model=model)
        for scale in (3, 4):
            write(tmp_path / f"{kind}_x{scale}.pt", kind, scale, weights, model)
    Image.fromarray(random_pixels(20, 30, 3)).save(tmp_path / "photo.png")
    return tmp_path


def done(folder, *arguments):
    result = ran(folder, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def scores(folder):
    rows = json.loads((folder / "results.json").read_text())
    return {(row["scale"], row["method"]): row["psnr"] for row in rows}


def test_it_is_judged_at_every_scale_that_is_asked_for(place):
    save_pictures(place, train=0, test=1)
    asked = "checkpoint=[meta.pt,liif_x3.pt]", "scale=[2,3,4]"
    done(place, "evaluate", *asked, *JUDGED, "output=several")
    found = scores(place / "several")
    names = ("bicubic", "it (meta)", "it (liif_x3)")
    assert found.keys() == {(scale, name) for scale in (2, 3, 4) for name in names}
    done(place, "evaluate", "checkpoint=meta.pt", "scale=4", *JUDGED, "output=one")
    done(place, "evaluate", "checkpoint=meta_x4.pt", *JUDGED, "output=built")
    assert scores(place / "one")[4, "it (meta)"] == scores(place / "built")[4, "it (meta_x4)"]
    assert found[4, "it (meta)"] == scores(place / "one")[4, "it (meta)"]


def test_by_a_scale_that_is_not_whole_the_next_one_is_judged_made_smaller(place):
    save_pictures(place, train=0, test=1, coarse=(9, 9, 3), size=(66, 71))
    asked = "checkpoint=[meta.pt,meta_x3.pt]", "scale=[2.5,3]"
    lines = done(place, "evaluate", *asked, *JUDGED, "output=a", "pictures=kept")
    found = scores(place / "a")
    assert list(found) == [(2.5, "bicubic"), (2.5, "it (meta)"), (2.5, "it (meta_x3)"),
                           (3, "bicubic"), (3, "it (meta)"), (3, "it (meta_x3)")]  # fmt: skip
    assert found[2.5, "it (meta)"] == found[2.5, "it (meta_x3)"]
    told = [line for line in lines if "MATLAB bicubic / 2.5, rounded; SR of networks = x3," in line]
    assert "border of 3 px shaved" in told[0]
    assert "checkerboard of period 5 px" in told[0]
    done(place, "evaluate", "model=bicubic", "scale=2.5", "colour=rgb", *JUDGED, "pictures=rgb")
    (truth,) = (place / "test").iterdir()
    hr = crop_to_multiple(to_tensor(read_picture(truth).pixels), 5)
    assert hr.shape[-2:] == (70, 65)
    lr = to_pixels(shrink(hr, Fraction(5, 2)))
    Image.fromarray(lr).save(place / "lr.png")
    done(place, "upscale", "lr.png", "model=bicubic", "scale=2.5", "output=sr.png")
    (kept,) = (place / "rgb").rglob("*.png")
    assert (read_picture(kept).pixels == read_picture(place / "sr.png").pixels).all()


def test_what_is_judged_of_a_network_is_what_upscale_makes(place):
    save_pictures(place, train=0, test=1, size=(66, 71))  # grey, which is Y itself
    done(place, "evaluate", "model=compact_x3", "scale=2.5", *JUDGED, "pictures=kept")
    (truth,) = (place / "test").iterdir()
    hr = crop_to_multiple(to_tensor(read_picture(truth).pixels), 5)
    Image.fromarray(to_pixels(shrink(hr, Fraction(5, 2)))[..., 0]).save(place / "lr.png")
    done(place, "upscale", "lr.png", "model=compact_x3", "scale=2.5", "output=sr.png")
    (kept,) = (place / "kept").rglob("compact*/*.png")
    assert (read_picture(kept).pixels == read_picture(place / "sr.png").pixels).all()


def test_it_makes_any_size_at_the_next_larger_scale(place):
    def check(kind, asked, scale, said):
        lines = done(place, "upscale", "photo.png", f"checkpoint={kind}.pt", asked, "output=a.png")
        assert lines[0] == said
        done(place, "upscale", "photo.png", f"checkpoint={kind}_x{scale}.pt", asked, "output=b.png")
        made, wanted = (read_picture(place / name).pixels for name in ("a.png", "b.png"))
        assert (made == wanted).all()
        for name in ("a.png", "b.png"):
            (place / name).unlink()

    cases = [
        ("meta", "scale=4", 4, "by it (meta) of x2, as it is at x4"),
        ("liif", "scale=2.5", 3, "by it (liif) of x2, as it is at x3, then bicubic down to x2.5"),
    ]  # fmt: skip
    for_all(cases, check)


def test_it_is_described_and_exported_at_the_scale_that_is_asked_for(place):
    assert done(place, "describe", "checkpoint=meta.pt", "scale=3")[0] == (
        "it: ESPCN with meta upsampler.hidden=8, x3, Y"
    )
    lr = torch.rand(1, 1, 12, 11)
    for kind in ("meta", "liif"):
        done(place, "export", f"checkpoint={kind}.pt", "scale=3", "format=safetensors")
        network, config = load_checkpoint(place / f"{kind}-x3.safetensors")
        assert config["scale"] == 3
        wanted = load_checkpoint(place / f"{kind}_x3.pt")[0]
        with torch.no_grad():
            assert (network(lr) - wanted(lr)).abs().max() < 1e-5


def test_scores_of_another_scale_are_not_exported(place):
    judged = {"testset": "Set5", "protocol": "p", "psnr": 30.0, "ssim": 0.9}
    records = [{"scale": 2, **judged}] * 2
    (place / "meta.pt").rename(place / "last.pt")
    (place / "results.json").write_text(json.dumps(records))
    for scale, expected in ((2, records[:1]), (3, [])):
        done(place, "export", "checkpoint=last.pt", f"scale={scale}", "format=safetensors")
        mark = "" if scale == 2 else "-x3"
        assert load(place / f"last{mark}.safetensors")["scores"] == expected


def test_what_is_of_one_scale_is_refused_at_another(place):
    asked = ("evaluate", "checkpoint=[meta.pt,espcn_x2]", "scale=[3,4]", *JUDGED)
    status = ran(place, *asked)
    assert status.returncode == 2
    assert "espcn_x2 was trained for scale 2, but scale=[3, 4] is asked" in status.stderr
    status = ran(place, "describe", "checkpoint=meta.pt", "scale=65")
    assert "scale must be at most 64, got 65" in status.stderr
