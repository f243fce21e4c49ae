"""Building components from config nodes: the one place that calls ``instantiate``."""

import warnings
from typing import Any

from hydra.errors import HydraException
from hydra.utils import instantiate

from srlab.errors import CheckerboardWarning, ConfigError, UserError


def without_warning() -> warnings.catch_warnings:
    """Return a context in which upsamplers are built without the warning of a checkerboard.

    For what was chosen before, or is made only to be compared.
    """
    return warnings.catch_warnings(action="ignore", category=CheckerboardWarning)


def build(node: dict[str, Any], key: str) -> Any:
    """Build what a checked node names.

    Args:
        node: A plain dict with a ``_target_``, already held against its signature by ``check``.
        key: Where the node stands in the config, for messages.

    Raises:
        ConfigError: The component refuses a value, or the group was left empty.
    """
    if "_target_" not in node:
        raise ConfigError(f"{key} is empty: choose one, as in {key}=...")
    try:
        return instantiate(node, _convert_="all")
    except HydraException as error:
        cause = error.__cause__
        while isinstance(cause, HydraException):
            cause = cause.__cause__
        if isinstance(cause, UserError | OSError):
            raise cause from None
        if isinstance(cause, ValueError | TypeError):
            raise ConfigError(f"{key}: {cause}") from None
        raise
