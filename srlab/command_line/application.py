"""The verbs as Hydra applications.

Nothing is imported here that loads torch: completion is answered by the same applications.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, MissingMandatoryValue, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from srlab.command_line.complaints import unknown_key
from srlab.command_line.invocation import Invocation
from srlab.config.paths import config_dir
from srlab.config.plugins import option_files
from srlab.config.ranges import check_numbers_alone
from srlab.config.register import prepare_process
from srlab.config.schema import TrainerConfig
from srlab.errors import ConfigError, Interrupted, UserError

Run = Callable[[Invocation[Any]], Any]


def run_application(
    name: str, primary: str, arguments: list[str], function: Callable[[], Run]
) -> Any:
    """Run a verb as a Hydra app, and return what it returns; None if Hydra only prints.

    Args:
        name: What the help calls it.
        primary: Its primary config.
        arguments: The command line.
        function: Imports the function that is called with the ``Invocation``.
    """
    prepare_process()
    if primary == "train" and {"-m", "--multirun", "hydra.mode=MULTIRUN"} & set(arguments):
        _refuse_one_folder(arguments)
    endings, begun, answers = list[Exception](), list[bool](), list[Any]()
    sys.argv = [f"srlab {name}", *arguments]

    @hydra.main(version_base="1.3", config_path=str(config_dir()), config_name=primary)
    def task(config: DictConfig):
        """Hand the composed config on, and keep what ends a single run from Hydra's own report."""
        prepare_process()  # a launcher may have started another one
        hydra_config = HydraConfig.get()
        multirun = hydra_config.mode == RunMode.MULTIRUN
        try:
            begun.append(True)
            call = _invocation(config, hydra_config)
            if primary == "train":
                check_numbers_alone(call.config, call.overrides)  # before torch is imported
            answer = function()(call)
            answers.append(answer)
            return answer
        except Exception as error:
            if multirun and isinstance(error, Interrupted):  # leave the other jobs alone, too
                print(error, file=sys.stderr)
                sys.exit(error.exit_code)
            if multirun:
                raise
            endings.append(error)  # raised again below, past Hydra's own report
            return None

    with _told_of_composing(begun), _composed_once(arguments):
        task()
    if endings:
        raise endings[0]
    return answers[0] if answers else None


@contextmanager
def idle(owner: type, method: str) -> Iterator[None]:
    """Let a method of Hydra's do nothing while the body runs: what it finds out is known."""
    usual = getattr(owner, method)
    setattr(owner, method, lambda *_, **__: None)
    try:
        yield
    finally:
        setattr(owner, method, usual)


def _composed_once(arguments: Iterable[str]) -> AbstractContextManager[None]:
    """Keep Hydra from composing everything once more, only to see whether hydra.mode is given."""
    if any("hydra" in argument and "mode" in argument for argument in arguments):
        return nullcontext()
    return idle(Hydra, "get_mode")


@contextmanager
def _told_of_composing(begun: list[bool]) -> Iterator[None]:
    """Turn what Hydra stumbles over before a verb has begun into a sentence.

    Raises:
        ConfigError: It did, in no words of its own.
    """
    try:
        yield
    except (UserError, Interrupted, HydraException, OmegaConfBaseException, OSError):
        raise
    except Exception as error:
        if begun:
            raise
        said = (str(error) or type(error).__name__).splitlines()[0]
        raise ConfigError(f"the command line cannot be read: {said}") from None


def _invocation(config: DictConfig, hydra: Any) -> Invocation[Any]:
    """Return what a verb is called with.

    Args:
        config: What Hydra composed.
        hydra: Hydra's own node: choices, overrides, folders.

    Raises:
        ConfigError: A mandatory value is missing, or a key was added that nothing reads.
    """
    try:
        OmegaConf.resolve(config)
        typed: Any = OmegaConf.to_object(config)
    except MissingMandatoryValue as error:
        key = getattr(error, "full_key", None) or "a key"
        raise ConfigError(f"{key} is missing: add {key}=...") from None
    overrides = list(hydra.overrides.task)
    _refuse_lists(overrides)
    _refuse_additions(hydra.job.config_name, config, type(typed))
    choices = dict(hydra.runtime.choices)
    if hydra.mode == RunMode.MULTIRUN:
        folder, together = Path(hydra.runtime.output_dir), Path(hydra.sweep.dir)
        return Invocation(typed, choices, overrides, folder, together)
    # Hydra's own sweeper: others have no such axes.
    grid = hydra.sweeper.params if hydra.job.config_name in ("sweep", "tune") else None
    return Invocation(typed, choices, overrides, sweeper=dict(grid or {}))


def _refuse_lists(overrides: Iterable[str]) -> None:
    """Refuse several options where one counts: Hydra would mix them, and the last would win."""
    groups = option_files().keys() - {"testset", "experiment"}
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        if key in groups and value.startswith("[") and "," in value:
            raise ConfigError(
                f"{override}: one {key} is chosen; several are compared by "
                f"srlab sweep {key}={value.strip('[]')}"
            )


def _refuse_one_folder(arguments: Iterable[str]) -> None:
    """Refuse one run folder for several runs: the second would find the first one's."""
    try:
        overrides = OverridesParser.create().parse_overrides(
            [argument for argument in arguments if not argument.startswith("-")]
        )
    except HydraException:
        return  # Hydra is about to tell
    folders = [o for o in overrides if o.key_or_group == "run_dir" and "$" not in str(o.value())]
    several = [o for o in overrides if o.is_sweep_override() and o not in folders]
    if several and folders and folders[0].value():
        named = folders[0].get_value_string().strip("'")
        raise ConfigError(
            f"run_dir={named} is the folder of one run, and -m trains several: leave it out, or "
            f"take srlab sweep, whose runs lie together in sweep_dir=FOLDER"
        )


def _refuse_additions(primary: str, config: DictConfig, schema: type) -> None:
    """Refuse keys that ``+key=value`` added where only those of the schema are read."""
    known = {item.name for item in fields(schema)}
    added = [str(key) for key in config if key not in known]
    if "trainer" in known:
        inner = {item.name for item in fields(TrainerConfig)}
        added += [f"trainer.{key}" for key in config["trainer"] if key not in inner]
    if added:
        raise ConfigError(unknown_key(primary, added[0]))
