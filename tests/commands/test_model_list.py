"""Guards: the models that come with srlab are as good as they say, and used by their names."""

import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from common import command_line, count
from PIL import Image
from skimage import data

import srlab as library
from srlab.data.manifest import terms_of
from srlab.storage.checkpoint import load
from srlab.weights import CLEAN, COMPRESSED, FREE, shipped, speeds
from srlab.words import Effort

RESEARCH = ["compact", "espcn", "photo"]
FAMILIES = [f"{kind}{FREE}" for kind in (*RESEARCH, "large", "photo_small", "small")]
NAMES = sorted(f"{family}_x{scale}" for family in FAMILIES + RESEARCH for scale in (2, 3, 4))
BALANCED, LOSSY = CLEAN["balanced"], COMPRESSED["balanced"]
LEAST = {2: 36.9, 3: 33.0, 4: 30.6}  # on Set5, of the best of each scale
BENCHMARKS = os.environ.get("SRLAB_DATA")


@pytest.fixture
def srlab(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    return command_line(monkeypatch, capsys)


def test_there_are_nine_families_of_three_scales_of_three_megabytes_in_all():
    assert sorted(shipped()) == NAMES
    assert sum(path.stat().st_size for path in shipped().values()) < 3_000_000


def test_their_kernels_are_kept_in_half_precision():
    for path in shipped().values():
        for name, weight in load(path)["weights"].items():
            assert weight.dtype == (torch.float16 if weight.dim() == 4 else torch.float32), name


def test_free_models_have_seen_free_pictures_alone_and_upscale_by_themselves():
    assert {*CLEAN.values(), *COMPRESSED.values()} < set(FAMILIES)
    assert list(CLEAN) == list(COMPRESSED) == list(Effort)
    for name in NAMES:
        _, config = library.load_checkpoint(name)
        terms = set(terms_of(config["data"]).values())
        assert (terms == {"free"}) == (FREE in name)
        card = shipped()[name].with_suffix(".md").read_text()
        assert ("CC BY 4.0" in card) == (FREE in name)


def test_a_card_says_what_the_file_says():
    missing = []
    for name in NAMES:
        card = shipped()[name].with_suffix(".md").read_text()
        model, config = library.load_checkpoint(name)
        assert config["name"] == name
        assert "path" not in config["data"]
        assert scores(name)
        needed = [f"{count(model):,} parameters", f"seed {config['seed']}", "Licence: MIT"]
        needed += terms_of(config["data"])
        for score in scores(name).values():
            needed += [f"{score['psnr']:.2f} / {score['ssim']:.4f}", score["protocol"]]
        missing += [(name, words) for words in needed if words not in card]
    assert not missing


def scores(name):
    from safetensors import safe_open

    with safe_open(shipped()[name], framework="numpy") as file:
        return {score["testset"]: score for score in json.loads(file.metadata()["scores"])}


def test_the_best_of_each_scale_reach_what_was_asked_of_them():
    for scale, least in LEAST.items():
        assert max(scores(f"{f}_x{scale}")["Set5"]["psnr"] for f in ("compact", "espcn")) >= least


@pytest.mark.skipif(not BENCHMARKS, reason="SRLAB_DATA, where Set5 and Set14 lie, is not set")
def test_the_scores_of_a_card_are_those_of_the_evaluator(srlab):
    offenders = []
    for name in NAMES:
        status, printed = srlab(
            "evaluate", f"model={name}", "testset=[set5,set14]", f"output={name}"
        )
        assert status == 0, printed.err
        judged = json.loads(Path(name, "results.json").read_text())
        found = {result["testset"]: result for result in judged}
        for testset, score in scores(name).items():
            same = found[testset]["psnr"] == pytest.approx(score["psnr"], abs=5e-3)
            if not same or found[testset]["ssim"] != pytest.approx(score["ssim"], abs=5e-5):
                offenders.append((name, found[testset], score))
    assert not offenders


def photograph(name="photo.png"):
    Image.fromarray(data.chelsea()[:90, :120]).save(name)


def test_upscale_needs_nothing_but_a_picture(srlab):
    photograph()
    for scale, arguments in ((2, ()), (3, ("scale=3",)), (4, ("scale=4",))):
        status, printed = srlab("upscale", "input=photo.png", *arguments)
        assert status == 0, printed.err
        assert f"by {BALANCED}_x{scale}, which comes with srlab" in printed.out
        with Image.open(f"photo_x{scale}.png") as large:
            assert large.size == (120 * scale, 90 * scale)
    status, printed = srlab("upscale", "input=photo.png")
    assert status == 2
    assert "exists already" in printed.err


def shrunk(pixels):
    """A picture of a third of the size."""
    height, width, _ = pixels.shape
    return Image.fromarray(pixels).resize((width // 3, height // 3), Image.Resampling.BICUBIC)


def upscaled(srlab, photo, *models):
    """What models make of a picture at x3, as whole numbers."""
    made = {}
    for model in models:
        status, printed = srlab(
            "upscale", f"model={model}", "scale=3", f"input={photo}", f"output={model}.png"
        )
        assert status == 0, printed.err
        with Image.open(f"{model}.png") as large:
            made[model] = np.asarray(large).astype(int)
    return made


@pytest.mark.parametrize("free", ["", FREE])
def test_a_shipped_model_beats_bicubic_on_a_photograph(srlab, free):
    truth = data.chelsea()[:240, :360]
    shrunk(truth).save("photo.png")
    small, large = f"espcn{free}_x3", f"compact{free}_x3"
    made = upscaled(srlab, "photo.png", "bicubic", small, large)
    errors = {model: np.abs(pixels - truth).mean() for model, pixels in made.items()}
    assert errors[large] < errors[small] < errors["bicubic"]


# A file, how it is saved, the family that is taken, and why.
CHOSEN = [
    ("a.jpg", {"quality": 60}, LOSSY, "a JPEG of quality 60"),
    ("b.jpg", {"quality": 96}, LOSSY, "a JPEG of quality 96"),
    ("c.jpg", {"quality": 97}, BALANCED, "a JPEG of quality 97"),
    ("d.webp", {"quality": 80}, LOSSY, "a lossy WebP"),
    ("e.png", {}, BALANCED, "lossless"),
]


def told(printed):
    """What is said of the models that are taken."""
    return [line for line in printed.out.splitlines() if line.startswith("by ")]


def test_the_model_is_chosen_by_what_a_codec_took_from_the_file(srlab, tmp_path):
    picture = Image.fromarray(data.chelsea()[:90, :120])
    (tmp_path / "all").mkdir()
    for name, options, family, reason in CHOSEN:
        picture.save(name, **options)
        picture.save(tmp_path / "all" / name, **options)
        status, printed = srlab("upscale", name)
        assert status == 0, printed.err
        said = f"by {family}_x2, which comes with srlab, as {name} is {reason}; model=list names"
        assert told(printed)[0].startswith(said)
    status, printed = srlab("upscale", "all", "output=large")
    assert status == 0, printed.err
    first = [line.partition(" is ")[0].rpartition(" ")[2] for line in told(printed)]
    assert first == ["a.jpg", "c.jpg"]  # each model is named once, for the first of its files
    for family, arguments in (
        (BALANCED, ("colour=y", "all", "output=y")),
        (LOSSY, ("colour=rgb", "all", "output=rgb")),
        (COMPRESSED["fast"], ("colour=rgb", "effort=fast", "all", "output=quick")),
    ):
        status, printed = srlab("upscale", *arguments)
        assert status == 0, printed.err
        assert told(printed) == [
            f"by {family}_x2, which comes with srlab; model=list names the others"
        ]
    status, printed = srlab("upscale", "model=compact_x2", "a.jpg", "output=mine.png")
    assert status == 0, printed.err
    assert "photo" not in printed.out


@pytest.mark.parametrize("effort", ["fast", "best"])
def test_effort_chooses_the_size_of_the_model(srlab, effort):
    picture = Image.fromarray(data.chelsea()[:60, :80])
    for name, families in (("a.png", CLEAN), ("b.jpg", COMPRESSED)):
        picture.save(name)
        status, printed = srlab("upscale", name, f"effort={effort}")
        assert status == 0, printed.err
        assert told(printed)[0].startswith(f"by {families[effort]}_x2, which comes with srlab, as")


@pytest.mark.parametrize(
    ("photo", "options", "families"),
    [("photo.png", {}, CLEAN), ("photo.jpg", {"quality": 60}, COMPRESSED)],
)
def test_more_effort_is_nearer_to_the_truth(srlab, photo, options, families):
    truth = data.coffee()[:240, :360]
    shrunk(truth).save(photo, **options)
    models = dict.fromkeys(f"{families[effort]}_x3" for effort in ("best", "balanced", "fast"))
    made = upscaled(srlab, photo, *models, "bicubic")
    errors = [np.square(large - truth).mean() for large in made.values()]
    assert all(one < other for one, other in pairwise(errors))


def test_each_file_has_its_own_reason_for_a_size_of_its_own(srlab, tmp_path):
    (tmp_path / "all").mkdir()
    picture = Image.fromarray(data.chelsea()[:200, :240])
    for name, width in (("a.jpg", 240), ("b.jpg", 100), ("c.png", 200), ("d.jpg", 60)):
        picture.resize((width, width)).save(tmp_path / "all" / name)
    status, printed = srlab("upscale", "all", "width=200")
    assert status == 0, printed.err
    down = ", then bicubic down to a width of 200"
    assert [line.partition(";")[0] for line in told(printed)] == [
        "by bicubic to a width of 200 where a picture has as many pixels, or more",
        f"by {LOSSY}_x2, which comes with srlab, as b.jpg is a JPEG of quality 75",
        f"by {LOSSY}_x4, which comes with srlab{down}, as d.jpg is a JPEG of quality 75",
    ]


CHELSEA, COFFEE = data.chelsea()[:240, :360], data.coffee()[120:360, 120:480]


@pytest.mark.parametrize(("free", "truth"), [("", CHELSEA), ("", COFFEE), (FREE, COFFEE)])
def test_a_photo_model_is_nearer_to_a_compressed_photograph_than_bicubic_and_compact(
    srlab, free, truth
):
    shrunk(truth).save("photo.jpg", quality=60)
    clean, photo = f"compact{free}_x3", f"photo{free}_x3"
    made = upscaled(srlab, "photo.jpg", "bicubic", clean, photo)
    errors = {model: np.square(large - truth).mean() for model, large in made.items()}
    assert errors[photo] < 0.98 * errors["bicubic"] < errors[clean]


def test_a_folder_goes_into_a_folder_beside_it(srlab, tmp_path):
    (tmp_path / "photos").mkdir()
    photograph("photos/a.png")
    assert srlab("upscale", "input=photos")[0] == 0
    assert (tmp_path / "photos_x2" / "a_x2.png").exists()


def test_the_list_names_them_all(srlab):
    for verb in ("upscale", "evaluate", "describe"):
        status, printed = srlab(verb, "model=list")
        assert status == 0
        lines = printed.out.splitlines()
        assert [line.split()[0] for line in lines[1:-2]] == NAMES
        for name, line in zip(NAMES, lines[1:-2], strict=True):
            assert f"{scores(name)['Set5']['psnr']:.2f}" in line
            assert f" {speeds()[0][name]:.3f} " in line
        assert speeds()[1] in lines[-2]
        assert f"effort=best: {CLEAN['best']}, for lossy files {LOSSY}" in lines[-1]


REFUSED = [
    (("upscale", "input=photo.png", "model=compact_x9"), "did you mean 'compact_x"),
    (("evaluate", "model=large_free"), "model=large_free_x2, model=large_free_x3, model=large"),
    (
        ("upscale", "input=photo.png", "model=espcn", "scale=3"),
        "model=compact_free_x2, or another that model=list names",
    ),
    (("evaluate", "model=espcn_x2", "checkpoint=a.pt"), "not both"),
    (
        ("export", "model=bicubic", "scale=2", "format=onnx"),
        "model=compact_free_x2, or another that model=list names",
    ),
    (("upscale", "input=/"), "nothing beside /"),
    (("upscale", "photo.png", "effort=best", "model=compact_x2"), "leave out effort, or model and"),
    (("upscale", "photo.png", "effort=best", "checkpoint=a"), "leave out effort, or model and"),
    (("upscale", "photo.png", "effort=much"), "expected one of [fast, balanced, best]"),
    (("evaluate",), "one that comes with srlab: compact_free_x2, or another"),
    (
        ("train", "model=compact_x2"),
        "train on from it by experiment=shipped_compact scale=2 start=compact_x2, or one like it",
    ),
    (
        ("train", "model=photo_free_x4"),
        "experiment=shipped_photo scale=4 data=free24_drawn optim.lr=1e-3 start=photo_free_x4, or",
    ),
    (
        ("train", "model=large_free_x3"),
        "from it by experiment=shipped_large scale=3 start=large_free_x3, or one like it by "
        "experiment=shipped_large scale=3; model=compact is a network of its kind",
    ),
]


def test_what_there_is_not_is_told_with_what_there_is(srlab):
    photograph()
    told = [(command, said, *srlab(*command)) for command, said in REFUSED]
    offenders = [row for row in told if row[2] != 2 or row[1] not in row[3].err]
    assert not offenders


def test_completion_knows_their_names(srlab, monkeypatch):
    for line, wanted in (
        ("srlab upscale model=comp", "model=compact_x3"),
        ("srlab upscale model=l", "model=list"),
    ):
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line)))
        _, printed = srlab("completion", "query")
        assert wanted in printed.out.split()


