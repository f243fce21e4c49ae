"""The sections of a report's page: what its template shows."""

import datetime
import shlex
import statistics
from collections.abc import Sequence
from typing import Any

import torch
from omegaconf import OmegaConf

from srlab import __version__
from srlab.commands.report.compared import Compared
from srlab.commands.report.costs import Cost
from srlab.commands.report.results import Results, differences
from srlab.commands.report.tables import (
    COST_KINDS,
    cost_table,
    ranking_columns,
    ranking_rows,
    text_cell,
)
from srlab.config.schema import ReportConfig
from srlab.data.pairs import AS_GIVEN
from srlab.degradations.degradation import BICUBIC
from srlab.evaluation.score import protocol
from srlab.machine.facts import describe_device, machine
from srlab.reporting.cost_plot import CostPoint, decided_front, draw_cost
from srlab.reporting.curves import Curve, read_curves, spread
from srlab.reporting.plots import Bar, draw_curves, draw_intervals
from srlab.reporting.statistics import Place, Ranking
from srlab.runs.results import read_json

_LEAST_SPAN = {"psnr": 0.2, "ssim": 0.002, "ripple": 0.05}  # of an axis: less is beneath notice
_NAMES = {"psnr": ("PSNR", "dB"), "ssim": ("SSIM", ""), "ripple": ("ripple", "grey levels")}
_HOW = {
    "psnr": "Higher is better.",
    "ssim": "Higher is better.",
    "ripple": (
        "Checkerboard in the upscaled pictures, lower is better: a photograph's own is 0.04 or so, "
        "and rounding to 8 bits moves a pixel by up to half a level."
    ),
}
_LETTERS = (
    "{what} that share a letter cannot be told apart at 95 % (all pairs, Holm): where {what_} are "
    'equal, the chance of any wrong "better" or "worse" is at most 5 %. The intervals are of the '
    "differences from the first, "
)
_OF_CHOICES = _LETTERS.format(what="Choices", what_="choices") + (
    "paired by image and seed, each at 95 % by itself: for new images "
    "of the kind and new seeds, which the letters go by, and for new seeds on these images."
)
_OF_NETWORKS = _LETTERS.format(what="Networks", what_="networks") + (
    "paired by image, each at 95 % by itself, for new images of the kind and these very networks."
)


def head(compared: Compared) -> dict[str, str]:
    """Return the title, and what was compared on what."""
    results = compared.results
    what = f"{len(results.choices)} choices, {_seeds(results)} each"
    if results.of_networks:
        what = f"{len(results.choices)} network{'s' if len(results.choices) > 1 else ''}"
    return {
        "title": compared.title,
        "subtitle": (
            f"{what}, judged on {len(results.images)} images of "
            f"{' and '.join(results.testsets)}, x{results.scale}"
        ),
        "made": f"{datetime.datetime.now():%Y-%m-%d %H:%M}, srlab {__version__}",
    }


def _seeds(results: Results) -> str:
    seeds = sorted({len(choice.runs) for choice in results.choices})
    count = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    return f"{count} seed{'s' if seeds[-1] > 1 else ''}"


def ranking_section(results: Results, ranking: Ranking, metric: str) -> dict[str, Any]:
    """Return the ranking by a metric: its table and its intervals."""
    name, unit = _NAMES[metric]
    rows = ranking_rows(results, ranking, metric)
    bars = [_bar(place) for place in ranking.places]
    against = f"difference from {ranking.places[0].name}" + (f", {unit}" if unit else "")
    return {
        "id": metric,
        "name": name,
        "note": f"{_HOW[metric]} {_OF_NETWORKS if results.of_networks else _OF_CHOICES}",
        "columns": ranking_columns(results),
        "rows": rows,
        "svg": draw_intervals(bars, against, _LEAST_SPAN[metric]) if len(bars) > 1 else "",
    }


def _bar(place: Place) -> Bar:
    by = place.against_best
    if by is None:
        return Bar(place.name, 0.0, None, None, place.letters)
    return Bar(place.name, by.difference, by.low, by.high, place.letters)


def costs_section(
    results: Results,
    ranking: Ranking,
    costs: dict[str, Cost],
    config: ReportConfig,
    device: torch.device,
) -> dict[str, Any]:
    """Return what quality costs: a table, and a plot for each kind of cost."""
    svgs = []
    for kind in COST_KINDS:
        known = [(place, kind.value(costs[place.name])) for place in ranking.places]
        points = [_cost_point(place, float(v)) for place, v in known if v is not None]
        if len(points) > 1:
            front = decided_front(points, ranking.pairs.told_apart)
            svg = draw_cost(points, kind.name, "PSNR, dB", front, _LEAST_SPAN["psnr"])
            title = f"PSNR against {kind.name}"
            if len(front) == 1:
                title += f": nothing that costs more is shown to beat {points[front[0]].label}"
            svgs.append({"title": title, "svg": svg})
    columns, rows = cost_table(costs, {place.name: place.mean for place in ranking.places})
    seen = "colour" if results.colour == "rgb" else "luma"
    width, height = (side * results.scale for side in (config.width, config.height))
    note = (
        f"Time and tensors are of one {seen} picture of {config.width}x{config.height} to "
        f"{width}x{height} pixels on {describe_device(device)}, the "
        f"network in its simplest form; medians of runs in turn. Training time is that of the "
        f"runs, wherever they ran: the median over seeds. Orange: each is shown to be better than "
        f"all that are cheaper on the line (told apart in the ranking); the line begins with the "
        f"cheapest. Bars: the 95 % intervals of the differences from {ranking.places[0].name} "
        f"(dotted), by themselves, each around its own mean."
    )
    return {"note": note, "columns": columns, "rows": rows, "svgs": svgs}


