"""Plain sentences for what Hydra finds wrong, and for warnings."""

import re
import sys
import warnings
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import OverrideParseException

from srlab.config.check import did_you_mean
from srlab.config.plugins import option_files
from srlab.config.register import SCHEMAS, uses_network
from srlab.config.schema import PhaseConfig
from srlab.weights import FREE, scales_of, shipped

_SHOWN = 200  # letters of a word
_LIKELY = ("trainer.", "optim.", "upsampler.", "model.")  # where what several groups have is meant
_LISTS = {
    "trainer.phases": "[{step: 5000, patch_size: 32}]", "trainer.scales": "[2,3,4]",
    "trainer.freeze": "[body]",
}  # fmt: skip

# What trains one like a model of free pictures, where its experiment does not have them itself.
_FREE_DATA = {
    "compact": " data=free24_drawn",
    "espcn": " data=free9",
    "photo": " data=free24_drawn optim.lr=1e-3",
}


def explain(verb: str, complaint: str) -> str | None:
    """Turn Hydra's complaint about an unknown group, option or key into a sentence.

    Returns None for other complaints.
    """
    option = re.search(r"Could not (?:find|load) '([^']+)/([^'/]+)'", complaint)
    if option:
        group, name = option.groups()
        groups = option_files()
        options = groups.get(group, {})
        if not options:
            return f"there is no group {group!r}{did_you_mean(group, groups)}"
        if group == "model" and name in shipped():
            family, _, scale = name.rpartition("_x")
            kind = family.removesuffix(FREE)
            data = _FREE_DATA.get(kind, "") if kind != family else ""
            made = f"experiment=shipped_{kind} scale={scale}{data}"
            network = kind if kind in options else "compact"
            return (
                f"{name} is trained already: train on from it by {made} start={name}, or one like "
                f"it by {made}; model={network} is a network of its kind"
            )
        if group == "model" and (scales := scales_of(name)):
            models = ", ".join(f"model={name}_x{scale}" for scale in scales)
            return f"{name} comes along for several scales: {models}"
        named = [*options, *(shipped() if group == "model" and uses_network(verb) else ())]
        meant = did_you_mean(name, named) or ";"
        return f"{group} has no option {name!r}{meant} it has {', '.join(named)}"
    key = re.search(r"Could not override '([^']+)'", complaint)
    if key is None:
        key = re.search(
            r"Key '([^']+)' not in '\w+Config'",
            complaint,
        )
        place = re.match(r"In '([^']+)'", complaint)
        if key is None:
            return None
        full = re.search(r"full_key: (\S+)", complaint)
        name = full.group(1) if full else key.group(1)
        where = f" (in {place.group(1)}.yaml)" if place else ""
        return f"there is no key {name!r}{did_you_mean(name, known_keys(verb))}{where}"
    return unknown_key(verb, key.group(1))


def unknown_key(verb: str, name: str) -> str:
    """Say that a verb has no such key, and which one may have been meant."""
    known = known_keys(verb)
    if name == "trainer.lr_factors":
        return f"{name} takes new keys with a plus: '+{name}={{body.0: 0.1}}'"
    if name == "trainer.phases" and name in known:
        return f"each of {name} has {', '.join(item.name for item in fields(PhaseConfig))} alone"
    if name in known:
        return f"{name} is a key of another {name.split('.')[0]} than the one that is chosen"
    within = [key for key in known if key.rpartition(".")[2] == name]
    within.sort(key=lambda key: (not key.startswith(_LIKELY), key))
    meant = f"; did you mean {within[0]!r}?" if within else did_you_mean(name, known)
    return f"there is no group or key {name!r}{meant}"


