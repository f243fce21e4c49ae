"""What a report compares: the runs of a sweep, or networks that are judged for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from srlab.assembly.checkpoints import trusted_roots
from srlab.assembly.network import Network
from srlab.assembly.testsets import (
    build_degradation,
    build_testsets,
    find_testsets,
    judge,
    read_testsets,
)
from srlab.assembly.training_checks import TRAINING_PARTS
from srlab.command_line.invocation import Invocation
from srlab.commands.evaluate.networks import Row, as_list, asked_rows, other_degradations
from srlab.commands.report.decided import listed
from srlab.commands.report.networks import load_networks
from srlab.commands.report.results import (
    METRICS,
    Choice,
    Judged,
    Results,
    by_choice,
    gather,
    seconds_of,
)
from srlab.config.check import check
from srlab.config.schema import EvaluateConfig, ReportConfig, TrainConfig
from srlab.data.images import ImageSet
from srlab.degradations.degradation import Degradation
from srlab.errors import UserError
from srlab.evaluation.score import MOST_DB
from srlab.evaluation.tables import Result
from srlab.runs.folder import computed, read_run
from srlab.runs.results import is_finished
from srlab.runs.sweep_plan import read_sweep


@dataclass(frozen=True)
class Compared:
    """What a report compares.

    Args:
        results: What was scored.
        networks: By the name of what was judged.
        testsets: The images that it was judged on.
        degradation: What made LR of them; None: MATLAB's bicubic.
        title: What the page is called.
        folder: Where reports go unless another folder is asked for.
        commands: Those that made what is compared.
        warnings: What is to be said of networks, each a sentence.
    """

    results: Results
    networks: dict[str, Network]
    testsets: list[ImageSet]
    degradation: Degradation | None
    title: str
    folder: Path
    commands: list[str]
    warnings: list[str] = field(default_factory=list)


def compared_in(call: Invocation[ReportConfig], device: torch.device) -> Compared:
    """Return what a report is asked to compare.

    Raises:
        UserError: It is nothing, a sweep and networks at once, or cannot be compared.
    """
    config = call.config
    networks = config.checkpoint is not None or bool(config.models)
    if networks and config.sweep is not None:
        raise UserError("give a sweep, or checkpoints and models, not both")
    if networks:
        return _of_networks(config, device)
    if config.sweep is None:
        raise UserError(
            "give sweep=FOLDER, or networks: checkpoint=[RUN,FILE] model=compact_x3,bicubic"
        )
    if any(
        o.lstrip("+").startswith(("testset", "degradation", "scale=", "colour="))
        for o in call.overrides
    ):
        raise UserError(
            "testset, degradation, scale and colour go with networks: a sweep was judged already"
        )
    return _of_sweep(config, config.sweep, device)


def _of_sweep(config: ReportConfig, path: str, device: torch.device) -> Compared:
    folder = Path(path).expanduser()
    sweep = read_sweep(folder)
    results = gather(folder, sweep)
    first = results.runs[0].folder
    assert first is not None
    networks = load_networks(results.runs, device, config.trust)
    trained, roots = read_run(first, [], TrainConfig()), trusted_roots(config.trust)
    testsets = find_testsets(trained, roots)
    check({"degradation": trained.degradation}, (*roots, *TRAINING_PARTS))
    degradation = build_degradation(trained.degradation)
    commands = list(sweep.commands)
    return Compared(results, networks, testsets, degradation, folder.name, folder, commands)


def _of_networks(config: ReportConfig, device: torch.device) -> Compared:
    asked = EvaluateConfig(
        checkpoint=as_list(config.checkpoint), models=config.models, scale=config.scale,
        colour=config.colour, trust=config.trust,
    )  # fmt: skip
    rows = _once(asked_rows(asked, device))
    if len({row.place for row in rows}) > 1:
        named = (r.network for r in rows if r.asked)
        seen = ", ".join(f"{n.label} x{n.scale} {n.colour}" for n in named)
        raise UserError(f"networks of several scales or colours: report on them apart ({seen})")
    check({"testset": config.testset, "degradation": config.degradation})
    testsets = build_testsets(config.testset)
    degradation = build_degradation(config.degradation)
    pairs = read_testsets(testsets, *rows[0].place, degradation=degradation)
    of_rows = [
        judge(n.upscaler("auto", False), pairs, n.scale, n.colour, n.label, n.method)
        for n in (row.network for row in rows)
    ]
    bicubic = _scores(of_rows[0])  # the first row is bicubic, whether asked for or not
    judged = [_judged(r, of, bicubic) for r, of in zip(rows, of_rows, strict=True) if r.asked]
    networks = {row.network.label: row.network for row in rows if row.asked}
    results = _gathered(judged)
    title = f"{len(results.choices)} networks" if len(judged) > 1 else judged[0].name
    warnings = [*_unfinished(judged), *other_degradations(networks.values(), degradation)]
    return Compared(results, networks, testsets, degradation, title, Path("runs"), [], warnings)


def _once(rows: list[Row]) -> list[Row]:
    """Leave out what was asked for twice: a run folder and its last.pt."""
    seen: dict[object, Row] = {}
    for row in rows:
        file = row.network.checkpoint
        seen.setdefault(file.resolve() if file else row.network.label, row)
    return list(seen.values())


def _unfinished(judged: Sequence[Judged]) -> list[str]:
    names = [one.name for one in judged if one.folder and not is_finished(one.folder)]
    return [f"Not trained to the end: {listed(names)}."] if names else []


def _judged(row: Row, results: list[Result], bicubic: dict[str, np.ndarray]) -> Judged:
    network = row.network
    folder = network.checkpoint.parent if network.checkpoint else None
    if folder is not None and not (folder / "config.yaml").exists():
        folder = None
    # The last and the best of one run are two networks.
    made_with = network.made_with | {"checkpoint": network.checkpoint and network.checkpoint.name}
    return Judged(
        network.label, folder, int(network.made_with.get("seed") or 0), computed(made_with),
        None if folder is None else seconds_of(folder),
        [(result.testset, score.image) for result in results for score in result.scores],
        _scores(results), bicubic,
    )  # fmt: skip


def _scores(results: list[Result]) -> dict[str, np.ndarray]:
    """Return the scores of each image, by metric."""
    scores = [score for result in results for score in result.scores]
    values = {m: np.array([getattr(score, m) for score in scores], float) for m in METRICS}
    if any(np.isnan(v).any() for v in values.values()):
        raise UserError(f"{results[0].label} makes no numbers of some pictures: it is damaged")
    return {m: np.nan_to_num(v, posinf=MOST_DB) for m, v in values.items()}


def _gathered(judged: Sequence[Judged]) -> Results:
    """Gather runs that differ in their seeds alone, if there are several seeds of everything.

    Else each network stands for itself.
    """
    first = judged[0]
    choices = by_choice(judged, [one.name for one in judged])
    shared = set.intersection(*(set(choice.seeds) for choice in choices))
    alike = all(len(set(choice.seeds)) == len(choice.runs) for choice in choices)
    if len(shared) < 2 or not alike:
        choices = [Choice(one.name, [one]) for one in judged]
        return Results(choices, first.images, first.bicubic, [], [], of_networks=True)
    kept = [
        Choice(f"{c.label} and {len(shared) - 1} more", [r for r in c.runs if r.seed in shared])
        for c in choices
    ]
    left_out = [run.name for c in choices for run in c.runs if run.seed not in shared]
    return Results(kept, first.images, first.bicubic, [], left_out)
