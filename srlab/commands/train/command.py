"""``srlab train``: from a config to a run."""

import contextlib
import io
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

from srlab.assembly.checkpoints import trusted_roots
from srlab.assembly.start import start_from
from srlab.assembly.testsets import settle_valset
from srlab.assembly.training_checks import check_devices
from srlab.assembly.training_run import TrainingRun, check_run, prepare
from srlab.command_line.invocation import Invocation
from srlab.commands.train.results import finish, last_score, write_history
from srlab.commands.train.training import train_on, what_is_kept
from srlab.commands.train.workers import run_in_workers
from srlab.config.plain import plain_config
from srlab.config.schema import TrainConfig
from srlab.console.lasting import outlasting_readers
from srlab.console.transcript import Transcript, transcribed
from srlab.errors import UserError
from srlab.evaluation.tables import Result
from srlab.machine import ranks
from srlab.machine.device import choose_device
from srlab.runs.folder import check_as_saved, create_run, make_paths_absolute, read_run, take_up_run
from srlab.storage.checkpoint import load
from srlab.storage.folders import make_dated_folder, unlock_folder

# What only a training by gradients reads.
_OF_GRADIENTS = re.compile(
    r"[+~]*(loss|optim|schedule)\b"
    r"|trainer\.(ema|clip|precision|compile|graph|lr_factors|freeze|accumulate)\b"
)


def run(call: Invocation[TrainConfig]) -> float:
    """Train, or resume, and return the mean PSNR at the end on the set that chooses.

    Raises:
        UserError: Something in the config, the data or on the disk must be mended.
        Interrupted: A signal asked to stop; everything is saved.
    """
    with outlasting_readers(), transcribed() as transcript:
        return _run(call, transcript)


def _run(call: Invocation[TrainConfig], transcript: Transcript) -> float:
    config = call.config
    if config.resume is not None:
        config = read_run(Path(config.resume).expanduser(), call.overrides, config)
    if config.trainer.devices > 1 and ranks.expected() == 1:
        return _in_workers(call, config)
    with _joined(config):
        training, folder = _begun(call) if call.config.resume is None else _resumed(call, config)
        if training.done and (folder / "results.json").exists():
            print(f"{folder} is finished: {training.state.step:,} steps are done")
            return last_score(training)
        if ranks.rank() == 0:
            transcript.keep_in(folder / "log.txt")
        results: list[Result] | None = training.judge() if training.done else None
        if results is None and (call.pause is None or training.state.step < call.pause):
            results = train_on(training, folder, call.pause)
        if results is None or not training.done:
            write_history(training, folder)
            unlock_folder(folder)  # whoever takes it up may be another process
            return last_score(training)
        return finish(training, folder, results)


def _in_workers(call: Invocation[TrainConfig], wanted: TrainConfig) -> float:
    """Check what can be checked by one, then let ``trainer.devices`` workers train."""
    config = call.config
    check_run(wanted, None if config.resume is None else trusted_roots(wanted.trust))
    if config.resume is None:
        _give_name(config, call.choices)
        place = config.run_dir or call.folder or make_dated_folder(Path("runs") / str(config.name))
        config.run_dir = str(place)
    folder = Path(config.resume or str(config.run_dir)).expanduser()

    def advice() -> str:
        if not (folder / "config.yaml").exists():
            return "nothing was begun"
        return f"{what_is_kept(folder)}; go on with: srlab train resume={quote(str(folder))}"

    try:
        return run_in_workers(wanted.trainer.devices, advice, run, call)
    finally:
        with contextlib.suppress(OSError):  # it is not empty, as it should be
            folder.rmdir()


@contextlib.contextmanager
def _joined(config: TrainConfig) -> Iterator[None]:
    """Be one of the ranks that the environment speaks of, if it does; rank 0 alone prints."""
    if ranks.expected() == 1:
        yield
        return
    device = choose_device(config.device)
    check_devices(config, device)
    ranks.join(device)
    with contextlib.ExitStack() as stack:
        if ranks.rank() > 0:
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
            stack.enter_context(warnings.catch_warnings(action="ignore"))
        yield
    ranks.leave()  # after an error the others are not there to part from