def _too_many(verb: str, key: str, value: str) -> str:
    """Say how several values are given where Hydra would take them for several runs."""
    first = re.split("[.@/]", key.lstrip("+"))[0]  # what is within it, another option may have
    if first not in {"hydra", *known_keys(verb), *option_files()}:
        return unknown_key(verb, key)
    runs = f"srlab {verb.replace('_', ' ')} -m {key}={value} is a run for each"
    if verb not in ("train", "evaluate"):
        return f"{key}={value} are several values: where it takes a list, write '{key}=[{value}]'"
    if "@" in key or "/" in key or key in option_files().keys() - {"testset"}:
        return f"{key}={value} are several where one is taken; {runs}"
    return f"{key}={value} are several values: '{key}=[{value}]' is a list of them, and {runs}"


def known_keys(verb: str) -> set[str]:
    """Return the dotted keys that a verb's config may have, with whatever options are chosen."""
    keys = set(_schema_keys(SCHEMAS[verb], ""))
    for group, options in option_files().items():
        if group in keys:
            found = {str(key) for path in options.values() for key in _top_keys(path)}
            keys |= {f"{group}.{key}" for key in found if not key.startswith("_")}
    return keys


def _top_keys(path: Path) -> Iterable[Any]:
    """Return the keys of a YAML file; none if it cannot be read: Hydra will say so, if chosen."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return []
    return content if isinstance(content, dict) else []


def _schema_keys(schema: type, prefix: str) -> Iterable[str]:
    for item in fields(schema):
        yield prefix + item.name
        if is_dataclass(item.type) and isinstance(item.type, type):
            yield from _schema_keys(item.type, f"{prefix}{item.name}.")


def show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """Tell our own warnings in a sentence, and others as Python does."""
    from srlab.errors import CheckerboardWarning, DepthWarning

    if issubclass(category, (CheckerboardWarning, DepthWarning)):
        print(f"srlab: {message}", file=sys.stderr)
    else:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        print(text, end="", file=file or sys.stderr)


def sentence(verb: str, arguments: list[str], error: Exception) -> str:
    """Say in a sentence what Hydra or OmegaConf found wrong; of endless words the beginning."""
    long_word = rf"(\S{{{_SHOWN}}})\S+"
    return re.sub(long_word, r"\1...", _sentence(verb, arguments, error))


def _sentence(verb: str, arguments: list[str], error: Exception) -> str:
    text = str(error)
    if isinstance(error, OverrideParseException):
        said = re.search(r"while evaluating '.*': (.*)", text)
        why = f" ({said[1]})" if said else ""
        return (
            f"{error.override!r} cannot be read as key=value{why}; a value with spaces, "
            f"brackets or quotes in it is written as \"key='...'\""
        )
    if "Could not override 'upsampler'" in text:
        if any(a.startswith(("checkpoint=", "models=")) for a in arguments):
            return "a checkpoint has its upsampler; srlab convert gives it another"
        if not any(a.startswith("model=") for a in arguments):
            return "upsampler=... goes with a model: add model=NAME"
        model = next((a for a in arguments if a.startswith("model=")), "the model")
        return f"{model} takes no upsampler: it would ignore upsampler=..."
    if several := re.search(r"Ambiguous value for argument '([^=]+)=([^']*)'", text):
        return _too_many(verb, *several.groups())
    cause = str(error.__cause__ or "")
    explained = explain(verb, text) or explain(verb, cause)
    if explained is not None:
        return explained
    if text.startswith("Error merging override"):
        override = text.splitlines()[0].removeprefix("Error merging override ")
        rounded = re.search(r"=\d+(e\d+|\.0+|,\d+|k)$", override)
        key, hint = override.lstrip("+").partition("=")[0], ""
        if key in _LISTS:
            whole = "whole numbers" if "to Integer" in cause else "a list"
            return f"{override}: it takes {whole}, as {_LISTS[key]}"
        if "to Integer" in cause:
            hint = "; write whole numbers as 10_000" if rounded else "; it takes a whole number"
        return f"{override}: {cause.splitlines()[0] if cause else 'it does not fit'}{hint}"
    return text.strip()
