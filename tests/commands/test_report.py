"""Guards: a report ranks what a sweep compared, and warns of what cannot be said of it."""

import csv
import json
import re
import shutil
import sys

import numpy as np
import pytest
import torch
from common import ran, save_pictures
from scipy.stats import ttest_rel

from srlab.commands.report.answer import warnings_of
from srlab.commands.report.results import gather
from srlab.errors import UserError
from srlab.metrics.checkerboard import ripple_map
from srlab.reporting.curves import spread
from srlab.reporting.tables import as_csv, as_latex, as_markdown
from srlab.runs.sweep_plan import read_sweep

pytest.importorskip("matplotlib", reason="a report wants matplotlib")
pytest.importorskip("jinja2", reason="a report wants jinja2")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """Make a folder with small images and a sweep of two choices with two seeds each."""
    place = tmp_path_factory.mktemp("report")
    save_pictures(place, train=3, test=5, coarse=(9, 9, 3), size=(66, 60), prefix="p")
    done = ran(
        place, "sweep", "upsampler=deconv,pixel_shuffle", "seed=0,1", "scale=2", "data=folder",
        "data.path=train", "testset=folder", "testset.folder.path=test", "trainer.batch_size=2",
        "trainer.patch_size=8", "trainer.steps=6", "trainer.eval_every=3", "sweep_dir=sweep",
        "device=cpu",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return place


def report(place, *arguments):
    done = ran(place, "report", "width=40", "height=30", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def without_times(text):
    """Leave out of report.json what differs from run to run: times, and what was measured."""
    content = json.loads(text)
    for cost in content["costs"].values():
        del cost["seconds"], cost["training"]
    content["answer"] = [line for line in content["answer"] if " ms " not in line]
    return {k: content[k] for k in content if k not in ("machine", "commands", "title")}


@pytest.fixture(scope="module")
def first(workplace):
    """The folder of a report."""
    said = report(workplace, "sweep=sweep", "output=first")
    assert "report: first/index.html" in said
    return workplace / "first"


def test_a_report_is_a_page_and_its_tables(workplace, first):
    assert {p.name for p in first.iterdir()} == {
        "index.html", "ranking.csv", "runs.csv", "costs.csv", "report.json", "report.md",
        "report.tex",
    }  # fmt: skip
    page = (first / "index.html").read_text()
    assert "pixel_shuffle" in page
    assert "p0" in page
    ranking = page[page.index('<table id="ranking-psnr"') :]
    headings = re.findall(r'<th scope="col".*?<button type="button">(.*?)</button>', ranking)
    assert headings[:4] == ["choice", "group", "all images", "from the first"]
    assert "95 %" in "".join(headings[4:6])
    assert "nothing that costs more is shown to beat" in page
    runs = (first / "runs.csv").read_text().splitlines()
    assert len(runs) == 1 + 4 * 5
    content = json.loads((first / "report.json").read_text())
    [pair] = content["rankings"]["psnr"]["pairs"]
    assert pair["seeds"] == 2
    assert pair["images"] == 5
    assert pair["low"] <= pair["difference"] <= pair["high"]
    scores = {c: np.array([r["psnr"] for r in runs_of(workplace, c)]) for c in choices(content)}
    for place in content["rankings"]["psnr"]["places"]:
        assert place["mean"] == pytest.approx(scores[place["name"]].mean(), abs=1e-9)


def choices(content):
    return [place["name"] for place in content["rankings"]["psnr"]["places"]]


def runs_of(place, choice):
    for seed in (0, 1):
        results = json.loads((place / f"sweep/seed{seed}-{choice}/results.json").read_text())
        yield results[1]


def test_a_second_report_says_the_same_and_overwrites_nothing(workplace, first):
    (workplace / "sweep/report").mkdir()
    (workplace / "sweep/report/index.html").write_text("mine")
    assert "sweep/report-2/index.html" in report(workplace, "sweep=sweep")
    one, two = (
        without_times((folder / "report.json").read_text())
        for folder in (first, workplace / "sweep/report-2")
    )
    assert one == two
    assert (workplace / "sweep/report/index.html").read_text() == "mine"
    refused = ran(workplace, "report", "sweep=sweep", "output=sweep/report")
    assert refused.returncode == 2
    assert "not empty" in refused.stderr


def test_a_single_seed_is_a_warning_and_no_interval(workplace):
    shutil.copytree(
        workplace / "sweep", workplace / "single", ignore=shutil.ignore_patterns("report*")
    )
    for run in (workplace / "single").glob("seed1-*"):
        shutil.rmtree(run)
    assert "single/report/index.html" in report(workplace, "sweep=single")
    content = json.loads((workplace / "single/report/report.json").read_text())
    assert content["warnings"][0].startswith("A single seed of")
    assert any("not finished" in warning for warning in content["warnings"])
    [pair] = content["rankings"]["psnr"]["pairs"]
    assert pair["low"] is None
    assert "no evidence" in content["answer"][0]


ON_TEST = ["testset=folder", "testset.folder.path=test"]


def test_run_folders_are_compared_as_the_sweep_that_made_them(workplace, first):
    runs = [f"sweep/seed{seed}-{head}" for seed in (0, 1) for head in ("deconv", "pixel_shuffle")]
    report(workplace, *runs, *ON_TEST, "output=listed")
    one, other = (
        json.loads((folder / "report.json").read_text())["rankings"]["psnr"]
        for folder in (first, workplace / "listed")
    )
    assert [place["mean"] for place in one["places"]] == [p["mean"] for p in other["places"]]
    for key in ("difference", "low", "high", "these_low", "seeds", "images"):
        assert one["pairs"][0][key] == pytest.approx(other["pairs"][0][key], abs=1e-9)
    assert "Training loss" in (workplace / "listed/index.html").read_text()


def test_networks_are_compared_as_they_are_over_the_images(workplace):
    run = "sweep/seed0-deconv"
    report(workplace, run, f"{run}/best.pt", "model=bicubic", *ON_TEST, "output=networks")
    content = json.loads((workplace / "networks/report.json").read_text())
    assert content["subtitle"].startswith("3 networks, judged on 5 images")
    assert "compared as they are" in content["warnings"][0]
    bicubic, ours = (
        [image["psnr"] for image in result["images"]]
        for result in json.loads((workplace / run / "results.json").read_text())
    )
    expected = ttest_rel(ours, bicubic)
    [pair] = (
        p for p in content["rankings"]["psnr"]["pairs"]
        if {p["one"], p["other"]} == {"seed0-deconv (last)", "bicubic"}
    )  # fmt: skip
    assert abs(pair["difference"]) == pytest.approx(abs(np.mean(ours) - np.mean(bicubic)), abs=1e-6)
    assert pair["p"] == pytest.approx(expected.pvalue, rel=1e-3)
    ends = sorted(abs(end) for end in expected.confidence_interval())
    assert sorted([abs(pair["low"]), abs(pair["high"])]) == pytest.approx(ends, abs=1e-5)


def test_a_missing_package_is_told_before_anything_is_computed(workplace, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = ran(workplace, "report", "sweep=sweep")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "srlab: a report needs: pip install 'srlab[report]'\n"


def test_mistakes_are_told_in_a_sentence(workplace):
    for arguments, said in (
        (["sweep=nowhere"], "nowhere is not a sweep"),
        (["sweep=test"], "test is not a sweep"),
        ([], "give sweep=FOLDER, or networks"),
        (["sweep=sweep", "model=bicubic"], "not both"),
        (["sweep=sweep", "testset=photos"], "a sweep was judged already"),
        (["model=compact_x2,compact_x3"], "several scales or colours"),
        (["sweep=sweep", "width=0"], "width and height must be at least 1"),
        (["sweep=sweep", "threads=-1"], "threads must be 0"),
    ):
        done = ran(workplace, "report", *arguments)
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def changed(workplace, tmp_path, change):
    """Gather a copy of the sweep, after ``change(folder, plan)`` has been at it."""
    folder = tmp_path / "sweep"
    shutil.copytree(workplace / "sweep", folder)
    plan = json.loads((folder / "sweep.json").read_text())
    change(folder, plan)
    (folder / "sweep.json").write_text(json.dumps(plan))
    return gather(folder, read_sweep(folder))


def rewrite(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_runs_that_compute_the_same_are_one_choice_however_they_were_written(workplace, tmp_path):
    def change(folder, plan):
        plan["runs"]["seed1-deconv"]["overrides"] += ["trainer.threads=1", "+scale=2"]
        rewrite(folder / "seed1-deconv/config.yaml", "threads: 0", "threads: 1")

    results = changed(workplace, tmp_path, change)
    assert {c.label: c.seeds for c in results.choices} == {
        "deconv": [0, 1], "pixel_shuffle": [0, 1]
    }  # fmt: skip


def test_a_choice_that_lies_on_no_axis_is_named_by_what_differs(workplace, tmp_path):
    def change(folder, plan):
        for seed in "01":
            run = plan["runs"][f"seed{seed}-deconv"]
            run["overrides"].append("upsampler.kernel_size=9")
            run["axes"] = {"seed": seed, "upsampler.kernel_size": "9"}
            plan["runs"][f"seed{seed}-pixel_shuffle"]["axes"] = {"seed": seed}

    results = changed(workplace, tmp_path, change)
    assert [c.label for c in results.choices] == ["deconv kernel_size=9", "pixel_shuffle"]


def test_choices_are_compared_over_the_seeds_that_all_have(workplace, tmp_path):
    def change(folder, plan):
        shutil.copytree(folder / "seed1-deconv", folder / "seed2-deconv")
        rewrite(folder / "seed2-deconv/config.yaml", "seed: 1", "seed: 2")
        plan["runs"]["seed2-deconv"] = plan["runs"]["seed1-deconv"]

    results = changed(workplace, tmp_path, change)
    assert [c.seeds for c in results.choices] == [[0, 1], [0, 1]]
    assert results.left_out == ["seed2-deconv"]
    assert any("seed2-deconv" in warning for warning in warnings_of(results))


def test_what_cannot_be_compared_is_refused(workplace, tmp_path):
    for old, new, said in (
        ("scale: 2", "scale: 3", "at different scales"),
        ("colour: 'y'", "colour: rgb", "colours"),
    ):
        with pytest.raises(UserError, match=said):
            changed(
                workplace,
                tmp_path / new[:5],
                lambda f, _, old=old, new=new: rewrite(f / "seed0-deconv/config.yaml", old, new),
            )


def test_what_was_judged_on_other_low_resolution_is_refused(workplace, tmp_path):
    def change(folder, plan):
        rewrite(
            folder / "seed0-deconv/config.yaml", "degradation: {}", "degradation:\n  name: noise"
        )

    with pytest.raises(UserError, match="judged on different low resolution"):
        changed(workplace, tmp_path, change)


def test_a_network_that_was_trained_on_other_low_resolution_is_told(workplace):
    done = ran(
        workplace, "train", "scale=2", "data=folder", "data.path=train", *ON_TEST, "device=cpu",
        "trainer.patch_size=8", "trainer.steps=1", "degradation=noise", "degradation.variants=1",
        "run_dir=noisy", "valset=first_testset",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report(workplace, "noisy", "noisy/last.pt", "model=bicubic", *ON_TEST, "output=clean")
    content = json.loads((workplace / "clean/report.json").read_text())
    assert content["subtitle"].startswith("2 networks")  # the folder stands for its last.pt
    assert "trained on low resolution by noise (DN)" in content["warnings"][0]
    report(workplace, "noisy", "model=bicubic", *ON_TEST, "degradation=noise", "output=alike")
    content = json.loads((workplace / "alike/report.json").read_text())
    assert not any("low resolution" in warning for warning in content["warnings"])
    assert "LR = noise (DN) / 2" in (workplace / "alike/index.html").read_text()


def test_damaged_results_are_told_in_a_sentence(workplace, tmp_path):
    def change(folder, plan):
        (folder / "seed0-deconv/results.json").write_text('[{"psnr": 1}, {"psnr": 2}]')

    with pytest.raises(UserError, match="damaged"):
        changed(workplace, tmp_path, change)


def test_choices_no_better_than_bicubic_are_warned_of(workplace, tmp_path):
    def change(folder, plan):
        for run in plan["runs"]:
            results = json.loads((folder / run / "results.json").read_text())
            for image in results[0]["images"]:
                image["psnr"] = 90.0
            (folder / run / "results.json").write_text(json.dumps(results))

    warnings = warnings_of(changed(workplace, tmp_path, change))
    assert any("No better than bicubic" in w and "deconv" in w for w in warnings)


def test_the_csv_files_hold_numbers(first):
    for name in ("ranking", "costs"):
        text = (first / f"{name}.csv").read_text()
        header, *rows = csv.reader(text.splitlines())
        assert rows
        for row in rows:
            for column, cell in zip(header, row, strict=True):
                if column not in ("metric", "choice", "group") and cell:
                    float(cell)


def test_curves_are_spread_over_the_steps_that_all_have():
    curves = [[(1, 1.0), (2, 4.0)], [(1, 3.0), (2, 0.0), (3, 9.0)]]
    assert spread(curves) == [(1, 2.0, 1.0, 3.0), (2, 2.0, 0.0, 4.0)]


def test_the_map_of_ripple_finds_where_a_checkerboard_lies():
    smooth = torch.linspace(0.3, 0.6, 48, dtype=torch.float64).expand(1, 1, 48, 48).clone()
    assert ripple_map(smooth, 3)[:, 3:-3, 3:-3].max() < 1e-6
    smooth[..., :24, 0:24:3] += 4 / 255
    found = ripple_map(smooth, 3)[0]
    column = np.std([4 * (phase == 0) for phase in range(3)])
    assert found[3, 3] == pytest.approx(column, rel=0.2)
    assert found[12:-3, 12:-3].max() < 0.05


def test_tables_keep_what_their_languages_would_read_otherwise():
    columns, rows = ["", "a|b"], [["x_y & 5 %", "\N{MINUS SIGN}1"]]
    assert as_csv(columns, rows) == ",a|b\nx_y & 5 %,\N{MINUS SIGN}1\n"
    assert r"| a\|b |" in as_markdown(columns, rows)
    latex = as_latex(columns, rows, "50 % of $")
    assert r"x\_y \& 5 \% & $-$1 \\" in latex
    assert r"\caption{50 \% of \$}" in latex
