"""``srlab report``: a page, and tables, that say what a sweep has shown."""

import datetime
import math
import shlex
import statistics
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from srlab import __version__
from srlab.command_line.invocation import Invocation
from srlab.commands.report.answer import answer, warnings_of
from srlab.commands.report.costs import Cost, flat_ripples, measure_costs
from srlab.commands.report.decided import listed
from srlab.commands.report.files import FILES, write_tables
from srlab.commands.report.networks import load_networks
from srlab.commands.report.pictures import make_pictures
from srlab.commands.report.results import METRICS, Results, differences, gather, ranked
from srlab.commands.report.tables import (
    COST_KINDS,
    cost_table,
    extremes_table,
    ranking_columns,
    ranking_rows,
    text_cell,
)
from srlab.config.schema import ReportConfig
from srlab.errors import OutputExists, UserError
from srlab.evaluation.score import protocol
from srlab.machine.device import choose_device
from srlab.machine.facts import describe_device, machine
from srlab.measuring.measurement import begin_measuring, check_size
from srlab.reporting.cost_plot import CostPoint, decided_front, draw_cost
from srlab.reporting.curves import Curve, read_curves, spread
from srlab.reporting.page import render
from srlab.reporting.plots import Bar, draw_curves, draw_intervals
from srlab.reporting.statistics import Place, Ranking
from srlab.runs.results import read_json
from srlab.runs.sweep_plan import Sweep, read_sweep
from srlab.storage.atomic import atomic_folder, write_atomically

_REPEATS = 7  # of each network, in turn, when its speed is measured
_LEAST_SPAN = 0.2  # dB of an axis
_NAMES = {"psnr": ("PSNR", "dB"), "ssim": ("SSIM", ""), "ripple": ("ripple", "grey levels")}
_HOW = {
    "psnr": "Higher is better.",
    "ssim": "Higher is better.",
    "ripple": (
        "Checkerboard in the upscaled pictures, lower is better: a photograph's own is 0.04 or so, "
        "half a level is an artefact."
    ),
}
_CLAIMS = (
    "Choices that share a letter cannot be told apart at 95 % (all pairs, Holm): where choices are "
    'equal, the chance of any wrong "better" or "worse" is at most 5 %. The intervals are of the '
    "differences from the first, paired by image and seed, each at 95 % by itself: for new images "
    "of the kind and new seeds, which the letters go by, and for new seeds on these images."
)


def run(call: Invocation[ReportConfig]) -> Path:
    """Compare the runs of a sweep, write the page and its tables, and return their folder.

    Raises:
        UserError: There is nothing to compare, or the page cannot be written.
    """
    config = call.config
    folder = Path(config.sweep).expanduser()
    sweep = read_sweep(folder)
    results = gather(folder, sweep)
    _check_comparisons(results, config)
    environments = [read_json(run.folder / "environment.json") for run in results.runs]
    output = _output(folder, config.output)
    check_size(config.width, config.height)
    device = choose_device(config.device)
    begin_measuring(_REPEATS, config.threads, None)
    _say("ranking")
    rankings = {m: ranked(results, m, config.within if m == "psnr" else 0) for m in METRICS}
    _say("networks")
    networks = load_networks(results.runs, device, config.trust)
    costs = measure_costs(
        results.choices, networks, device, (config.height, config.width), _REPEATS
    )
    ripples = flat_ripples(results.choices, networks)
    _say("pictures")
    pictures, drawings = make_pictures(results, networks, config.trust)
    _say("curves")
    curves = {run.name: read_curves(run.folder, ("psnr/", "loss/total")) for run in results.runs}
    _say("page")
    context: dict[str, Any] = {
        **_head(folder, results),
        "warnings": warnings_of(results),
        "answer": answer(results, rankings["psnr"], costs, ripples, config.baseline),
        "rankings": [_ranking(results, rankings[metric], metric) for metric in METRICS],
        "costs": _costs(results, rankings["psnr"], costs, config, device),
        "pictures": pictures,
        "extremes": extremes_table(results, pictures),
        "artefacts": [
            {"label": c.label, "note": _ripple_note(ripples[c.label]), "svg": drawings[c.label]}
            for c in results.choices
        ],
        "curves": _curves(results, curves),
        "repeat": _repeat(sweep, results, environments, config, machine(device)),
        "files": FILES,
    }
    page = render(context)
    with atomic_folder(output) as work:
        write_tables(work, results, rankings, costs, ripples, context, machine(device))
        write_atomically(work / "index.html", page.encode())
    print(f"\n{context['answer'][0]}\n\nreport: {output}/index.html")
    return output


def _say(what: str) -> None:
    print(f"report: {what}", flush=True)


def _output(folder: Path, asked: str | None) -> Path:
    """Return a folder that is new, or refuse the one that was asked for."""
    if asked is not None:
        path = Path(asked).expanduser()
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise OutputExists(f"{path} is not empty: name another output, nothing is overwritten")
        return path
    number = 1
    while (path := folder / ("report" if number == 1 else f"report-{number}")).exists():
        number += 1
    return path


def _check_comparisons(results: Results, config: ReportConfig) -> None:
    """Check what is to be compared with, and what counts as equal.

    Raises:
        UserError: There is no such choice, or no such difference.
    """
    names = [choice.label for choice in results.choices]
    if config.baseline is not None and config.baseline not in names:
        raise UserError(f"baseline={config.baseline}: there is no such choice, but {listed(names)}")
    if not 0 <= config.within < math.inf:
        raise UserError(f"within={config.within}: it must be dB, 0 or more")


