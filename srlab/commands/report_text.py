"""What a report says in words and in tables."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from srlab.commands.sweep_networks import Cost
from srlab.commands.sweep_results import Choice, Results
from srlab.reporting.sheet import MINUS
from srlab.reporting.statistics import Comparison, Place, Ranking, not_told_from_best

_VISIBLE = 0.5  # grey levels of checkerboard that count as an artefact
_ALIKE = 1.1  # ratio of times that may be the machine's mood
_FEW = 10  # images
_DIGITS = {"psnr": 2, "ssim": 4, "ripple": 2}

Cell = dict[str, Any]


@dataclass(frozen=True)
class CostKind:
    """A way to look at what a network costs: its name on an axis and above a column, its value."""

    name: str
    column: str
    digits: int
    value: Callable[[Cost], float | None]


COST_KINDS = (
    CostKind("parameters", "parameters", 0, lambda cost: cost.parameters),
    CostKind(
        "multiply-adds per pixel", "multiply-adds per pixel", 0, lambda cost: cost.multiply_adds
    ),
    CostKind("milliseconds a picture", "ms a picture", 2, lambda cost: 1e3 * cost.seconds),
    CostKind("MiB of tensors", "MiB of tensors", 1, lambda cost: cost.memory / 2**20),
    CostKind("seconds of training", "s of training", 0, lambda cost: cost.training),
)


def warnings_of(results: Results) -> list[str]:
    """Return what keeps the report from being trusted as it stands."""
    warnings = []
    single = [choice.label for choice in results.choices if len(choice.runs) == 1]
    if single:
        warnings.append(
            f"A single seed of {_listed(single)}: no interval can be given, and no difference here "
            f"is evidence. Add seeds by the same command with seed=0,1,2."
        )
    if results.missing:
        warnings.append(
            f"{len(results.missing)} runs of the sweep are not finished and left out: "
            f"{_listed(results.missing)}."
        )
    if results.left_out:
        warnings.append(
            f"Not all choices have these seeds, so their runs are left out: "
            f"{_listed(results.left_out)}."
        )
    below = [c.label for c in results.choices if _is_below_bicubic(results, c)]
    if below:
        warnings.append(
            f"No better than bicubic interpolation, without any training: {_listed(below)}."
        )
    if len(results.images) < 5:
        warnings.append(
            f"Only {len(results.images)} images were judged: intervals are wide, and they speak of "
            f"images like these alone."
        )
    return warnings


def _is_below_bicubic(results: Results, choice: Choice) -> bool:
    return bool(choice.scores("psnr").mean() <= results.bicubic["psnr"].mean())


def answer(
    results: Results, ranking: Ranking, costs: dict[str, Cost], ripples: dict[str, list[float]]
) -> list[str]:
    """Return what the sweep has shown, the headline first."""
    first = ranking.places[0]
    if len(ranking.places) == 1:
        return [f"{first.name}: {first.mean:.2f} dB; there is nothing to compare it with."]
    if any(len(choice.runs) == 1 for choice in results.choices):
        said = [
            f"{first.name} has the highest mean, {first.mean:.2f} dB, but with a single seed that "
            f"is no evidence that it is better."
        ]
        return [*said, *_checkerboards(ripples)]
    leading = not_told_from_best(ranking)
    said = [_headline(ranking, leading), *_left_open(ranking, leading)]
    said += _taken_alone(ranking, leading, len(results.images))
    if len(leading) > 1:
        said.append(_quickest(leading, costs))
    return [*said, *_checkerboards(ripples)]


def _headline(ranking: Ranking, leading: list[str]) -> str:
    best, *followers = ranking.places
    others = [place for place in followers if place.name not in leading]
    with_best = [_with_difference(p) for p in followers if p.name in leading]
    if not others:
        return (
            f"The data cannot tell the {len(leading)} choices apart: {best.name} has the highest "
            f"mean, {best.mean:.2f} dB, against it {_listed(with_best)}."
        )
    behind = others[0].against_best
    assert behind is not None
    gap = f"{_signed(behind.difference, 2)} dB{_interval_in_words(behind)}"
    if not with_best:
        return f"{best.name} is best, {best.mean:.2f} dB; {others[0].name} follows, {gap}."
    return (
        f"{best.name} has the highest mean, {best.mean:.2f} dB, but {_listed(with_best)} cannot be "
        f"told from it; {others[0].name} is worse, {gap}."
    )


def _quickest(leading: list[str], costs: dict[str, Cost]) -> str:
    """Say which of those that lead cost the least time, with those that cost about as much."""
    seconds = {label: costs[label].seconds for label in leading}
    least = min(seconds.values())
    quick = [label for label, time in seconds.items() if time < _ALIKE * least]
    if len(quick) == len(leading):
        return f"All of these take about as long here: {1e3 * least:.1f} ms a picture."
    verb = "upscales" if len(quick) == 1 else "upscale"
    return (
        f"Of those that cannot be told from the best, {_listed(quick)} {verb} quickest here: "
        f"{1e3 * least:.1f} ms a picture, against {1e3 * max(seconds.values()):.1f} ms of the "
        f"slowest."
    )


def _with_difference(place: Place) -> str:
    by = place.against_best
    assert by is not None
    return f"{place.name} ({_signed(by.difference, 2)})"


def _left_open(ranking: Ranking, leading: list[str]) -> list[str]:
    """Say how far those that cannot be told from the best may lie from it all the same."""
    by = [p.against_best for p in ranking.places if p.name in leading]
    ends = [abs(end) for b in by if b and b.low is not None for end in (b.low, b.high) if end]
    if not ends:
        return []
    return [f"Not told apart is not shown to be equal: up to {max(ends):.2f} dB remain possible."]


def _taken_alone(ranking: Ranking, leading: list[str], images: int) -> list[str]:
    """Say which intervals exclude no difference, though not among so many comparisons."""
    intervals = {p.name: p.against_best for p in ranking.places if p.name in leading}
    alone = [
        name
        for name, by in intervals.items()
        if by is not None and by.low is not None and by.high is not None and by.low * by.high > 0
    ]
    pairs = len(ranking.places) * (len(ranking.places) - 1) // 2
    if not alone:
        return []
    more = "More seeds and more test images" if images < _FEW else "More seeds"
    return [
        f"Taken alone, {_listed(alone)} would differ from it at 95 %; among {pairs} comparisons "
        f"that is no evidence. {more} may tell."
    ]


def _interval_in_words(by: Comparison) -> str:
    if by.low is None or by.high is None:
        return ""
    return f" (95 % interval {_signed(by.low, 2)} to {_signed(by.high, 2)})"


def _checkerboards(ripples: dict[str, list[float]]) -> list[str]:
    seen = {k: statistics.fmean(v) for k, v in ripples.items() if statistics.fmean(v) > _VISIBLE}
    if not seen:
        return [f"None leaves a checkerboard of more than {_VISIBLE} grey levels on flat pictures."]
    named = _listed([f"{label} ({level:.1f})" for label, level in seen.items()])
    return [f"A checkerboard of more than {_VISIBLE} grey levels on flat pictures: {named}."]


def _listed(names: Sequence[str]) -> str:
    shown = list(names) if len(names) <= 8 else [*names[:7], f"{len(names) - 7} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def ranking_columns(results: Results) -> list[str]:
    """Return the columns of a ranking."""
    sets = results.testsets if len(results.testsets) > 1 else []
    difference = ["from the first", "95 % interval", "seeds"]
    return ["group", "all images", *sets, "spread of seeds", *difference]


def ranking_rows(results: Results, ranking: Ranking, metric: str) -> list[dict[str, Any]]:
    """Return the rows of a ranking: the choices in order, and bicubic below."""
    choices = {choice.label: choice for choice in results.choices}
    digits = _DIGITS[metric]
    sets = [results.of(name) for name in results.testsets if len(results.testsets) > 1]
    rows = []
    for place in ranking.places:
        by = place.against_best
        scores = choices[place.name].scores(metric)
        of_seeds = scores.mean(axis=1)
        width = float(np.std(of_seeds, ddof=1)) if len(of_seeds) > 1 else None
        cells = [
            text_cell(place.letters),
            number(place.mean, digits),
            *(number(scores[:, images].mean(), digits) for images in sets),
            number(width, digits + 1),
            number(by.difference if by else None, digits + 1, signed=True),
            _interval(by, digits + 1),
            number(len(choices[place.name].runs), 0),
        ]
        rows.append({"label": place.name, "cells": cells})
    bicubic = results.bicubic[metric]
    means = [number(part.mean(), digits) for part in (bicubic, *(bicubic[k] for k in sets))]
    blank = [text_cell("")] * 4
    rows.append({"label": "bicubic interpolation", "cells": [text_cell(""), *means, *blank]})
    return rows


def _interval(by: Comparison | None, digits: int) -> Cell:
    if by is None or by.low is None or by.high is None:
        return text_cell("")
    low, high = (_signed(v, digits) for v in (by.low, by.high))
    return {"text": f"{low} to {high}", "value": float(by.low)}


def cost_table(
    costs: dict[str, Cost], psnr: dict[str, float]
) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the columns and rows of the costs."""
    rows = [
        {
            "label": label,
            "cells": [
                number(psnr[label], 2),
                *(number(kind.value(cost), kind.digits) for kind in COST_KINDS),
            ],
        }
        for label, cost in costs.items()
    ]
    return ["PSNR, dB", *(kind.column for kind in COST_KINDS)], rows


