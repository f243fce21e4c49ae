"""Guards: several networks, scales and baselines are judged side by side, as one by one."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from common import command_line, save_pictures
from PIL import Image

import srlab.assembly.testsets
from srlab.commands.evaluate.paper_table import as_console, as_latex_table, as_markdown_page
from srlab.commands.evaluate.pictures import keepers
from srlab.evaluation.score import Score
from srlab.evaluation.tables import Result
from srlab.imaging.colour import luma, quantise
from srlab.imaging.files import read_pixels, to_tensor
from srlab.imaging.resample import crop
from srlab.metrics.psnr import psnr
from srlab.weights import shipped

SMALL = ("testset=folder", "testset.folder.path=test", "device=cpu")
SEVERAL = ("evaluate", "model=nearest,espcn_x2,compact_x3,compact_x2", *SMALL)


@pytest.fixture
def srlab_here(tmp_path, monkeypatch, capsys):
    save_pictures(tmp_path, train=0, test=2, coarse=(9, 9, 3))
    monkeypatch.chdir(tmp_path)
    return command_line(monkeypatch, capsys)


def results(folder):
    return json.loads(Path(folder, "results.json").read_text())


# --- the table


def test_several_are_judged_as_one_by_one_with_bicubic_on_top_of_each_scale(srlab_here):
    status, printed = srlab_here(*SEVERAL, "output=several")
    assert status == 0, printed.err
    found = {(r["scale"], r["method"]): r for r in results("several")}
    x2, x3 = ["bicubic", "nearest", "espcn_x2", "compact_x2"], ["bicubic", "nearest", "compact_x3"]
    assert list(found) == [(2, name) for name in x2] + [(3, name) for name in x3]
    for scale, name in ((2, "espcn_x2"), (3, "bicubic"), (3, "nearest")):
        one = f"alone-{name}"
        srlab_here("evaluate", f"model={name}", f"scale={scale}", *SMALL, f"output={one}")
        assert results(one) == [found[scale, name]]
    lines = printed.out.splitlines()
    assert [line.split()[0] for line in lines[:10] if line] == ["x2", *x2, "x3", *x3]
    assert f"espcn_x2    {found[2, 'espcn_x2']['psnr']:.2f} / ." in lines[3]
    assert not re.search(r"\b[01]\b", printed.out.partition("protocol")[0])  # no image has a row
    assert "bicubic / s" in printed.out
    assert found[3, "nearest"]["protocol"].count("bicubic / 3")


def test_pictures_are_read_once_for_each_scale_and_bicubic_judged_once(srlab_here, monkeypatch):
    done = []
    for name in ("read_pairs", "scores"):
        function = getattr(srlab.assembly.testsets, name)

        def noted(*given, function=function, name=name):
            done.append(name)
            return function(*given)

        monkeypatch.setattr(srlab.assembly.testsets, name, noted)
    assert srlab_here(*SEVERAL)[0] == 0
    assert [done.count("read_pairs"), done.count("scores")] == [2, 7]


def result(label, testset, scale, *figures):
    return Result(label, None, testset, scale, "y", [Score("a", *figures, 0.0)])


OF_TWO_SCALES = [
    result("bicubic", "Set5", 2, 33.65, 0.93), result("bicubic", "B_1", 2, 30.0, 0.87),
    result("mine & theirs", "Set5", 2, 33.654, 0.92), result("mine & theirs", "B_1", 2, 31.0, 0.9),
    result("bicubic", "Set5", 3, 30.39, 0.8681), result("bicubic", "B_1", 3, 29.0, 0.85),
]  # fmt: skip


def test_the_best_of_a_scale_is_bold_equals_alike_and_one_alone_is_not():
    assert as_markdown_page(OF_TWO_SCALES, ["so"]).splitlines() == [
        "| x2 | Set5 | B_1 |",
        "| --- | ---: | ---: |",
        "| bicubic | **33.65** / **.9300** | 30.00 / .8700 |",
        "| mine & theirs | **33.65** / .9200 | **31.00** / **.9000** |",
        "",
        "| x3 | Set5 | B_1 |",
        "| --- | ---: | ---: |",
        "| bicubic | 30.39 / .8681 | 29.00 / .8500 |",
        "",
        "Mean PSNR in dB / SSIM of each test set; the best of each scale in bold.",
        "",
        "- protocol: so",
    ]
    latex = as_latex_table(OF_TWO_SCALES, ["so"])
    best = r"\textbf{33.65} / .9200 & \textbf{31.00} / \textbf{.9000} \\"
    assert rf"    mine \& theirs & 2 & {best}" in latex.splitlines()
    assert r"Method & Scale & Set5 & B\_1 \\" in latex
    assert latex.count(r"\midrule") == 2
    assert latex.startswith("% protocol: so\n")
    assert as_console(OF_TWO_SCALES).splitlines()[4:] == [
        "x3             Set5           B_1",
        "bicubic        30.39 / .8681  29.00 / .8500",
    ]


def test_images_are_printed_where_they_are_asked_for(srlab_here):
    one = ("evaluate", "model=bicubic", "scale=2", *SMALL)
    short, long = (srlab_here(*one, f"details={word}")[1].out for word in ("false", "true"))
    assert [line.split()[3] for line in short.splitlines()[1:2]] == ["mean"]
    assert [line.split()[3] for line in long.splitlines()[1:4]] == ["0", "1", "mean"]
    several = srlab_here(*SEVERAL, "details=true")[1].out.splitlines()
    assert [line.split()[3] for line in several[1:4]] == ["0", "1", "mean"]


def test_checkpoints_of_one_name_are_told_apart_by_what_was_typed(srlab_here):
    for name in ("a", "b"):
        Path(name).mkdir()
        shutil.copy(shipped()["espcn_x2"], f"{name}/m.safetensors")
    files = ("a/m.safetensors", "b/m.safetensors")
    forms = (files, (f"checkpoint=[{','.join(files)}]",), (f"checkpoint={','.join(files)}",))
    for number, form in enumerate(forms):
        status, printed = srlab_here("evaluate", *form, *SMALL, f"output=o{number}")
        assert status == 0, printed.err
        labels = [r["method"] for r in results(f"o{number}")]
        assert labels == ["bicubic", *(f"espcn_x2, {file}" for file in files)]


def test_what_sees_colour_has_its_own_bicubic(srlab_here):
    status, printed = srlab_here("evaluate", "model=nearest,bicubic", "scale=2", "colour=rgb",
                                 *SMALL, "output=o", "ensemble=true")  # fmt: skip
    assert status == 0, printed.err
    assert [r["method"] for r in results("o")] == ["bicubic", "nearest + self-ensemble"]
    assert all(r["protocol"].startswith("RGB, judged on Y") for r in results("o"))


# --- pictures


@pytest.mark.parametrize("protocol", ["matlab", "basicsr"])
def test_pictures_are_what_was_judged(srlab_here, protocol):
    status, printed = srlab_here(*SEVERAL, f"protocol={protocol}", "output=o", "pictures=o/kept")
    assert status == 0, printed.err
    for r in results("o"):
        name = (
            r["method"]
            if r["method"].endswith(f"x{r['scale']}")
            else f"{r['method']}_x{r['scale']}"
        )
        for image in r["images"]:
            with Image.open(f"o/kept/test/{name}/{image['image']}.png") as kept:
                assert kept.mode == {"matlab": "L", "basicsr": "RGB"}[protocol]
                sr = to_tensor(np.array(kept).reshape(*kept.size[::-1], -1))
            hr = luma(to_tensor(read_pixels(Path(f"test/{image['image']}.png"))))
            hr = hr if protocol == "basicsr" else quantise(hr)
            seen = psnr(*(crop(x, r["scale"]) for x in (luma(sr), hr)))
            assert seen.item() == pytest.approx(image["psnr"], abs=1e-6)


def test_every_row_and_every_test_set_has_a_folder_of_its_own(tmp_path):
    rows = [("m", 2), ("m_x2", 2), ("M", 2), ("a/../b (last)", 3), ("..", 3)]
    for number, keep in enumerate(keepers(tmp_path, ["Set5", "Set5/"], rows)):
        for testset, level in (("Set5", 0), ("Set5/", 1)):
            keep(testset, "x", np.full((2, 2, 1), 2 * number + level, np.uint8))
    kept = sorted(tmp_path.rglob("*.png"))
    assert {path.parent.name for path in kept} == {"m_x2", "m_x2-2", "M_x2-3", "a-..-b-last-_x3",
                                                   "_x3"}  # fmt: skip
    assert sorted(int(read_pixels(path)[0, 0, 0]) for path in kept) == list(range(10))


def test_no_picture_is_written_over_and_no_table_begun(srlab_here, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    status, printed = srlab_here(*SEVERAL, "output=o", "pictures=test")
    assert status == 2
    assert "test is not empty" in printed.err
    assert sorted(tmp_path.rglob("*")) == before


# --- mistakes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["model=compact_x2,compact_x9"], ["no option 'compact_x9'", "did you mean 'compact_x"]),
        (["model=bicubic,nearest"], ["scale is missing"]),
        (["model=bicubic,nearest", "scale=[2,x]"], ["scale takes a number", "[2,2.5,3]"]),
        (["model=bicubic", "scale=2.37"], ["scale=2.37 is 237/100", "2.5 = 5/2"]),
        (["model=bicubic", "scale=[2,inf]"], ["scale lies from 1 to 64, got inf"]),
        (["model=compact_x2", "scale=25e-1"], ["compact_x2 was trained for scale 2"]),
        (["model=compact_x2", "++scale=2.5"], ["scale=2.5 is judged beside bicubic"]),
        (["model=compact_x2", "scale=2.5"], ["compact_x2 was trained for scale 2", "scale=2.5 is"]),
        (["model=nearest", "scale=2.5", "protocol=vdsr"], ["leave out protocol=vdsr"]),
        (["model=nearest", "scale=2.5", "degradation=noise"], ["leave out degradation"]),
        (["model=bicubic,nearest", "scale=2", "upsampler=deconv"], ["has its upsampler"]),
        (["model=bicubic,espcn", "scale=[2,3]"], ["this model has weights"]),
        (["model=bicubic", "scale=[2,0]"], ["at least 1"]),
        (["model=compact_x2,compact_x4", "scale=[2,3]"], ["compact_x4 was", "scale=[2, 3] is"]),
        (["espcn_x2", "gone.pt"], ["gone.pt does not exist"]),
        (["model=nearest,espcn_x2", "scale=20"], ["espcn_x2 was trained for scale 2"]),
        (["model=nearest,bicubic", "scale=20"], ["too small to be judged at scale 20"]),
        (["-m", "model=compact_x2,bicubic"], ["without -m"]),
        (["model=bicubic", "scale=2", "protocol=paper"], ["matlab, vdsr, basicsr"]),
    ],
)
def test_a_mistake_among_several_is_told_before_anything_is_written(
    srlab_here, tmp_path, arguments, words
):
    before = sorted(tmp_path.iterdir())
    status, printed = srlab_here("evaluate", *arguments, *SMALL)
    assert status == 2, printed
    assert not [word for word in words if word not in printed.err], printed.err
    assert sorted(tmp_path.iterdir()) == before


def test_names_of_models_that_come_along_are_jobs_of_a_multirun(srlab_here):
    status, printed = srlab_here("evaluate", "-m", "model=espcn_x2,espcn_x3", *SMALL)
    assert status == 0, printed.err
    assert [printed.out.count(f"  espcn_x{scale}  mean") for scale in (2, 3)] == [1, 1]
