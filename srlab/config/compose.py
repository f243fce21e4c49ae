"""Options of config groups, composed outside of a verb."""

from functools import cache
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from srlab.config.check import check
from srlab.config.paths import config_dir
from srlab.config.register import register, register_plugins
from srlab.config.schema import TrainConfig


def option_node(group: str, name: str, key: str, scale: int, colour: str = "y") -> dict[str, Any]:
    """Return a checked node of the config of a training that chooses one option.

    Args:
        group: The group, ``upsampler`` or ``model``.
        name: The option.
        key: The node that is wanted: the group's own, or one that the option brings along.
        scale: The factor s.
        colour: ``y`` or ``rgb``.

    Raises:
        ConfigError: The option does not fit the code.
    """
    config = _composed(f"{group}={name}").copy()
    config.scale, config.colour = scale, colour
    node: Any = OmegaConf.to_container(config[key], resolve=True)
    check({key: node})
    return node


def composed_training(overrides: list[str]) -> TrainConfig:
    """Return the config of a training that overrides make, within a verb."""
    node = compose("train", overrides=overrides)
    OmegaConf.resolve(node)
    config: Any = OmegaConf.to_object(node)
    return config


@cache
def _composed(choice: str) -> DictConfig:
    if GlobalHydra.instance().is_initialized():  # within a verb
        return compose("train", overrides=[choice])
    register()
    register_plugins()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("train", overrides=[choice])