def _cost_point(place: Place, cost: float) -> CostPoint:
    by = place.against_best
    if by is None or by.low is None or by.high is None:
        return CostPoint(place.name, cost, place.mean, None, None)
    ends = (place.mean + end - by.difference for end in (by.low, by.high))
    return CostPoint(place.name, cost, place.mean, *ends)


def artefacts_section(
    results: Results, ripples: dict[str, list[float]], drawings: dict[str, str]
) -> list[dict[str, str]]:
    """Return the checkerboard of each choice, in words and drawn."""
    return [
        {"label": c.label, "note": _ripple_note(ripples[c.label]), "svg": drawings[c.label]}
        for c in results.choices
    ]


def _ripple_note(levels: list[float]) -> str:
    spread_of = f", {min(levels):.2f} to {max(levels):.2f}" if len(levels) > 1 else ""
    return f"checkerboard on flat pictures: {statistics.fmean(levels):.2f} grey levels{spread_of}"


def curves_section(results: Results) -> list[dict[str, str]]:
    """Return how scores and losses went while training, where run folders tell."""
    curves: dict[str, dict[str, Curve]] = {
        run.name: read_curves(run.folder, ("psnr/", "loss/total"))
        for run in results.runs
        if run.folder is not None
    }
    drawn = []
    tags = list(dict.fromkeys(tag for of_run in curves.values() for tag in of_run))
    for tag in sorted(tags, key=lambda tag: tag.startswith("loss")):
        by_choice = {}
        for choice in results.choices:
            of_choice = [c[tag] for r in choice.runs if tag in (c := curves.get(r.name, {}))]
            if points := spread(of_choice):
                by_choice[choice.label] = points
        if by_choice and max(len(points) for points in by_choice.values()) > 1:
            loss = tag.startswith("loss")
            title = "Training loss" if loss else f"PSNR on {tag.partition('/')[2]} while training"
            quality = "loss" if loss else "PSNR, dB"
            drawn.append({"title": title, "svg": draw_curves(by_choice, quality, log=loss)})
    return drawn


def repeat_section(
    compared: Compared, overrides: Sequence[str], device: torch.device
) -> dict[str, Any]:
    """Return what it takes to do it again: commands, machines, what differs and what is common."""
    results = compared.results
    keys, values, common = differences(results.choices)
    ours = [[f"{k}, for the report", str(v)] for k, v in machine(device).items() if v is not None]
    return {
        "commands": [*compared.commands, shlex.join(["srlab", "report", *overrides])],
        "differences": {
            "columns": keys,
            "rows": [
                {"label": c.label, "cells": [text_cell(v) for v in row]}
                for c, row in zip(results.choices, values, strict=True)
            ],
        },
        "environment": [
            *(["protocol", line] for line in _protocols(compared)),
            *_environment(results), *ours,
        ],
        "config": OmegaConf.to_yaml(OmegaConf.create(common)),
    }  # fmt: skip


def _protocols(compared: Compared) -> list[str]:
    """Return how scores were computed, a line for each way in which low resolution was made."""
    by = compared.degradation
    made = [(AS_GIVEN if t.low else by.name if by else BICUBIC, t.bits) for t in compared.testsets]
    seen = compared.results.scale, compared.results.colour
    return [protocol(*seen, degradation=name, bits=bits) for name, bits in dict.fromkeys(made)]


def _environment(results: Results) -> list[list[str]]:
    """Return what the runs were trained with, where their folders tell."""
    files = [run.folder / "environment.json" for run in results.runs if run.folder is not None]
    found = [read_json(file) for file in files if file.exists() or not results.of_networks]
    facts = {
        "srlab": [e.get("git") for e in found],
        "python": [e.get("python") for e in found],
        "system": [e.get("platform") for e in found],
        "GPU": [e.get("gpu") for e in found],
        "threads": [e.get("cpu_threads") for e in found],
    } | {
        package: [e["packages"].get(package) for e in found]
        for package in (found[0]["packages"] if found else ())
    }
    rows = [[k, ", ".join(dict.fromkeys(str(v) for v in vs if v))] for k, vs in facts.items()]
    return [row for row in rows if row[1]]
