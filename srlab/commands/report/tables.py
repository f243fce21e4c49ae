"""The tables of a report, and how its numbers are written."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from srlab.commands.report.costs import Cost
from srlab.commands.report.decided import verdict, with_sign
from srlab.commands.report.results import Choice, Results
from srlab.reporting.sheet import MINUS
from srlab.reporting.statistics import Ranking

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


def ranking_columns(results: Results) -> list[str]:
    """Return the columns of a ranking."""
    sets = results.testsets if len(results.testsets) > 1 else []
    difference = ["from the first", "verdict", "95 %, new images"]
    if results.of_networks:
        return ["group", "all images", *difference, *sets]
    of_seeds = ["95 %, these images", "seeds"]
    return ["group", "all images", "spread of seeds", *difference, *of_seeds, *sets]


def ranking_rows(results: Results, ranking: Ranking, metric: str) -> list[dict[str, Any]]:
    """Return the rows of a ranking: the choices in order, and bicubic below."""
    choices = {choice.label: choice for choice in results.choices}
    digits, columns = _DIGITS[metric], ranking_columns(results)
    sets = {name: results.of(name) for name in results.testsets if len(results.testsets) > 1}
    rows = []
    for place in ranking.places:
        by = place.against_best
        scores = choices[place.name].scores(metric)
        of_seeds = scores.mean(axis=1)
        width = float(np.std(of_seeds, ddof=1)) if len(of_seeds) > 1 else None
        cells = {
            "group": text_cell(place.letters),
            "all images": number(place.mean, digits),
            **{name: number(scores[:, of].mean(), digits) for name, of in sets.items()},
            "spread of seeds": number(width, digits + 1),
            "from the first": number(by.difference if by else None, digits + 1, signed=True),
            "verdict": text_cell(verdict_of(ranking, place.name, metric)),
            "95 %, new images": _interval((by.low, by.high) if by else None, digits + 1),
            "95 %, these images": _interval(
                (by.these_low, by.these_high) if by else None, digits + 1
            ),
            "seeds": number(len(choices[place.name].runs), 0),
        }
        rows.append({"label": place.name, "cells": [cells[c] for c in columns]})
    bicubic = results.bicubic[metric]
    means = {"all images": number(bicubic.mean(), digits)}
    means |= {name: number(bicubic[of].mean(), digits) for name, of in sets.items()}
    blank = text_cell("")
    rows.append({"label": "bicubic interpolation", "cells": [means.get(c, blank) for c in columns]})
    return rows


def verdict_of(ranking: Ranking, name: str, metric: str) -> str:
    """Return what is decided of a choice against the first, in words."""
    first, by = ranking.names[0], ranking.comparisons.get((name, ranking.names[0]))
    if by is None:
        return ""
    higher = metric != "ripple"
    return verdict(ranking.pairs, name, first, by.difference, ranking.margin, higher)


def _interval(ends: tuple[float | None, float | None] | None, digits: int) -> Cell:
    low, high = ends or (None, None)
    if low is None or high is None:
        return text_cell("")
    return {"text": f"{with_sign(low, digits)} to {with_sign(high, digits)}", "value": float(low)}


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
    said = with_sign(value, digits) if signed else f"{value:,.{digits}f}".replace("-", MINUS)
    return {"text": said, "value": float(value)}
