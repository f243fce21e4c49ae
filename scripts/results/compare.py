"""Print the difference of two choices of a sweep, with its 95 % interval, for each test set.

usage: python scripts/results/compare.py SWEEP CHOICE OTHER [CHOICE OTHER ...]

The choices are named as in the report of the sweep; without any, their names are listed.
"""

import itertools
import sys
from pathlib import Path

import torch

from srlab.commands.report.costs import flat_ripples
from srlab.commands.report.networks import load_networks
from srlab.commands.report.results import METRICS, Results, gather
from srlab.console.tables import aligned
from srlab.errors import UserError
from srlab.reporting.statistics import Comparison, rank
from srlab.runs.sweep_plan import read_sweep


def main() -> None:
    """Read the command line and print."""
    if len(sys.argv) < 2 or len(sys.argv) % 2:
        sys.exit(__doc__)
    sweep = Path(sys.argv[1])
    try:
        results = gather(sweep, read_sweep(sweep))
        print("\n".join(_levels(results)))
        for one, other in zip(sys.argv[2::2], sys.argv[3::2], strict=True):
            print("\n".join(["", *_differences(results, one, other)]))
    except UserError as error:
        sys.exit(str(error))


def _levels(results: Results) -> list[str]:
    """Return a table of means, and of the checkerboard that flat pictures get."""
    networks = load_networks(results.runs, torch.device("cpu"), [])
    flat = flat_ripples(results.choices, networks)
    rows = [("choice", "seeds", *(f"{t} PSNR" for t in results.testsets), *METRICS, "flat ripple")]
    for choice in results.choices:
        psnr = choice.scores("psnr")
        sets = [f"{psnr[:, results.of(t)].mean():.2f}" for t in results.testsets]
        means = [f"{choice.scores(m).mean():.4f}" for m in METRICS]
        levels = f"{min(flat[choice.label]):.3f} to {max(flat[choice.label]):.3f}"
        rows.append((choice.label, str(len(choice.runs)), *sets, *means, levels))
    return aligned(rows)


def _differences(results: Results, one: str, other: str) -> list[str]:
    """Return by how much one choice lies above another, over the seeds that both have."""
    choices = {choice.label: choice for choice in results.choices}
    for name in (one, other):
        if name not in choices:
            raise UserError(f"there is no choice {name!r}; there are {', '.join(choices)}")
    if one == other:
        raise UserError(f"{one} is compared with itself")
    both = {name: choices[name] for name in (one, other)}
    seeds = {name: choice.seeds for name, choice in both.items()}
    sets = {"all": [*range(len(results.images))]} | {t: results.of(t) for t in results.testsets}
    lines = [f"{one} less {other}:"]
    for metric, (name, images) in itertools.product(METRICS, sets.items()):
        scores = {label: choice.scores(metric)[:, images] for label, choice in both.items()}
        found = rank(scores, seeds).comparisons[one, other]
        lines.append(f"  {metric:<7}{name:<8}{_said(found)}")
    return lines


def _said(found: Comparison) -> str:
    interval = "no interval" if found.low is None else f"{found.low:+.4f} to {found.high:+.4f}"
    return f"{found.difference:+.4f}  ({interval}; {found.seeds} seeds, {found.images} images)"


if __name__ == "__main__":
    main()