def best_and_worst(results: Results, choice: Choice) -> tuple[int, int]:
    """Return the images on which a choice gains most on the mean of all choices, and least."""
    alone = len(results.choices) == 1
    against = results.bicubic["psnr"] if alone else _mean_of_all(results)
    gain = choice.scores("psnr").mean(axis=0) - against
    return int(gain.argmax()), int(gain.argmin())


def _mean_of_all(results: Results) -> np.ndarray:
    """Return the mean PSNR of each image over the choices."""
    return np.mean([c.scores("psnr").mean(axis=0) for c in results.choices], axis=0)


def extremes_table(results: Results, pictures: dict[str, Any]) -> dict[str, Any]:
    """Return the best and the worst picture of each choice."""
    shown = {image["name"] for image in pictures["images"]}
    everyone = _mean_of_all(results)
    rows = []
    for choice in results.choices:
        mean = choice.scores("psnr").mean(axis=0)
        numbers = best_and_worst(results, choice)
        cells: list[Cell] = []
        for k in numbers:
            cells += [
                text_cell(results.images[k][1]), number(mean[k], 2),
                number(mean[k] - everyone[k], 2, signed=True),
            ]  # fmt: skip
        names = [results.images[k][1] for k in dict.fromkeys(numbers)]
        rows.append(
            {"label": choice.label, "cells": cells, "images": [n for n in names if n in shown]}
        )
    return {
        "note": "Where each choice gains most on the mean of all choices, and where it loses most.",
        "columns": [
            *("best picture", "PSNR", "from the mean of all"),
            *("worst picture", "PSNR", "from the mean of all"),
        ],
        "rows": rows,
    }


def text_cell(text: str) -> Cell:
    """Return a cell of a table that holds words."""
    return {"text": text, "value": None}


def number(value: float | None, digits: int, signed: bool = False) -> Cell:
    """Return a cell of a table that holds a number, or nothing."""
    if value is None:
        return text_cell("")
    said = _signed(value, digits) if signed else f"{value:,.{digits}f}".replace("-", MINUS)
    return {"text": said, "value": float(value)}


def _signed(value: float, digits: int) -> str:
    said = f"{value:+.{digits}f}"
    return said.replace("-", MINUS) if float(said) else f"{0:.{digits}f}"
