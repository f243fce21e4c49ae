"""Guards: scores are shown as a table, as JSON and as CSV, with the published figures beside."""

import csv
import io
import json
import math

import pytest

from srlab.evaluation.score import Score, protocol
from srlab.evaluation.tables import Result, as_csv, as_json, console_table

BICUBIC = Result(
    "bicubic", "bicubic", "Set5", 3, "y",
    [Score("baby", 34.126, 0.92359, 0.021), Score("bird", 32.55, 0.93001, 0.043)],
)  # fmt: skip
OURS = Result("mine, at last", None, "photos", 3, "rgb", [Score("cat", 31.5, 0.9, 1.25)])
PAPER = "30.39 / 0.8682 (bicubic)"  # VDSR, table 2: Set5, x3


def cells(text):
    """Return the cells of a console table, which end with an empty line."""
    table = text.partition("\n\n")[0]
    return [[c.strip() for c in line.split("  ") if c.strip()] for line in table.splitlines()]


def strict(text):
    def refuse(word):
        raise ValueError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def rows_of(results, per_image):
    """Return the table without what stands below it."""
    return console_table(results, per_image).partition("\n\n")[0]


# --- the console


def test_the_table_has_a_row_for_each_image_and_one_for_their_mean():
    rows = cells(rows_of([BICUBIC], per_image=True))
    assert rows == [
        ["test set", "scale", "method", "image", "PSNR", "SSIM", "ripple", "published"],
        ["Set5", "x3", "bicubic", "baby", "34.13", "0.9236", "0.02"],
        ["Set5", "x3", "bicubic", "bird", "32.55", "0.9300", "0.04"],
        ["Set5", "x3", "bicubic", "mean", "33.34", "0.9268", "0.03", PAPER],
    ]


def test_without_images_the_table_has_the_means_alone():
    rows = cells(rows_of([BICUBIC, OURS], per_image=False))
    assert rows[1:] == [
        ["Set5", "x3", "bicubic", "mean", "33.34", "0.9268", "0.03", PAPER],
        ["photos", "x3", "mine, at last", "mean", "31.50", "0.9000", "1.25"],
    ]


def test_where_nothing_is_published_there_is_no_column_for_it():
    assert "published" not in console_table([OURS], per_image=True)
    assert "published" in console_table([OURS, BICUBIC], per_image=True)


def test_a_paper_that_gives_no_ssim_is_quoted_without_one():
    result = Result("x", "ESPCN tanh", "Set5", 3, "y", [Score("baby", 32.0, 0.9, 0.0)])
    assert "  32.55 (ESPCN tanh, T91)" in rows_of([result], per_image=False)


def test_what_a_paper_reached_on_other_images_stands_behind():
    result = Result("x", "ESPCN tanh", "Set5", 3, "y", [Score("baby", 32.0, 0.9, 0.0)])
    both = "32.55 (ESPCN tanh, T91); 33.13 (ESPCN tanh, ImageNet)"
    assert rows_of([result], per_image=False).endswith(both)
    (record,) = strict(as_json([result]))
    assert record["published"]["psnr"] == 32.55
    imagenet = {"psnr": 33.13, "ssim": None, "source": "ESPCN tanh, ImageNet"}
    assert record["published_for_other_data"] == imagenet


def test_columns_are_aligned_and_no_line_ends_in_a_blank():
    lines = console_table([BICUBIC, OURS], per_image=True).splitlines()
    words = ["PSNR", "34.13", "32.55", "33.34", "31.50", "31.50"]
    assert len({line.index(word) for line, word in zip(lines, words, strict=False)}) == 1
    assert all(line == line.rstrip() for line in lines)


def test_under_the_table_stands_each_protocol_once():
    below = console_table([BICUBIC, BICUBIC, OURS], per_image=True).partition("\n\n")[2]
    assert below.splitlines() == [f"protocol: {protocol(3, colour)}" for colour in ("y", "rgb")]


# --- files


def test_json_has_protocol_mean_images_and_the_published_figure():
    first, second = strict(as_json([BICUBIC, OURS]))
    assert first == {
        "testset": "Set5",
        "scale": 3,
        "method": "bicubic",
        "protocol": protocol(3, "y"),
        "psnr": pytest.approx(33.338),
        "ssim": pytest.approx(0.9268),
        "ripple": pytest.approx(0.032),
        "published": {"psnr": 30.39, "ssim": 0.8682, "source": "bicubic"},
        "images": [
            {"image": "baby", "psnr": 34.126, "ssim": 0.92359, "ripple": 0.021},
            {"image": "bird", "psnr": 32.55, "ssim": 0.93001, "ripple": 0.043},
        ],
    }
    assert second["published"] is None
    assert second["protocol"] == protocol(3, "rgb")


def test_csv_has_a_row_for_each_image_and_each_mean_with_the_protocol():
    rows = list(csv.DictReader(io.StringIO(as_csv([BICUBIC, OURS]))))
    assert [row["image"] for row in rows] == ["baby", "bird", "mean", "cat", "mean"]
    assert [row["method"] for row in rows] == ["bicubic"] * 3 + ["mine, at last"] * 2
    assert [float(row["psnr"]) for row in rows] == [34.126, 32.55, 33.338, 31.5, 31.5]
    assert [float(row["ssim"]) for row in rows] == [0.92359, 0.93001, 0.9268, 0.9, 0.9]
    assert [float(row["ripple"]) for row in rows] == [0.021, 0.043, 0.032, 1.25, 1.25]
    assert {row["scale"] for row in rows} == {"3"}
    assert [row["testset"] for row in rows] == ["Set5"] * 3 + ["photos"] * 2
    assert [row["protocol"] for row in rows] == [protocol(3, "y")] * 3 + [protocol(3, "rgb")] * 2
    assert [row["published"] for row in rows] == ["", "", PAPER, "", ""]


def test_a_perfect_picture_does_not_spoil_the_files():
    perfect = Result("truth", None, "photos", 3, "y", [Score("cat", math.inf, 1.0, 0.0)])
    (record,) = strict(as_json([perfect]))
    assert record["psnr"] is record["images"][0]["psnr"] is None
    assert record["ssim"] == 1
    assert next(csv.DictReader(io.StringIO(as_csv([perfect]))))["psnr"] == "inf"


def test_no_result_gives_an_empty_file():
    assert strict(as_json([])) == []
    assert list(csv.reader(io.StringIO(as_csv([])))) == [
        ["testset", "scale", "method", "image", "psnr", "ssim", "ripple", "published", "protocol"]
    ]
