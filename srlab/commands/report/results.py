"""What a report compares: finished runs, or networks, gathered by what was chosen for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from srlab.errors import UserError
from srlab.evaluation.score import MOST_DB
from srlab.reporting.statistics import Ranking, rank, rank_networks
from srlab.runs.folder import RESUMABLE, computed, stored_config
from srlab.runs.names import group_word
from srlab.runs.results import is_finished, read_json, read_results
from srlab.runs.sweep_plan import Planned, Sweep

METRICS = ("psnr", "ssim", "ripple")


@dataclass(frozen=True)
class Judged:
    """What was judged: a finished run, or a network of wherever it may come from.

    Args:
        name: Its folder's name, or what it is called.
        folder: Its run folder, or None.
        seed: Its seed; 0 where none is known.
        config: What it computes, by dotted keys.
        seconds: How long it trained, or None.
        images: Test set and name of each image.
        scores: The score of each image, by metric.
        bicubic: Bicubic's, by metric.
    """

    name: str
    folder: Path | None
    seed: int
    config: dict[str, Any]
    seconds: float | None
    images: list[tuple[str, str]]
    scores: dict[str, np.ndarray]
    bicubic: dict[str, np.ndarray]


@dataclass(frozen=True)
class Choice:
    """What is compared: the runs that differ in their seeds alone, or a network."""

    label: str
    runs: list[Judged]

    def scores(self, metric: str) -> np.ndarray:
        """Return the scores ``(seeds, images)`` of a metric."""
        return np.stack([run.scores[metric] for run in self.runs])

    @property
    def seeds(self) -> list[int]:
        """The seeds, run by run."""
        return [run.seed for run in self.runs]


@dataclass(frozen=True)
class Results:
    """All that what is compared has scored.

    Args:
        choices: What is compared, in the order of the sweep, or as it was asked for.
        images: Test set and name of each image.
        bicubic: Bicubic's scores on them, by metric.
        missing: The names of the runs that are not finished.
        left_out: The names of those whose seed not all choices have.
        of_networks: Whether networks are compared as they are, each by itself, and not choices by
            trainings that stand for others.
    """

    choices: list[Choice]
    images: list[tuple[str, str]]
    bicubic: dict[str, np.ndarray]
    missing: list[str]
    left_out: list[str]
    of_networks: bool = False

    @property
    def scale(self) -> int:
        """The factor s."""
        return int(self.runs[0].config["scale"])

    @property
    def colour(self) -> str:
        """What all networks see."""
        return str(self.runs[0].config["colour"])

    @property
    def testsets(self) -> list[str]:
        """The names of the test sets."""
        return list(dict.fromkeys(testset for testset, _ in self.images))

    def of(self, testset: str) -> list[int]:
        """Return the numbers of a test set's images."""
        return [k for k, (name, _) in enumerate(self.images) if name == testset]

    @property
    def runs(self) -> list[Judged]:
        """All runs, or networks."""
        return [run for choice in self.choices for run in choice.runs]


def gather(folder: Path, sweep: Sweep) -> Results:
    """Read the finished runs of a sweep.

    Raises:
        UserError: None is finished, or they cannot be compared.
    """
    finished = [name for name in sweep.runs if is_finished(folder / name)]
    if not finished:
        raise UserError(f"no run of {folder} is finished yet")
    runs = [_read_run(folder / name) for name in finished]
    for run in runs:
        for what, one, other in (
            ("on different images", run.images, runs[0].images),
            ("at different scales", run.config["scale"], runs[0].config["scale"]),
            ("in different colours", run.config["colour"], runs[0].config["colour"]),
            ("on different low resolution", _low(run), _low(runs[0])),
        ):
            if one != other:
                raise UserError(
                    f"{run.name} and {runs[0].name} were judged {what}: report on them apart"
                )
    labels = _labels([sweep.runs[name] for name in finished])
    choices = by_choice(runs, labels)
    shared = _shared_seeds(choices)
    kept = [Choice(c.label, [r for r in c.runs if r.seed in shared]) for c in choices]
    left_out = [run.name for c in choices for run in c.runs if run.seed not in shared]
    missing = [name for name in sweep.runs if name not in finished]
    return Results(kept, runs[0].images, runs[0].bicubic, missing, left_out)


def _low(run: Judged) -> dict[str, Any]:
    """Return what says where the low resolution of the test sets came from."""
    keys = (k for k in run.config if k.startswith("degradation.") or k.endswith(".lr"))
    return {k: run.config[k] for k in keys if not k.startswith(("data.", "optim.", "valset."))}


