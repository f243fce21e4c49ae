"""``srlab sweep``: a training for every combination of what is to be compared, all else equal.

The command line is read in two turns: the sweep is planned, then Hydra's multirun calls ``one_run``
for each combination, by whichever launcher was chosen.
"""

import shlex
import signal
import statistics
from collections.abc import Sequence
from functools import partial
from shlex import quote
from typing import Any

from hydra.plugins.sweeper import Sweeper

from srlab.command_line.application import idle, run_application
from srlab.command_line.verbs import Verb
from srlab.commands.sweep.axes import split_axes
from srlab.commands.sweep.launchers import check_launcher
from srlab.commands.sweep.plan import Plan, make_plan
from srlab.commands.sweep.until import next_seed, outcome, still_open
from srlab.console.lasting import outlasting_readers
from srlab.console.tables import aligned
from srlab.errors import Interrupted, UserError
from srlab.machine.signals import asking
from srlab.runs.results import is_finished, mean_scores
from srlab.runs.sweep_plan import failures, read_sweep

_ONE_RUN = Verb("", "sweep.one_run:run", "train")


def run(arguments: list[str]) -> None:
    """Plan a sweep from its first run's config, then let Hydra's multirun make what is missing."""
    flags, fixed, axes = read_arguments(arguments)
    first = [f"{key}={values[0]}" for key, values in axes.items()]
    command = shlex.join(["srlab", "sweep", *arguments])

    def planned(**more: Any) -> Plan | None:
        planning = partial(make_plan, fixed=fixed, command=command, **({"axes": axes} | more))
        told = [*flags, *fixed.values(), *first]
        return run_application("sweep", "sweep", told, lambda: planning)

    plan = planned()
    if plan is None:  # asked for help, or for the config
        return
    with outlasting_readers():
        _make_missing(plan, flags)
        while seed := _further_seed(plan):
            plan = planned(axes=axes | {"seed": [*plan.axes["seed"], seed]}, lock=plan.lock)
            assert plan is not None
            _make_missing(plan, flags)
        print(f"compare them: srlab report {quote(f'sweep={plan.folder}')}")


def _further_seed(plan: Plan) -> str | None:
    """Say how far a sweep has decided what it was to decide, and return the seed to go on with."""
    if plan.until is None:
        return None
    undecided, decided, vain = still_open(plan.folder, plan.names, plan.until)
    seeds, most = len(plan.axes["seed"]), plan.most_seeds
    print(f"{outcome(undecided, decided, vain, seeds, most, plan.until)}\n", flush=True)
    goes_on = undecided and seeds < most and (vain is None or seeds < 2)
    return next_seed(plan.axes["seed"]) if goes_on else None


def read_arguments(
    arguments: list[str],
) -> tuple[list[str], dict[str, str], dict[str, list[str]]]:
    """Split a command line into Hydra's own options, what it fixes, and what it varies.

    Raises:
        UserError: An axis is not a list of values, or there is no such launcher here.
    """
    arguments = [a for a in arguments if a not in ("-m", "--multirun")]
    flags = [a for a in arguments if a.startswith("-") or ("=" not in a and a[:1] != "~")]
    fixed, axes = split_axes(a for a in arguments if a not in flags)
    check_launcher(fixed.get("hydra/launcher", "").partition("=")[2])
    return flags, fixed, axes


def _make_missing(plan: Plan, flags: list[str]) -> None:
    """Make the runs of a plan that are not finished, and say how it ended."""
    if plan.missing:
        multirun(["--multirun", *flags, *plan.arguments(plan.axes)], "sweep")
    finish(plan)


def multirun(arguments: list[str], what: str) -> None:
    """Make runs; a signal that comes between them, or beside them, ends all.

    Args:
        arguments: The command line of Hydra's multirun.
        what: What they are, for messages: a sweep.

    Raises:
        Interrupted: A signal asked to stop.
    """
    numbers = [signal.SIGINT]

    def leave(number: int, _: Any) -> None:
        numbers.append(signal.Signals(number))
        raise KeyboardInterrupt  # past Hydra, and a launcher ends its processes

    asked = [number for number in asking() if number != signal.SIGINT]
    before = {number: signal.signal(number, leave) for number in asked}
    try:
        # Which would compose all runs once more, only to see that they can be.
        with idle(Sweeper, "validate_batch_is_legal"):
            run_application(f"{what} run", _ONE_RUN.config, arguments, _ONE_RUN.function)
    except KeyboardInterrupt:
        said = f"srlab: stopped; the same command goes on with the {what}"
        raise Interrupted(said, 128 + numbers[-1]) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def finish(plan: Plan) -> None:
    """Print how a sweep ended.

    Raises:
        UserError: Runs failed, or are missing.
    """
    print(f"\n{_table(plan)}\n")
    missing = plan.missing
    failed = failures(plan.folder, missing)
    if missing:
        reasons = [f"\n  {name}: {reason}" for name, reason in failed.items()]
        others = len(missing) - len(failed)
        raise UserError(
            f"{len(missing)} of {len(plan.names)} runs are not finished"
            + (f", {others} of them not begun or stopped" if others else "")
            + "; the same command tries them again; what they said is in "
            + f"{plan.folder}/logs{''.join(reasons)}"
        )


def _table(plan: Plan) -> str:
    """Return the mean score of each combination over its seeds."""
    sweep = read_sweep(plan.folder)
    scores: dict[tuple[str, ...], list[list[tuple[str, float, float]]]] = {}
    for name in plan.names:
        key = tuple(v for k, v in sweep.runs[name].axes.items() if k != "seed") or ("all",)
        if is_finished(plan.folder / name):
            scores.setdefault(key, []).append(mean_scores(plan.folder / name))
    axes = [k for k in sweep.runs[plan.names[0]].axes if k != "seed"] or [""]
    rows: list[Sequence[str]] = [(*axes, "test set", "PSNR", "SSIM", "runs")]
    for key, runs in scores.items():
        for means in zip(*runs, strict=True):
            psnr, ssim = (statistics.fmean(mean[k] for mean in means) for k in (1, 2))
            rows.append((*key, means[0][0], f"{psnr:.2f}", f"{ssim:.4f}", str(len(runs))))
    return "\n".join(aligned(rows))
