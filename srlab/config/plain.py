"""Configs as plain data, as files hold them."""

from typing import Any

from omegaconf import OmegaConf

from srlab.config.schema import TrainConfig


def plain_settings(config: Any) -> dict[str, Any]:
    """Return the typed config of a measurement as plain data."""
    container = OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def plain_config(config: TrainConfig) -> dict[str, Any]:
    """Return a config as plain data: what a run folder and a checkpoint hold."""
    container = OmegaConf.to_container(OmegaConf.structured(config), enum_to_str=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items() if key not in ("resume", "run_dir")}
