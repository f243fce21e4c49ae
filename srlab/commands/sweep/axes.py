"""What a command line fixes for all runs of a sweep, and what it varies."""

from collections.abc import Iterable

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override

from srlab.errors import UserError


def split_axes(overrides: Iterable[str]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Split overrides into those that are fixed, and axes with their values, both by their keys.

    Raises:
        UserError: An axis is not a list of values.
    """
    fixed, axes = {}, {}
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.get_key_element()
        if override.is_sweep_override():
            axes[key] = _values(override)
        else:
            fixed[key] = str(override.input_line)
    return fixed, axes


def _values(override: Override) -> list[str]:
    listed = override.is_choice_sweep() or override.is_range_sweep()
    if not listed or isinstance(override.value(), Glob):
        raise UserError(f"{override.input_line}: an axis is a list of values, as in seed=0,1,2")
    return list(dict.fromkeys(override.sweep_string_iterator()))
