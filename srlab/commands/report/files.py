"""The files beside the page of a report: its tables for a paper, and all of it for a program."""

import itertools
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from srlab.commands.report.costs import Cost
from srlab.commands.report.results import METRICS, Results
from srlab.commands.report.tables import COST_KINDS
from srlab.reporting.statistics import Ranking, needs
from srlab.reporting.tables import as_csv, as_latex, as_markdown
from srlab.storage.atomic import write_atomically

FILES = ("ranking.csv", "runs.csv", "costs.csv", "report.json", "report.md", "report.tex")


def write_tables(
    output: Path,
    results: Results,
    rankings: dict[str, Ranking],
    costs: dict[str, Cost],
    ripples: dict[str, list[float]],
    context: dict[str, Any],
    machine: dict[str, Any],
) -> None:
    """Write what a report says as CSV, Markdown, LaTeX and JSON: the files of ``FILES``.

    Args:
        output: The folder.
        results: What the runs have scored.
        rankings: By metric.
        costs: By choice.
        ripples: The ripple of flat pictures, for each seed of each choice.
        context: What the page shows.
        machine: What the costs were measured on.
    """

    def write(name: str, text: str) -> None:
        write_atomically(output / name, text.encode())

    table, of_costs = context["rankings"][0], context["costs"]
    ranking, expense = _as_text(table), _as_text(of_costs)
    write("ranking.csv", _ranking_csv(results, rankings))
    write("report.tex", as_latex(*ranking, f"{context['subtitle']}. PSNR in dB. {table['note']}"))
    kinds = [kind.name for kind in COST_KINDS]
    values = [[label, *(kind.value(c) for kind in COST_KINDS)] for label, c in costs.items()]
    write("costs.csv", as_csv(["choice", *kinds], values))
    parts = [f"# {context['title']}", context["subtitle"] + ".", *context["warnings"]]
    parts += [*context["answer"], as_markdown(*ranking), table["note"]]
    parts += [as_markdown(*expense), of_costs["note"]]
    write("report.md", "\n\n".join(part.rstrip() for part in parts) + "\n")
    runs = [
        [c.label, r.seed, testset, image, *(f"{r.scores[m][k]:.6f}" for m in METRICS)]
        for c in results.choices
        for r in c.runs
        for k, (testset, image) in enumerate(results.images)
    ]
    write("runs.csv", as_csv(["choice", "seed", "testset", "image", *METRICS], runs))
    content = {
        "title": context["title"],
        "subtitle": context["subtitle"],
        "warnings": context["warnings"],
        "answer": context["answer"],
        "rankings": {metric: _ranking_as_plain(ranking) for metric, ranking in rankings.items()},
        "means": {
            c.label: {
                t: {m: float(c.scores(m)[:, results.of(t)].mean()) for m in METRICS}
                for t in results.testsets
            }
            for c in results.choices
        },
        "flat_ripple": ripples,
        "costs": {label: asdict(cost) for label, cost in costs.items()},
        "machine": machine,
        "commands": context["repeat"]["commands"],
    }
    write("report.json", json.dumps(content, indent=2, default=_as_plain) + "\n")


def _ranking_csv(results: Results, rankings: dict[str, Ranking]) -> str:
    """Return every ranking in numbers that a program reads."""
    columns = [
        "metric", "choice", "group", "mean", *results.testsets, "difference", "low", "high",
        "adjusted_p", "seeds", "these_low", "these_high", "told_apart", "equal", "may_be_best",
    ]  # fmt: skip
    choices = {choice.label: choice for choice in results.choices}
    rows = []
    for metric, ranking in rankings.items():
        best = ranking.places[0].name
        for place in ranking.places:
            scores, by = choices[place.name].scores(metric), place.against_best
            sets = [scores[:, results.of(name)].mean() for name in results.testsets]
            against = [by.difference, by.low, by.high] if by else [None] * 3
            p = ranking.adjusted.get((place.name, best))
            these = [by.these_low, by.these_high] if by else [None] * 2
            claims = (ranking.pairs.told_apart, ranking.pairs.equal)
            decided = [claim(place.name, best) for claim in claims] + [place.name in ranking.best]
            rows.append(
                [metric, place.name, place.letters, place.mean, *sets, *against, p, len(scores),
                 *these, *map(int, decided)]
            )  # fmt: skip
    return as_csv(columns, rows)


def _as_text(table: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return a table of the page as columns and rows of text."""
    rows = [[row["label"], *(cell["text"] for cell in row["cells"])] for row in table["rows"]]
    return ["", *table["columns"]], rows


def _ranking_as_plain(ranking: Ranking) -> dict[str, Any]:
    needed = needs(ranking, ranking.margin) if ranking.margin is not None else None
    return {
        "places": [asdict(place) for place in ranking.places],
        "pairs": [
            {
                "one": a, "other": b, "adjusted_p": ranking.adjusted[a, b],
                "told_apart": ranking.pairs.told_apart(a, b), "equal": ranking.pairs.equal(a, b),
            }
            | asdict(ranking.comparisons[a, b])
            for a, b in itertools.combinations(ranking.names, 2)
        ],
        "margin": ranking.margin,
        "may_be_best": ranking.best,
        "needed": None if needed is None else asdict(needed),
    }  # fmt: skip


def _as_plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)
