"""Print what the runs of ``scripts/results/trials`` say: each trial beside the first.

usage: python scripts/results/trials.py FOLDER

Told are the difference to ``base`` in dB on the pictures that the runs were judged on, with its
interval at 95 % for new seeds and new pictures, p, corrected for all trials of the table (Holm),
multiply-adds for each pixel that is made, and the minutes of a training, with a first part if it
has one. Told is of the seeds that all trials have.
"""

import sys
from pathlib import Path

from srlab.assembly.checkpoints import load
from srlab.commands.report.decided import with_sign
from srlab.commands.report.results import Choice, Results, gather, ranked, seconds_of
from srlab.evaluation.network import costs_of
from srlab.reporting.statistics import holm
from srlab.runs.results import is_finished
from srlab.runs.sweep_plan import Planned, Sweep

_BASE = "base"


def main() -> None:
    """Print a Markdown table."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    if not _runs(folder / _BASE):
        sys.exit(f"{folder} has no finished run of {_BASE}, beside which the others are told")
    found = [_gathered(path) for path in sorted(folder.iterdir()) if _runs(path)]
    seeds = set.intersection(*({run.seed for run in results.runs} for _, results in found))
    choices = [
        Choice(path.name, [run for run in results.runs if run.seed in seeds])
        for path, results in found
    ]
    first = found[0][1]
    comparisons = ranked(Results(choices, first.images, first.bicubic, [], []), "psnr").comparisons
    of_base = next(choice for choice in choices if choice.label == _BASE)
    others = sorted(
        (choice for choice in choices if choice is not of_base),
        key=lambda choice: -comparisons[choice.label, _BASE].difference,
    )
    corrected = holm([comparisons[choice.label, _BASE].p for choice in others])
    print("| trial | seeds | PSNR | difference | 95 % | p | multiply-adds | minutes |")
    print("|---|---|---|---|---|---|---|---|")
    print(f"| `{_BASE}` | {_about(of_base, '| |')}")
    for choice, p in zip(others, corrected, strict=True):
        by = comparisons[choice.label, _BASE]
        interval = "none"
        if by.low is not None and by.high is not None:
            interval = f"{with_sign(by.low, 3)} to {with_sign(by.high, 3)}"
        said = f"{with_sign(by.difference, 3)} | {interval} | {'' if p is None else f'{p:.3f}'}"
        print(f"| `{choice.label}` | {_about(choice, said)}")


def _runs(folder: Path) -> list[str]:
    """Return the names of the finished runs of a trial."""
    found = folder.glob("seed*") if folder.is_dir() else ()
    return sorted(path.name for path in found if is_finished(path))


def _gathered(folder: Path) -> tuple[Path, Results]:
    return folder, gather(folder, Sweep({name: Planned([], {}) for name in _runs(folder)}))


def _about(choice: Choice, compared: str) -> str:
    """Return the cells of a trial, those of its comparison between its score and its costs."""
    run = choice.runs[0]
    assert run.folder is not None
    cost = costs_of(load(run.folder))[""]
    before = [
        run.folder.parents[1] / "first" / f"{choice.label}{run.seed}"
        for run in choice.runs
        if run.folder
    ]
    seconds = [run.seconds or 0.0 for run in choice.runs]
    seconds += [seconds_of(path) or 0.0 for path in before if path.is_dir()]
    minutes = sum(seconds) / len(choice.runs) / 60
    score = float(choice.scores("psnr").mean())
    return f"{len(choice.runs)} | {score:.3f} | {compared} | {cost:,.0f} | {minutes:.1f} |"


if __name__ == "__main__":
    main()
