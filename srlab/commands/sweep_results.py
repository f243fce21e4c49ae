"""The finished runs of a sweep, gathered by what was chosen for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from srlab.commands.run_folder import computed, stored_config
from srlab.commands.sweep_folder import Sweep, group_word, is_finished, read_json, read_results
from srlab.errors import UserError

METRICS = ("psnr", "ssim", "ripple")
_MOST_DB = 100.0  # stands for the PSNR of identical images, which is infinite


@dataclass(frozen=True)
class Run:
    """A finished run.

    Args:
        name: Its folder's name.
        folder: Its folder.
        seed: Its seed.
        config: What it computes, by dotted keys.
        seconds: How long it trained, or None.
        scores: One row of images for each metric, by its name.
    """

    name: str
    folder: Path
    seed: int
    config: dict[str, Any]
    seconds: float | None
    scores: dict[str, np.ndarray]


@dataclass(frozen=True)
class Choice:
    """What is compared: the runs that differ in their seeds alone."""

    label: str
    runs: list[Run]

    def scores(self, metric: str) -> np.ndarray:
        """Return the scores ``(seeds, images)`` of a metric."""
        return np.stack([run.scores[metric] for run in self.runs])

    @property
    def seeds(self) -> list[int]:
        """The seeds, run by run."""
        return [run.seed for run in self.runs]


@dataclass(frozen=True)
class Results:
    """All that the finished runs of a sweep have scored.

    Args:
        choices: What is compared, in the order of the sweep.
        images: Test set and name of each image.
        bicubic: Bicubic's scores on them, by metric.
        missing: The names of the runs that are not finished.
    """

    choices: list[Choice]
    images: list[tuple[str, str]]
    bicubic: dict[str, np.ndarray]
    missing: list[str]

    @property
    def testsets(self) -> list[str]:
        """The names of the test sets."""
        return list(dict.fromkeys(testset for testset, _ in self.images))

    def of(self, testset: str) -> list[int]:
        """Return the numbers of a test set's images."""
        return [k for k, (name, _) in enumerate(self.images) if name == testset]

    @property
    def runs(self) -> list[Run]:
        """All runs."""
        return [run for choice in self.choices for run in choice.runs]


def gather(folder: Path, sweep: Sweep) -> Results:
    """Read the finished runs of a sweep.

    Raises:
        UserError: None is finished, or they were judged on different images.
    """
    finished = [name for name in sweep.runs if is_finished(folder / name)]
    if not finished:
        raise UserError(f"no run of {folder} is finished yet")
    labels = dict(zip(finished, _labels([sweep.runs[n].overrides for n in finished]), strict=True))
    images, bicubic = _scores(read_results(folder / finished[0])[0])
    gathered: dict[str, list[Run]] = {}
    for name in finished:
        judged, scores = _scores(read_results(folder / name)[1])
        if judged != images:
            raise UserError(
                f"{name} and {finished[0]} were judged on different images: report on them apart"
            )
        config = computed(stored_config(folder / name))
        gathered.setdefault(labels[name], []).append(
            Run(name, folder / name, int(config["seed"]), config, _seconds(folder / name), scores)
        )
    choices = [Choice(label, sorted(runs, key=_by_seed)) for label, runs in gathered.items()]
    missing = [name for name in sweep.runs if name not in labels]
    return Results(choices, images, bicubic, missing)


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


def _by_seed(run: Run) -> int:
    return run.seed


def _labels(runs: Sequence[Sequence[str]]) -> list[str]:
    """Name runs by those of their overrides in which they differ, the seed aside."""
    given = [dict(o.lstrip("+").split("=", 1) for o in run if "=" in o) for run in runs]
    keys = [k for k in dict.fromkeys(k for g in given for k in g) if k != "seed"]
    differ = [k for k in keys if any(g.get(k) != given[0].get(k) for g in given)]
    return [" ".join(group_word(k, g[k], "=") for k in differ if k in g) or "all" for g in given]


def _scores(
    results: list[dict[str, Any]],
) -> tuple[list[tuple[str, str]], dict[str, np.ndarray]]:
    """Return the images of results and their scores."""
    images = [(r["testset"], i["image"]) for r in results for i in r["images"]]
    values = {m: [_finite(i[m]) for r in results for i in r["images"]] for m in METRICS}
    return images, {m: np.array(v, dtype=float) for m, v in values.items()}


def _finite(value: float | None) -> float:
    return _MOST_DB if value is None else value


def _seconds(folder: Path) -> float | None:
    seconds = read_json(folder / "metrics.json").get("seconds")  # not in those of older versions
    return None if seconds is None else float(seconds)
