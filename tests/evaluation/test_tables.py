import csv
import io
import json
import math

import pytest
import torch

from srlab.evaluation.published import FIGURES, published
from srlab.evaluation.score import Score, mean_score, protocol, score_images, smallest_side
from srlab.evaluation.tables import Result, as_csv, as_json, console_table
from srlab.imaging.files import to_pixels, to_tensor
from srlab.imaging.resample import crop, enlarge, shrink
from srlab.metrics.checkerboard import picture_ripple
from srlab.metrics.psnr import psnr
from srlab.metrics.ssim import ssim

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


# --- published figures


@pytest.mark.parametrize(
    ("method", "testset", "scale", "expected"),
    [
        ("bicubic", "Set5", 3, (30.39, 0.8682)),
        ("bicubic", "Urban100", 4, (23.14, 0.6577)),
        ("SRCNN 9-1-5", "Set5", 3, (32.39, None)),
        ("SRCNN 9-5-5", "Set14", 2, (32.42, 0.9063)),
        ("ESPCN tanh", "Set5", 3, (32.55, None)),
        ("ESPCN relu", "Set14", 3, (28.97, None)),
    ],
)
def test_published_figures_are_those_of_the_papers(method, testset, scale, expected):
    figure = published(method, testset, scale)
    assert (figure.psnr, figure.ssim) == expected
    assert figure.source


@pytest.mark.parametrize(
    ("method", "testset", "scale"),
    [
        (None, "Set5", 3),
        ("", "Set5", 3),
        ("nearest", "Set5", 3),
        ("bicubic", "Set6", 3),
        ("bicubic", "photos", 3),
        ("bicubic", "Set5", 5),
        ("ESPCN tanh", "Set5", 2),
    ],
)
def test_what_no_paper_reports_is_unknown(method, testset, scale):
    assert published(method, testset, scale) is None


def rows_of(results, per_image):
    """Return the table without what stands below it."""
    return console_table(results, per_image).partition("\n\n")[0]


def test_published_figures_are_plausible():
    for method, rows in FIGURES.items():
        for (testset, scale), figure in rows.items():
            assert 20 < figure.psnr < 40
            assert figure.ssim is None or 0.6 < figure.ssim < 1
            easier = rows.get((testset, scale - 1))
            assert easier is None or easier.psnr > figure.psnr, (method, testset, scale)
            bicubic = FIGURES["bicubic"][testset, scale]
            assert method == "bicubic" or figure.psnr > bicubic.psnr + 0.5


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
    assert rows_of([result], per_image=False).endswith("32.55 (ESPCN tanh, T91)")


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


def test_csv_has_the_published_figure_beside_the_mean():
    rows = list(csv.DictReader(io.StringIO(as_csv([BICUBIC, OURS]))))
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


# --- scores


def test_the_protocol_says_colour_border_rounding_and_degradation():
    for scale in (2, 3):
        text = protocol(scale, "y")
        for word in ("Y of BT.601", "16-235", "rounded to 8 bits", "peak 255", "SSIM 11x11",
                     f"ripple = checkerboard of period {scale} px", "in grey levels",
                     f"MATLAB bicubic / {scale}", f"border of {scale} px"):  # fmt: skip
            assert word in text
        assert "RGB" not in text
        assert protocol(scale, "rgb").startswith("RGB, judged on Y of BT.601")
    assert protocol(2, "y") != protocol(3, "y")


def test_the_mean_is_over_images_not_over_pixels():
    scores = [Score("a", 30.0, 0.8, 0.1), Score("b", 40.0, 1.0, 0.0), Score("c", 20.0, 0.3, 0.5)]
    mean = mean_score(scores)
    assert (mean.image, mean.psnr) == ("mean", 30.0)
    assert (mean.ssim, mean.ripple) == (pytest.approx(0.7), pytest.approx(0.2))


def pair(seed, side=32):
    hr = (torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(seed)) * 255).round()
    hr = hr.double() / 255
    return f"image {seed}", to_pixels(shrink(hr, 2)), to_pixels(hr)


def test_a_score_is_of_rounded_pixels_within_the_border():
    name, lr, hr = pair(1)
    (score,) = score_images(lambda x: enlarge(x, 2), [(name, lr, hr)], 2)
    sr = to_tensor(to_pixels(enlarge(to_tensor(lr), 2)))
    a, b = crop(sr, 2), crop(to_tensor(hr), 2)
    assert score.image == name
    assert score.psnr == pytest.approx(psnr(a, b).item(), abs=1e-9)
    assert score.ssim == pytest.approx(ssim(a, b).item(), abs=1e-9)
    assert score.ripple == pytest.approx(picture_ripple(a, 2).item(), abs=1e-9)
    by_hand = 10 * math.log10(1 / (a - b).square().mean().item())
    assert score.psnr == pytest.approx(by_hand, abs=1e-9)


@pytest.mark.parametrize("scale", [2, 4])
def test_the_border_does_not_count_and_the_next_pixel_does(scale):
    _, _, hr = pair(2)
    lr = to_pixels(shrink(to_tensor(hr), scale))

    def spoilt(margin):
        sr = to_tensor(hr).float()
        sr[..., margin, 10:20] = 1 - sr[..., margin, 10:20]
        return score_images(lambda _: sr, [("x", lr, hr)], scale)[0].psnr

    assert spoilt(scale - 1) == spoilt(-scale) == math.inf
    assert spoilt(scale) < 60
    assert spoilt(-scale - 1) < 60


def test_half_a_level_does_not_count():
    _, lr, hr = pair(3)
    for error, perfect in ((0.49, True), (0.51, False)):
        sr = to_tensor(hr) + error / 255 * (to_tensor(hr) < 0.9)
        assert (
            score_images(lambda _, sr=sr: sr, [("x", lr, hr)], 2)[0].psnr == math.inf
        ) is perfect


def test_colour_is_judged_on_its_luma():
    generator = torch.Generator().manual_seed(4)
    hr = torch.randint(0, 256, (32, 32, 3), generator=generator, dtype=torch.uint8).numpy()
    lr = to_pixels(shrink(to_tensor(hr), 2))
    swapped = to_tensor(hr).flip(1).float()
    seen = score_images(lambda _: swapped, [("x", lr, hr)], 2)[0].psnr
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64).view(1, 3, 1, 1)
    ours, truth = (
        torch.floor(16.5 + (x.double() * weights).sum(1, keepdim=True)) / 255
        for x in (swapped, to_tensor(hr))
    )
    assert seen == pytest.approx(psnr(crop(ours, 2), crop(truth, 2)).item(), abs=1e-6)


def test_the_upscaler_sees_single_precision_without_a_graph():
    def upscale(lr):
        assert lr.dtype == torch.float32
        assert lr.shape == (1, 1, 16, 16)
        assert torch.is_inference_mode_enabled()
        return enlarge(lr, 2)

    assert len(score_images(upscale, [pair(5), pair(6)], 2)) == 2


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_the_smallest_side_is_the_smallest_that_can_be_judged(scale):
    side = smallest_side(scale)
    for size, possible in ((side, True), (side - 1, False)):
        hr = to_pixels(torch.rand(1, 1, size, size, dtype=torch.float64))
        pairs = [("x", hr, hr)]
        if possible:
            assert score_images(lambda x: x * 0.5, pairs, scale)[0].ssim < 1
        else:
            with pytest.raises(ValueError, match="images of at least"):
                score_images(lambda x: x * 0.5, pairs, scale)
