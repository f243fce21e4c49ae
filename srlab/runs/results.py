"""The results of a finished run, as its folder has them."""

import json
import math
from pathlib import Path
from typing import Any

from srlab.errors import UserError


def is_finished(folder: Path) -> bool:
    """Tell whether the run in a folder is finished."""
    return (folder / "results.json").exists()


def has_reached(folder: Path, step: int | None) -> bool:
    """Tell whether the run in a folder has been judged at a step, or later, or is finished."""
    if step is None or is_finished(folder):
        return is_finished(folder)
    history = folder / "metrics.json"
    return history.exists() and int(read_json(history).get("step", 0)) >= step


def read_json(path: Path) -> Any:
    """Return what a file of a run holds.

    Raises:
        UserError: It cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged: {error}") from None


def read_results(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the results of a finished run, bicubic's and the network's, test set by test set.

    Raises:
        UserError: They cannot be read.
    """
    results = read_json(folder / "results.json")
    if not isinstance(results, list):
        raise UserError(f"{folder}/results.json is damaged: it is no list of results")
    return results[::2], results[1::2]  # they stand in turn


def chosen_score(folder: Path, step: int | None = None) -> float:
    """Return the PSNR by which is chosen, as a run's ``metrics.json`` has it.

    Args:
        folder: The run's.
        step: Of the latest evaluation up to this step; None: of the last.

    Raises:
        UserError: It cannot be read.
    """
    try:
        history = read_json(folder / "metrics.json")["history"]
        [*_, record] = [r for r in history if step is None or r["step"] <= step]
        psnr = record.get("validation", record["psnr"])  # earlier versions chose by a test set
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{folder}/metrics.json is damaged: {error!r}") from None
    return math.inf if psnr is None else float(psnr)


def mean_scores(folder: Path) -> list[tuple[str, float, float]]:
    """Return test set, PSNR and SSIM of a finished run's network, test set by test set."""
    _, ours = read_results(folder)
    return [(r["testset"], math.inf if r["psnr"] is None else r["psnr"], r["ssim"]) for r in ours]
