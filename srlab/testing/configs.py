"""The factories that the configs describe: those of srlab and of installed packages."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from srlab.config.build import build
from srlab.config.compose import option_node
from srlab.config.plugins import option_files
from srlab.models.base import Model, UpsamplerFactory
from srlab.testing.models import ModelFactory


def upsampler_configs() -> Iterator[tuple[str, UpsamplerFactory]]:
    """Yield name and factory of every ``upsampler=NAME``; a config is read when it is used."""
    for name in option_files()["upsampler"]:
        yield name, partial(_make_upsampler, name)


def model_configs() -> Iterator[tuple[str, ModelFactory, UpsamplerFactory]]:
    """Yield name, factory and default upsampler of every ``model=NAME``.

    A model whose config names no upsampler is made without the one that its factory is given.
    """
    for name in option_files()["model"]:
        yield name, partial(_make_model, name), partial(_make_default_upsampler, name)


def _make_upsampler(name: str, in_channels: int, out_channels: int, scale: int) -> Any:
    node = option_node("upsampler", name, "upsampler", scale)
    return build(node, "upsampler")(in_channels, out_channels, scale)


def _make_default_upsampler(model: str, in_channels: int, out_channels: int, scale: int) -> Any:
    node = option_node("model", model, "model", scale)["upsampler"]
    return build(node, "upsampler")(in_channels, out_channels, scale)


def _make_model(name: str, upsampler: UpsamplerFactory, scale: int, channels: int) -> Model:
    node = option_node("model", name, "model", scale, "y" if channels == 1 else "rgb")
    given = {"upsampler": upsampler} if "upsampler" in node else {}
    body = {key: value for key, value in node.items() if key not in given}
    return build(body | {"_partial_": True}, "model")(**given)
