"""Print the difference of two choices of a sweep, with its 95 % intervals, for each test set.

usage: python scripts/results/compare.py SWEEP CHOICE OTHER [CHOICE OTHER ...]

The choices are named as in the report of the sweep; without any, their names are listed. The rules
are those of the report: variances of all choices together, p by Holm over all their pairs, for each
metric and set of images. The first interval is for new images of the kind, the second for these;
each is at 95 % by itself. What is decided goes by p, and within 0.05 dB counts as equal.
"""

import itertools
import sys
from pathlib import Path

import torch

from srlab.commands.report.costs import flat_ripples
from srlab.commands.report.decided import verdict
from srlab.commands.report.networks import load_networks
from srlab.commands.report.results import METRICS, Results, gather
from srlab.console.tables import aligned
from srlab.errors import UserError
from srlab.reporting.statistics import Ranking, rank
from srlab.runs.sweep_plan import read_sweep

_EQUAL = 0.05  # dB


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
    sets = {"all": [*range(len(results.images))]} | {t: results.of(t) for t in results.testsets}
    lines = [f"{one} less {other}:"]
    for metric, (name, images) in itertools.product(METRICS, sets.items()):
        scores = {label: choice.scores(metric)[:, images] for label, choice in choices.items()}
        seeds = {label: choice.seeds for label, choice in choices.items()}
        ranking = rank(scores, seeds, margin=_EQUAL if metric == "psnr" else None)
        lines.append(f"  {metric:<7}{name:<8}{_said(ranking, one, other, metric)}")
    return lines


def _said(ranking: Ranking, one: str, other: str, metric: str) -> str:
    found, p = ranking.comparisons[one, other], ranking.adjusted[one, other]
    if found.low is None or p is None:
        said = "no interval"
    else:
        decided = verdict(
            ranking.pairs, one, other, found.difference, ranking.margin, metric != "ripple"
        )
        said = (
            f"{found.low:+.4f} to {found.high:+.4f}; these images {found.these_low:+.4f} to "
            f"{found.these_high:+.4f}; p {p:.3f}, {decided}"
        )
    return f"{found.difference:+.4f}  ({said}; {found.seeds} seeds, {found.images} images)"


if __name__ == "__main__":
    main()