def _head(folder: Path, results: Results) -> dict[str, str]:
    seeds = sorted({len(choice.runs) for choice in results.choices})
    count = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    scale = results.runs[0].config["scale"]
    many = "s" if seeds[-1] > 1 else ""
    return {
        "title": folder.name,
        "subtitle": (
            f"{len(results.choices)} choices, {count} seed{many} each, judged on "
            f"{len(results.images)} images of {' and '.join(results.testsets)}, x{scale}"
        ),
        "made": f"{datetime.datetime.now():%Y-%m-%d %H:%M}, srlab {__version__}",
    }


def _ranking(results: Results, ranking: Ranking, metric: str) -> dict[str, Any]:
    name, unit = _NAMES[metric]
    rows = ranking_rows(results, ranking, metric)
    bars = [_bar(place) for place in ranking.places]
    against = f"difference from {ranking.places[0].name}" + (f", {unit}" if unit else "")
    return {
        "id": metric,
        "name": name,
        "note": f"{_HOW[metric]} {_CLAIMS}",
        "columns": ranking_columns(results),
        "rows": rows,
        "svg": draw_intervals(bars, against) if len(bars) > 1 else "",
    }


def _bar(place: Place) -> Bar:
    by = place.against_best
    if by is None:
        return Bar(place.name, 0.0, None, None, place.letters)
    return Bar(place.name, by.difference, by.low, by.high, place.letters)


def _costs(
    results: Results,
    ranking: Ranking,
    costs: dict[str, Cost],
    config: ReportConfig,
    device: torch.device,
) -> dict[str, Any]:
    svgs = []
    for kind in COST_KINDS:
        known = [(place, kind.value(costs[place.name])) for place in ranking.places]
        points = [_cost_point(place, float(v)) for place, v in known if v is not None]
        if len(points) > 1:
            front = decided_front(points, ranking.pairs.told_apart)
            svg = draw_cost(points, kind.name, "PSNR, dB", front, _LEAST_SPAN)
            title = f"PSNR against {kind.name}"
            if len(front) == 1:
                title += f": nothing that costs more is shown to beat {points[front[0]].label}"
            svgs.append({"title": title, "svg": svg})
    columns, rows = cost_table(costs, {place.name: place.mean for place in ranking.places})
    scale, colour = (results.runs[0].config[key] for key in ("scale", "colour"))
    note = (
        f"Time and tensors are of one {'colour' if colour == 'rgb' else 'luma'} picture of "
        f"{config.width}x{config.height} to "
        f"{config.width * scale}x{config.height * scale} pixels on {describe_device(device)}, the "
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


def _ripple_note(levels: list[float]) -> str:
    spread_of = f", {min(levels):.2f} to {max(levels):.2f}" if len(levels) > 1 else ""
    return f"checkerboard on flat pictures: {statistics.fmean(levels):.2f} grey levels{spread_of}"


def _curves(results: Results, curves: dict[str, dict[str, Curve]]) -> list[dict[str, str]]:
    drawn = []
    tags = list(dict.fromkeys(tag for of_run in curves.values() for tag in of_run))
    for tag in sorted(tags, key=lambda tag: tag.startswith("loss")):
        by_choice = {}
        for choice in results.choices:
            of_choice = [curves[r.name][tag] for r in choice.runs if tag in curves[r.name]]
            if points := spread(of_choice):
                by_choice[choice.label] = points
        if by_choice and max(len(points) for points in by_choice.values()) > 1:
            loss = tag.startswith("loss")
            title = "Training loss" if loss else f"PSNR on {tag.partition('/')[2]} while training"
            quality = "loss" if loss else "PSNR, dB"
            drawn.append({"title": title, "svg": draw_curves(by_choice, quality, log=loss)})
    return drawn


def _repeat(
    sweep: Sweep,
    results: Results,
    environments: list[dict[str, Any]],
    config: ReportConfig,
    here: dict[str, Any],
) -> dict[str, Any]:
    keys, values, common = differences(results.choices)
    facts = {
        "srlab": [e.get("git") for e in environments],
        "python": [e.get("python") for e in environments],
        "system": [e.get("platform") for e in environments],
        "GPU": [e.get("gpu") for e in environments],
        "threads": [e.get("cpu_threads") for e in environments],
    } | {
        package: [e["packages"].get(package) for e in environments]
        for package in environments[0]["packages"]
    }
    rows = [[k, ", ".join(dict.fromkeys(str(v) for v in vs if v))] for k, vs in facts.items()]
    ours = [[f"{k}, for the report", str(v)] for k, v in here.items() if v is not None]
    colour = str(results.runs[0].config["colour"])
    return {
        "commands": [*sweep.commands, shlex.join(["srlab", "report", f"sweep={config.sweep}"])],
        "differences": {
            "columns": keys,
            "rows": [
                {"label": c.label, "cells": [text_cell(v) for v in row]}
                for c, row in zip(results.choices, values, strict=True)
            ],
        },
        "environment": [
            ["protocol", protocol(int(results.runs[0].config["scale"]), colour)],
            *(row for row in rows if row[1]), *ours,
        ],
        "config": OmegaConf.to_yaml(OmegaConf.create(common)),
    }  # fmt: skip
