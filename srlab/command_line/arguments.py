"""What is done to arguments before Hydra reads them."""

import re
from dataclasses import fields

from srlab.errors import UserError

_COMPONENT_PATH = re.compile(r"(\w+\.)+(path|root)")


def as_hydra_reads(config: str, arguments: list[str]) -> list[str]:
    """Return the arguments of a verb as Hydra is to read them.

    Args:
        config: The name of what they are composed into, as in ``SCHEMAS``; other verbs have none.
        arguments: The command line.

    Raises:
        UserError: A checkpoint and the name of another are given.
    """
    from srlab.config.register import SCHEMAS, uses_network

    if uses_network(config):
        arguments = _by_checkpoint(arguments)
    if config == "convert":  # no field of a config can be called ``from``
        arguments = [re.sub(r"^(\+{0,2})from=", r"\1source=", a) for a in arguments]
    keys = fields(SCHEMAS[config]) if config in SCHEMAS else ()
    paths = {key.name for key in keys if key.metadata.get("path")}
    return [_quoted(argument, paths) for argument in arguments]


def _by_checkpoint(arguments: list[str]) -> list[str]:
    """Let the name of a model that comes with srlab stand for its checkpoint."""
    from srlab.weights import shipped

    names = {f"model={name}": path for name, path in shipped().items()}
    named = [argument for argument in arguments if argument in names]
    given = [argument for argument in arguments if argument.startswith("checkpoint=")]
    if named and given:
        raise UserError(f"give {named[0]} or {given[0]}, not both")
    return [f"checkpoint={names[a]}" if a in names else a for a in arguments]


def _quoted(argument: str, paths: set[str]) -> str:
    """Quote the value of a key that holds a path, so that Hydra takes any file name as it is."""
    key, equals, value = argument.partition("=")
    name = key.lstrip("+")
    plain = re.fullmatch(r"[\w./~:-]*", value, re.ASCII) or "${" in value or value[:1] in "'\""
    if not equals or plain or not (name in paths or _COMPONENT_PATH.fullmatch(name)):
        return argument
    escaped = value.replace("'", "\\'")
    return f"{key}='{escaped}'"
