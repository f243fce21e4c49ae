"""The part of a run in which it trains."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from shlex import quote

from torch import Tensor

from srlab.assembly.training_run import TrainingRun
from srlab.commands.train.monitor import Monitor, Onlooker
from srlab.config.phases import Phase, phases_of
from srlab.data.feed import feed_steps
from srlab.errors import Interrupted, OutOfMemory, UserError
from srlab.evaluation.tables import Result
from srlab.machine import ranks
from srlab.machine.shortage import enough_memory
from srlab.machine.signals import Stopper
from srlab.storage.checkpoint import load, save
from srlab.training.loop import Callbacks, Diverged, LoopSettings, fit

_KEYS = "trainer.batch_size or trainer.patch_size{}, or raise trainer.accumulate"


def train_on(training: TrainingRun, folder: Path, pause: int | None) -> list[Result]:
    """Train to the end, or to the step ``pause``; return the scores of the latest evaluation."""
    state, trainer = training.state, training.config.trainer
    settings = LoopSettings(
        trainer.steps, trainer.log_every, trainer.eval_every, trainer.save_every, trainer.clip,
        trainer.patience, trainer.precision, trainer.compile, trainer.graph, training.parts,
        trainer.accumulate,
    )  # fmt: skip
    monitor = Monitor(training, folder) if ranks.rank() == 0 else Onlooker(training)
    batches = _fed(training, monitor.note)
    keys = _KEYS.format(", those of trainer.phases, too" if trainer.phases else "")
    try:
        with Stopper() as stopper, enough_memory(keys):
            leaving = ranks.Leaving(stopper)
            callbacks = Callbacks(
                log=monitor.log,
                evaluate=monitor.evaluate,
                save_last=lambda: _save(training, folder / "last.pt", True, stopper),
                save_best=lambda: _save(training, folder / "best.pt", False, stopper),
                stop=lambda step: leaving(step) or step == pause,
                note=monitor.note,
                beat=monitor.beat,
            )
            ending = fit(
                state,
                training.objective,
                batches,
                training.schedule,
                settings,
                callbacks,
                training.device,
                state.model.frame,
            )
    except RuntimeError as error:
        if "finished reduction" not in str(error):
            raise
        raise UserError(
            "the model has weights that a step does not use, and several workers wait for their "
            "gradients: trainer.devices must be 1"
        ) from None
    except OutOfMemory as error:
        if all(p.isfinite().all() for p in state.model.parameters()):
            with suppress(UserError):
                _save(training, folder / "last.pt", True, stopper)
        raise UserError(
            f"{error}, in a run of its own; {what_is_kept(folder)} and, where there is more, this "
            f"one goes on with: srlab train resume={quote(str(folder))}"
        ) from None
    except Diverged as error:
        raise UserError(
            f"{error}; {what_is_kept(folder)}; try a lower optim.lr, trainer.clip=1, a longer "
            f"schedule.warmup or fp32"
        ) from None
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; {what_is_kept(folder)}", 130) from None
    finally:
        batches.close()  # or its workers would be ended by the end of the process, with a traceback
        monitor.close()
    if ending == "signal" and stopper.signal is not None and not training.done:
        ranks.wait_for_first()  # which saves
        raise Interrupted(
            f"stopped at step {state.step:,} and saved; "
            f"go on with: srlab train resume={quote(str(folder))}",
            128 + int(stopper.signal),
        )
    if ending == "patience":
        print(f"stopped early: no better score in {trainer.patience} evaluations")
    return monitor.results


def _fed(
    training: TrainingRun, note: Callable[[str], None]
) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Yield the batches of a run from where it is, phase by phase, and say when one begins."""
    first = training.state.step
    phases = phases_of(training.config.trainer)
    for phase in phases:
        begin = max(first, phase.first)
        if begin < phase.last:
            if len(phases) > 1:
                note(f"from step {begin:,} on {phase.told}")
            yield from _fed_with(training, phase, begin)


def _fed_with(
    training: TrainingRun, phase: Phase, begin: int
) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Yield the batches of a phase, each at its scale."""
    workers, steps = training.config.trainer.workers, range(begin, phase.last)

    def of_scale(scale: int) -> Iterator[int]:
        return (step for step in steps if training.scale_of(step) == scale)

    with ExitStack() as ending:
        feeds = {
            scale: ending.enter_context(
                closing(feed_steps(batches, of_scale(scale), training.device, workers))
            )
            for scale, batches in training.batches(phase).items()
        }
        for step in steps:
            yield next(feeds[training.scale_of(step)])


def _save(training: TrainingRun, path: Path, resumable: bool, stopper: Stopper) -> None:
    if ranks.rank() == 0:
        with stopper.shielded():
            save(path, training.checkpoint(resumable))


def what_is_kept(folder: Path) -> str:
    """Say which checkpoint a run that failed has left."""
    kept = folder / "last.pt"
    if not kept.exists():
        return "no checkpoint was saved before"
    return f"the last good checkpoint is {kept} (step {load(kept)['step']:,})"
