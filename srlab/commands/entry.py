"""From a composed Hydra config to the typed config of a verb."""

import importlib
from typing import Any

from omegaconf import DictConfig, MissingMandatoryValue, OmegaConf

from srlab.config.check import ConfigError


def run_verb(
    verb: str, config: DictConfig, runtime: Any, overrides: list[str], multirun: bool
) -> float | None:
    """Run a verb.

    Args:
        verb: Name of the module in ``srlab.commands``.
        config: What Hydra composed.
        runtime: Hydra's ``runtime`` node: choices and output folder.
        overrides: The command line's overrides.
        multirun: Whether this is one job of several.

    Raises:
        ConfigError: A mandatory value is missing.
    """
    try:
        OmegaConf.resolve(config)
        typed = OmegaConf.to_object(config)
    except MissingMandatoryValue as error:
        key = getattr(error, "full_key", None) or "a key"
        raise ConfigError(f"{key} is missing: add {key}=...") from None
    command = importlib.import_module(f"srlab.commands.{verb}")
    if verb == "train":
        output = runtime.output_dir if multirun else None
        return command.run(typed, dict(runtime.choices), list(overrides), output)
    return command.run(typed)
