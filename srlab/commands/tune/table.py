"""What a tuning says at its end, and writes for sweeps."""

import math
from collections.abc import Sequence
from dataclasses import replace
from shlex import quote

from srlab.assembly.testsets import build_valset
from srlab.commands.tune.choices import RATE, Choice, Tuning
from srlab.commands.tune.search import Candidate, best_of, known, lowest_of
from srlab.console.tables import aligned
from srlab.errors import UserError
from srlab.runs.tuning import Found, Tried, Tuned, has_tuned, read_tuned, write_tuned


def say_what_was_found(tuning: Tuning) -> None:
    """Print the best of each choice beside all that was tried, and write ``tuned.json``."""
    found = [_found(tuning, choice) for choice in tuning.choices]
    plan, search = tuning.plan, tuning.config.search
    tuned = Tuned(plan.folder, search, _fixed(tuning), found)
    path = write_tuned(replace(tuned, choices=[*_of_before(tuned), *found]))
    rows: list[Sequence[str]] = [(*tuning.choices[0].place, "taken", "PSNR", "tried")]
    for choice, best in zip(tuning.choices, found, strict=True):
        tried = "  ".join(_said(t) for t in best.tried)
        rows.append((*choice.place.values(), _short(best.overrides), f"{best.psnr:.3f}", tried))
    valset = build_valset(next(iter(plan.configs.values())))
    assert valset is not None  # it was refused
    print("\n" + "\n".join(aligned(rows)))
    print(f"\nPSNR on {len(valset.paths)} pictures of {valset.name}; in brackets, where it stopped")
    if RATE in search and tuning.config.margin:
        print(f"taken: the lowest rate within {tuning.config.margin:g} dB of the best")
    for best in found:
        if not best.bracketed:
            name = " ".join(best.choice) or "the best"
            print(f"{name}: the highest score is at an end of what was tried")
    print(f"found:  {path}\nuse it: srlab sweep ... {quote(f'tuned={plan.folder}')}")


def check_joins(tuning: Tuning) -> None:
    """Check that what is found may stand beside what was found in the folder before.

    Raises:
        UserError: That was another search, or one with other settings.
    """
    folder = tuning.plan.folder
    if not has_tuned(folder):
        return
    before = read_tuned(folder)
    if (before.search, set(before.fixed)) != (tuning.config.search, set(_fixed(tuning))):
        raise UserError(
            f"{folder} holds what another tuning found, with {' '.join(before.fixed) or 'no keys'}:"
            f" name another by sweep_dir"
        )


def _of_before(tuned: Tuned) -> list[Found]:
    """Return what was found there for other choices."""
    before = read_tuned(tuned.folder).choices if has_tuned(tuned.folder) else []
    new = [found.choice for found in tuned.choices]
    return [found for found in before if found.choice not in new]


def _fixed(tuning: Tuning) -> list[str]:
    return [o for o in tuning.plan.fixed if not o.lstrip("+~").startswith("hydra")]


def _found(tuning: Tuning, choice: Choice) -> Found:
    best = best_of(choice.candidates, tuning.score)
    if RATE in tuning.config.search:
        margin = tuning.config.margin
        best = lowest_of(best, choice.candidates, tuning.score, RATE, margin)
    ordered = sorted(choice.candidates, key=_by_value)
    return Found(
        [f"{key}={value}" for key, value in choice.place.items()],
        _overrides(best),
        known(tuning.score(best, None)),
        tuning.is_bracketed(choice),
        [_tried(tuning, choice, candidate) for candidate in ordered],
    )


def _tried(tuning: Tuning, choice: Choice, candidate: Candidate) -> Tried:
    """Say how far a candidate came, and what it scored there."""
    for stop in (None, *reversed(choice.stops)):
        score = tuning.score(candidate, stop)
        if score is not None:
            return Tried(_overrides(candidate), score if math.isfinite(score) else None, stop)
    raise AssertionError("all have come to the first stop")


def _overrides(candidate: Candidate) -> list[str]:
    return [f"{key}={value}" for key, value in candidate.values.items()]


def _by_value(candidate: Candidate) -> list[tuple[int, float, str]]:
    """Order numbers by their size, and before texts."""
    order = []
    for value in candidate.values.values():
        try:
            order.append((0, float(value), ""))
        except ValueError:
            order.append((1, 0.0, value))
    return order


def _short(overrides: Sequence[str]) -> str:
    """Write overrides, a single one by its value."""
    return overrides[0].partition("=")[2] if len(overrides) == 1 else " ".join(overrides)


def _said(tried: Tried) -> str:
    score = "failed" if tried.psnr is None else f"{tried.psnr:.3f}"
    where = "" if tried.step is None or tried.psnr is None else f" ({tried.step:,})"
    return f"{_short(tried.overrides)}: {score}{where}"