def _begun(call: Invocation[TrainConfig]) -> tuple[TrainingRun, Path]:
    """Build a new run, and make its folder."""
    config = call.config
    _give_name(config, call.choices)
    settle_valset(config)
    make_paths_absolute(config)
    training = prepare(config, None)
    _refuse_ignored(training, call.overrides)
    _start(training)
    folder = _new_folder(training, call.folder) if ranks.rank() == 0 else Path()
    return training, ranks.from_first(folder)


def _resumed(call: Invocation[TrainConfig], config: TrainConfig) -> tuple[TrainingRun, Path]:
    """Build a run that was stopped, by the config of its folder, as it was then."""
    folder = Path(str(call.config.resume)).expanduser()
    training = prepare(config, trusted_roots(config.trust))
    if ranks.rank() == 0:
        take_up_run(folder, plain_config(config), call.overrides)
    _take_up(training, folder)
    return training, folder


def _give_name(config: TrainConfig, choices: dict[str, Any]) -> None:
    """Name the run, if it has no name.

    Raises:
        UserError: Its name is a path.
    """
    config.name = config.name or _name(choices, config.scale)
    if Path(config.name).name != config.name:
        raise UserError(f"name must not hold folders, got {config.name}; use run_dir=FOLDER")


def _new_folder(training: TrainingRun, output: Path | None) -> Path:
    """Make the folder of a run, and keep others from it."""
    place = training.config.run_dir or output or make_dated_folder(Path("runs") / training.name)
    return create_run(Path(place).expanduser(), plain_config(training.config), training.device)


def _refuse_ignored(training: TrainingRun, overrides: list[str]) -> None:
    """Refuse what the command line chooses and a model would ignore that learns by itself.

    Raises:
        UserError: There is one.
    """
    ignored = [o for o in overrides if training.state.model.learns and _OF_GRADIENTS.match(o)]
    if ignored:
        raise UserError(
            f"{type(training.state.model).__name__} is not trained by gradients, so it would "
            f"ignore {', '.join(ignored)}"
        )


def _start(training: TrainingRun) -> None:
    """Give the network the weights that ``start`` names, for a run of its own, and say how."""
    path = training.config.start
    if path is not None:
        config = training.config
        for line in start_from(training.state.model, path, config.model, config.trust):
            print(f"start={path}: {line}")


def _name(choices: dict[str, Any], scale: int) -> str:
    """Name a run by what was chosen, as in espcn-deconv-x3 or espcn_t91_x3-deconv."""
    first = str(choices.get("experiment") or choices.get("model"))
    parts = [first, choices.get("upsampler"), None if first.endswith(f"x{scale}") else f"x{scale}"]
    return "-".join(str(part) for part in parts if part)


def _take_up(training: TrainingRun, folder: Path) -> None:
    """Load the state of a run that was stopped; one that was killed before it saved starts anew."""
    path = folder / "last.pt"
    if not path.exists():
        _start(training)
        return
    checkpoint = load(path)
    if "training" not in checkpoint:
        raise UserError(f"{path} holds no training state, so it cannot be resumed")
    if checkpoint.get("fingerprint") != training.fingerprint:
        raise UserError(f"the training images have changed since {folder} was begun")
    check_as_saved(folder, checkpoint["config"], plain_config(training.config))
    try:
        training.state.load_state_dict(checkpoint["training"])
        training.seconds = float(checkpoint.get("seconds", 0.0))  # not in those of older versions
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise UserError(f"{path} does not fit its run: {error!r}".splitlines()[0]) from None
    _tell_longer(training, int(checkpoint["config"]["trainer"]["steps"]))
    before, now = checkpoint.get("info") or {}, training.environment()
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    if changed and not training.done:
        unsaid = {"devices": 1, "parts": 1}
        told = (
            f"{key} was {before.get(key, unsaid.get(key))}, is {now.get(key, unsaid.get(key))}"
            for key in changed
        )
        print(f"the bits may differ from here on: {'; '.join(told)}")


def _tell_longer(training: TrainingRun, planned: int) -> None:
    """Say what the schedule makes of a run that takes more steps than it was saved for."""
    steps, step = training.config.trainer.steps, training.state.step
    if steps == planned:
        return
    training.state.stale = 0  # patience may have ended it before
    said = f"{steps:,} steps instead of {planned:,}"
    if not training.state.model.learns:
        before, after = (training.schedule(min(step, n - 1), n) for n in (planned, steps))
        said += f": from step {step:,} on the learning rate is {after:.3g} of optim.lr, where "
        said += f"{before:.3g} was next"
    print(said)