def test_what_is_made_of_a_shipped_model_lies_here_and_not_in_the_package(srlab, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in shipped()["espcn_x3"].parent.iterdir()}
    assert srlab("convert", "checkpoint=espcn_x3", "upsampler=deconv")[0] == 0
    assert srlab("evaluate", "model=espcn_x3")[0] == 0
    assert srlab("export", "model=espcn_x3", "format=safetensors")[0] == 0
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == ["espcn_x3-deconv.pt", "espcn_x3.safetensors", "runs"]
    after = {path: path.stat().st_mtime_ns for path in shipped()["espcn_x3"].parent.iterdir()}
    assert after == before


def test_a_name_is_a_checkpoint_everywhere(srlab, tmp_path):
    assert library.load("compact_x3").scale == 3
    status, printed = srlab("describe", "checkpoint=espcn_x2")
    assert status == 0, printed.err
    assert "espcn_x2" in printed.out
    for name in ("espcn_x2", "compact_x2"):  # a run of the user's, which checkpoint= finds first
        (tmp_path / name).mkdir()
    status, printed = srlab("describe", "checkpoint=espcn_x2")
    assert status == 2
    assert "espcn_x2/last.pt does not exist" in printed.err
    assert srlab("describe", "model=espcn_x2")[0] == 0
    photograph()
    assert srlab("upscale", "input=photo.png")[0] == 0
