"""The verbs as Hydra applications, and a sweep as two of them: a plan, and a multirun.

Nothing is imported here that loads torch: completion is answered by the same applications.
"""

import shlex
import signal
import sys
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from srlab.config.paths import config_dir
from srlab.config.register import prepare_process
from srlab.errors import Interrupted, UserError


def run_sweep(arguments: list[str]) -> None:
    """Plan a sweep from its first run's config, then let Hydra's multirun make what is missing."""
    from srlab.commands.sweep.launchers import check_launcher
    from srlab.commands.sweep.plan import finish, split_axes

    arguments = [a for a in arguments if a not in ("-m", "--multirun")]
    flags = [a for a in arguments if a.startswith("-") or ("=" not in a and a[:1] != "~")]
    fixed, axes = split_axes(a for a in arguments if a not in flags)
    check_launcher(fixed.get("hydra/launcher", "").partition("=")[2])
    first = [f"{key}={values[0]}" for key, values in axes.items()]
    command = shlex.join(["srlab", "sweep", *arguments])
    plan = run_application(
        "sweep", "sweep", [*flags, *fixed.values(), *first], fixed, axes, command
    )
    if plan is None:  # asked for help, or for the config
        return
    if plan.missing:
        _multirun(["--multirun", *flags, *plan.arguments])
    finish(plan)


def _multirun(arguments: list[str]) -> None:
    """Make the runs of a sweep; a signal that comes between them, or beside them, ends all."""
    numbers = [signal.SIGINT]

    def leave(number: int, _: Any) -> None:
        numbers.append(signal.Signals(number))
        raise KeyboardInterrupt  # past Hydra, and a launcher ends its processes

    before = signal.signal(signal.SIGTERM, leave)
    try:
        run_application("sweep_run", "train", arguments)
    except KeyboardInterrupt:
        said = "srlab: stopped; the same command goes on with the sweep"
        raise Interrupted(said, 128 + numbers[-1]) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def run_application(verb: str, primary: str, arguments: list[str], *more: Any) -> Any:
    """Run a verb as a Hydra app.

    Args:
        verb: Name of the module in ``srlab.commands``.
        primary: Its primary config.
        arguments: The command line.
        more: What the verb is told besides.
    """
    prepare_process()
    endings: list[Exception] = []
    answers: list[Any] = []
    sys.argv = [f"srlab {verb.replace('_', ' ')}", *arguments]

    @hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=primary)
    def task(config: DictConfig):
        """Hand the composed config on, and keep what ends a single run from Hydra's own report."""
        from srlab.commands.entry import run_verb

        prepare_process()  # a launcher may have started another one
        hydra_config = HydraConfig.get()
        multirun = hydra_config.mode == RunMode.MULTIRUN
        try:
            answer = run_verb(verb, config, hydra_config, *more)
            answers.append(answer)
            return answer
        except (UserError, Interrupted, BrokenPipeError) as error:
            if multirun and isinstance(error, Interrupted):  # leave the other jobs alone, too
                print(error, file=sys.stderr)
                sys.exit(error.exit_code)
            if multirun:
                raise
            endings.append(error)  # raised again below, past Hydra's own report
            return None

    task()
    if endings:
        raise endings[0]
    return answers[0] if answers else None