def by_choice(runs: Sequence[Judged], labels: Sequence[str]) -> list[Choice]:
    """Gather runs that differ in their seeds alone, under the label of the first."""
    gathered: dict[str, tuple[str, list[Judged]]] = {}
    for run, label in zip(runs, labels, strict=True):
        # What was computed counts, not how the command line wrote it.
        kind = repr(sorted((k, repr(v)) for k, v in run.config.items() if k != "seed"))
        taken = [other for other, _ in gathered.values()]
        unique = label if label not in taken else f"{label} ({run.name})"
        gathered.setdefault(kind, (unique, []))[1].append(run)
    return [Choice(label, sorted(of, key=attrgetter("seed"))) for label, of in gathered.values()]


def seconds_of(folder: Path) -> float | None:
    """Return how long the run in a folder trained; None if its folder does not say."""
    metrics = folder / "metrics.json"
    seconds = read_json(metrics).get("seconds") if metrics.exists() else None
    return None if seconds is None else float(seconds)


def _shared_seeds(choices: Sequence[Choice]) -> set[int]:
    """Return the seeds that all choices have, or any has where these are fewer than two."""
    shared = set.intersection(*(set(choice.seeds) for choice in choices))
    return shared if len(shared) > 1 else {seed for choice in choices for seed in choice.seeds}


def _read_run(folder: Path) -> Judged:
    bicubic, ours = read_results(folder)
    config = computed(stored_config(folder))
    try:
        images, scores = _scores(ours)
        of_bicubic = _scores(bicubic)[1]
        return Judged(
            folder.name, folder, int(config["seed"]), config, seconds_of(folder), images, scores,
            of_bicubic,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"the results or the config of {folder} are damaged: {error!r}") from None


def ranked(results: Results, metric: str, margin: float = 0) -> Ranking:
    """Rank the choices by a metric; those that differ by at most ``margin`` may be equal."""
    scores = {choice.label: choice.scores(metric) for choice in results.choices}
    higher, within = metric != "ripple", margin or None
    if results.of_networks:
        of_each = {label: score[0] for label, score in scores.items()}
        return rank_networks(of_each, higher_is_better=higher, margin=within)
    seeds = {choice.label: choice.seeds for choice in results.choices}
    return rank(scores, seeds, higher_is_better=higher, margin=within)


def differences(choices: Sequence[Choice]) -> tuple[list[str], list[list[str]], dict[str, Any]]:
    """Return the keys in which configs differ, their values by choice, and what is common."""
    configs = [choice.runs[0].config for choice in choices]
    known = dict.fromkeys(k for c in configs for k in c if not k.startswith("model.upsampler."))
    keys = [k for k in known if k != "seed"]  # the upsampler has keys of its own
    shared = {k for k in keys if all(c.get(k, "") == configs[0].get(k, "") for c in configs)}
    differ = [k for k in keys if k not in shared]
    values = [[_said(config[k]) if k in config else "" for k in differ] for config in configs]
    return differ, values, {k: configs[0][k] for k in keys if k in shared}


def _said(value: Any) -> str:
    """Write a value as YAML does."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _labels(runs: Sequence[Planned]) -> list[str]:
    """Name runs by those of their overrides in which they differ, and that change what they are.

    By the axes, if all lie on these: a rate that was tuned for a choice is not its name.
    """
    given = [dict(o.lstrip("+").split("=", 1) for o in run.overrides if "=" in o) for run in runs]
    known = dict.fromkeys(k for g in given for k in g)
    keys = [k for k in known if k not in ("seed", *RESUMABLE)]
    differ = [k for k in keys if any(g.get(k) != given[0].get(k) for g in given)]
    axes = [k for k in differ if any(k in run.axes for run in runs)]
    differ = axes if axes and all(k in g for g in given for k in axes) else differ
    return [" ".join(group_word(k, g[k], "=") for k in differ if k in g) or "all" for g in given]


def _scores(
    results: list[dict[str, Any]],
) -> tuple[list[tuple[str, str]], dict[str, np.ndarray]]:
    """Return the images of results and their scores."""
    images = [(r["testset"], i["image"]) for r in results for i in r["images"]]
    values = {m: [_finite(i[m]) for r in results for i in r["images"]] for m in METRICS}
    return images, {m: np.array(v, dtype=float) for m, v in values.items()}


def _finite(value: float | None) -> float:
    return MOST_DB if value is None else value
