"""The choices of a tuning, and the rounds in which their runs are made."""

import time
from dataclasses import dataclass, field

from srlab.commands.sweep.command import multirun
from srlab.commands.sweep.plan import Plan
from srlab.commands.tune.search import (
    Candidate,
    beside,
    best_of,
    halving,
    known,
    stops_of,
)
from srlab.config.schema import TuneConfig
from srlab.errors import UserError
from srlab.runs.names import run_names
from srlab.runs.results import chosen_score, has_reached
from srlab.runs.sweep_plan import (
    Planned,
    Sweep,
    failure_file,
    failures,
    read_sweep,
    write_sweep,
)

RATE = "optim.lr"


@dataclass
class Choice:
    """What is tuned for, and what is tried for it.

    Args:
        place: Its values by the axes that are not searched.
        planned: What the command line tries.
        further: What was tried beyond.
        stops: The steps at which its poorer runs stop.
    """

    place: dict[str, str]
    planned: list[Candidate] = field(default_factory=list)
    further: list[Candidate] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)

    @property
    def candidates(self) -> list[Candidate]:
        """All that is tried."""
        return [*self.planned, *self.further]


class Tuning:
    """A search that may be asked to go on.

    Args:
        plan: The sweep that its command line plans.
        config: How it searches.
        flags: Hydra's own options.
    """

    def __init__(self, plan: Plan, config: TuneConfig, flags: list[str]):
        self.plan, self.config, self.flags = plan, config, flags
        self.choices = self._choices(read_sweep(plan.folder))

    def _choices(self, sweep: Sweep) -> list[Choice]:
        """Gather the runs that there are by what is chosen, and by what is tried for it."""
        searched = [key for key in self.plan.axes if key in self.config.search]
        choices: dict[str, Choice] = {}
        candidates: dict[str, dict[str, Candidate]] = {}
        for name in (*self.plan.names, *(n for n in sweep.runs if n not in self.plan.names)):
            axes, planned = sweep.runs[name].axes, name in self.plan.names
            if axes.keys() != self.plan.axes.keys():
                continue
            place = {k: v for k, v in axes.items() if k not in (*searched, "seed")}
            values = {k: axes[k] for k in searched}
            if planned:
                choices.setdefault(repr(place), Choice(place))
            elif repr(place) not in choices or axes["seed"] not in self.plan.axes["seed"]:
                continue
            choice, there = choices[repr(place)], candidates.setdefault(repr(place), {})
            if planned and not choice.stops:
                trainer = self.plan.configs[name].trainer
                choice.stops = stops_of(trainer.steps, trainer.eval_every, self.config.stops)
            if repr(values) not in there:
                there[repr(values)] = Candidate(values, [])
                (choice.planned if planned else choice.further).append(there[repr(values)])
            there[repr(values)].names.append(name)
            failure_file(self.plan.folder, name).unlink(missing_ok=True)  # it is tried again
        for choice in choices.values():  # what was tried beyond, with fewer seeds, is tried anew
            seeds = len(choice.planned[0].names)
            choice.further = [c for c in choice.further if len(c.names) == seeds]
        return list(choices.values())

    def score(self, candidate: Candidate, stop: int | None) -> float | None:
        """Return the mean score of a candidate at a stop: see ``search.Score``."""
        folder, lost = self.plan.folder, failures(self.plan.folder, candidate.names)
        if lost:
            return -float("inf")
        if not all(has_reached(folder / name, stop) for name in candidate.names):
            return None
        scores = [chosen_score(folder / name, stop) for name in candidate.names]
        return sum(scores) / len(scores)

    def search(self) -> None:
        """Make runs until the best of each choice is known.

        Raises:
            UserError: A run failed otherwise than by its rate, or no rate is any good.
        """
        while True:
            wanted = [(choice, *self._next(choice)) for choice in self.choices]
            wanted = [(choice, asked, stop) for choice, asked, stop in wanted if asked]
            if not wanted:
                return
            together = wanted[0][2]
            asked = [c for _, candidates, stop in wanted for c in candidates if stop == together]
            self._make([name for candidate in asked for name in candidate.names], together)

    def _next(self, choice: Choice) -> tuple[list[Candidate], int | None]:
        """Return what is to be made next for a choice, and up to which step; nothing at the end."""
        asked, stop = halving(choice.planned, self.score, choice.stops, self.config.keep)
        if asked:
            return asked, stop
        best = best_of(choice.candidates, self.score)
        if known(self.score(best, None)) == -float("inf"):
            raise UserError(
                f"no run of {' '.join(f'{k}={v}' for k, v in choice.place.items()) or 'any'} came "
                f"to an end; what they said is in {self.plan.folder}/logs"
            )
        if RATE not in self.config.search:
            return [], None
        for other in beside(best, choice.candidates, RATE):
            if not isinstance(other, Candidate) and len(choice.further) < self.config.extend:
                other = self._try(choice, best, f"{other:.4g}")
            if isinstance(other, Candidate) and self.score(other, None) is None:
                asked.append(other)
        return asked, None

    def is_bracketed(self, choice: Choice) -> bool:
        """Tell whether the rates beside the best of a choice were tried to the end."""
        if RATE not in self.config.search:
            return True
        around = beside(best_of(choice.candidates, self.score), choice.candidates, RATE)
        return all(isinstance(c, Candidate) and self.score(c, None) is not None for c in around)

    def _try(self, choice: Choice, best: Candidate, rate: str) -> Candidate:
        """Plan further runs, beyond an end of what was tried."""
        sweep = read_sweep(self.plan.folder)
        siblings = [sweep.runs[name] for name in best.names]
        places = [run.axes | {RATE: rate} for run in siblings]
        further = Candidate(best.values | {RATE: rate}, run_names(places))
        old = f"{RATE}={best.values[RATE]}"
        for name, run, place in zip(further.names, siblings, places, strict=True):
            overrides = [f"{RATE}={rate}" if o == old else o for o in run.overrides]
            sweep.runs[name] = Planned(overrides, place)
        write_sweep(self.plan.folder, sweep)
        choice.further.append(further)
        return further

    def _make(self, names: list[str], stop: int | None) -> None:
        """Bring runs to a stop, or to their end.

        Raises:
            UserError: One failed otherwise than by its rate.
        """
        folder, sweep = self.plan.folder, read_sweep(self.plan.folder)
        asked = [name for name in sweep.runs if name in names]
        sweep.asked, sweep.pause, sweep.started = asked, stop, time.time()
        sweep.finished_before = sum(has_reached(folder / name, stop) for name in asked)
        write_sweep(folder, sweep)
        print(f"{len(asked)} runs to {'the end' if stop is None else f'step {stop:,}'}", flush=True)
        axes = {
            key: list(dict.fromkeys(sweep.runs[name].axes[key] for name in asked))
            for key in self.plan.axes
        }
        multirun(["--multirun", *self.flags, *self.plan.arguments(axes)], "tuning")
        lacking = [name for name in asked if not has_reached(folder / name, stop)]
        failed = failures(folder, lacking)
        others = [n for n in lacking if "not finite" not in failed.get(n, "")]  # not by its rate
        if others:
            reasons = "".join(f"\n  {name}: {failed.get(name, 'not begun')}" for name in others)
            raise UserError(
                f"{len(others)} of {len(asked)} runs failed; the same command tries them again; "
                f"what they said is in {folder}/logs{reasons}"
            )
