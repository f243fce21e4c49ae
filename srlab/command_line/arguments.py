"""What is done to arguments before Hydra reads them."""

import re
from contextlib import suppress
from dataclasses import fields
from pathlib import Path

from srlab.command_line.several import one_by_one, parts_of, with_lists
from srlab.errors import ConfigError, UserError

_COMPONENT_PATH = re.compile(r"(\w+\.)+(path|root)|(data|valset|testset\.\w+)\.(lr|hr)")
_KEY = re.compile(r"[~+]{0,2}[A-Za-z_][\w.@/-]*")  # what stands before an =; others are file names
_OF_A_SWEEP = re.compile(r"(choice|range|interval|glob|shuffle|sort|tag)\(")

# What a word without a key is, for verbs where it can be one thing only.
_WORDS = {
    "upscale": "input",
    "evaluate": "checkpoint",
    "describe": "checkpoint",
    "export": "checkpoint",
    "convert": "checkpoint",
    "report": "sweep",
    "bench_upscale": "checkpoint",
    "bench_evaluate": "checkpoint",
}

# Hydra's own options, and of those that take a value which ones it may be, if not any.
_FLAGS = {
    "--help",
    "-h",
    "--hydra-help",
    "--version",
    "--resolve",
    "--run",
    "-r",
    "--multirun",
    "-m",
}
_VALUED = {
    "--cfg": ("job", "hydra", "all"),
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
    "--package": (),
    "--config-dir": (),
    "--config-name": (),
    "--config-path": (),
}
_SHORT = {
    "-c": "--cfg",
    "-i": "--info",
    "-p": "--package",
    "-cd": "--config-dir",
    "-cn": "--config-name",
    "-cp": "--config-path",
}


def as_hydra_reads(config: str, arguments: list[str]) -> list[str]:
    """Return the arguments of a verb as Hydra is to read them.

    Args:
        config: The name of what they are composed into, as in ``SCHEMAS``; other verbs have none.
        arguments: The command line.

    Raises:
        UserError: Words or options are not understood, or two things are given where one counts.
    """
    from srlab.config.register import SCHEMAS, uses_network

    if config not in SCHEMAS:
        return arguments
    flags, rest = _split_flags(arguments)
    rest = _with_keys(config, rest)
    several = config in ("sweep", "tune") or bool({"-m", "--multirun"} & set(flags))
    if config in ("evaluate", "report") and not several:
        rest = with_lists(rest, _as_text, config == "report")
    if uses_network(config):
        rest = _by_checkpoint([one_by_one(a) for a in rest] if several else rest)
    if config == "convert":  # no field of a config can be called ``from``
        rest = [re.sub(r"^(\+{0,2})from=", r"\1source=", a) for a in rest]
    kinds = {key.name: str(key.type) for key in fields(SCHEMAS[config])}
    texts = {name for name, kind in kinds.items() if kind in ("<class 'str'>", "str | None")}
    texts |= {"input", "checkpoint"} & kinds.keys()  # of which there may be several
    lists = {name for name, kind in kinds.items() if kind == "list[str]"}
    rest = [_listed(a, lists) for a in rest if not _is_left_out(config, a)]
    if any(a.startswith("resume=") for a in rest):  # the run has options of its own
        rest = [f"++{a}" if _COMPONENT_PATH.match(a) else a for a in rest]
    return [*flags, *(_quoted(a, texts, several) for a in rest)]


def _split_flags(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Split off Hydra's own options with their values.

    Raises:
        UserError: One is not known, or its value.
    """
    flags, rest = [], []
    coming = iter(arguments)
    for argument in coming:
        if not argument.startswith("-"):
            rest.append(argument)
            continue
        flag, equals, value = argument.partition("=")
        flag = _SHORT.get(flag, flag)
        if flag in _FLAGS and not equals:
            flags.append(flag)
        elif flag in _VALUED:
            value = value if equals else next(coming, "all" if flag == "--info" else "")
            if not value or (_VALUED[flag] and value not in _VALUED[flag]):
                wanted = " or ".join(_VALUED[flag]) or "a value"
                raise UserError(f"{argument} wants {wanted}{_how()}")
            flags += [flag, value]
        else:
            raise UserError(f"there is no option {argument}{_how()}")
    return flags, rest


def _how() -> str:
    return "; keys are written as key=value, as in input=photo.png or optim.lr=1e-4"


def _is_path(text: str) -> bool:
    """Tell whether a text is the path of something that is there."""
    with suppress(OSError):  # a list of files is longer than any name may be
        return "/" in text and Path(text).exists()
    return False


def _with_keys(config: str, arguments: list[str]) -> list[str]:
    """Give words the key that they can only be meant for.

    Raises:
        UserError: The verb has none, or the key is given besides.
    """
    key = _WORDS.get(config)
    words = [a for a in arguments if not _is_key(a) or (key and _is_path(a))]
    if not words:
        return arguments
    if key is None:
        raise UserError(f"{words[0]!r} is no key=value; a run goes on by resume=RUN{_how()}")
    if config == "report" and (len(words) > 1 or _is_network(words[0])):
        key = "checkpoint"
    rest = [a for a in arguments if a not in words]
    if any(a.startswith(f"{key}=") for a in rest):
        raise UserError(f"give {words[0]!r} or {key}=..., not both")
    if len(words) == 1:
        return [f"{key}={_as_text(words[0])}", *rest]
    if config not in ("upscale", "evaluate", "report"):
        raise UserError(f"one {key} at a time, not {', '.join(words)}")
    return [f"{key}=[{','.join(map(_as_text, words))}]", *rest]


def _is_network(word: str) -> bool:
    """Tell whether a word names a checkpoint or a run, and no sweep."""
    with suppress(OSError):
        return Path(word).is_file() or (Path(word) / "config.yaml").exists()
    return False


def _is_key(argument: str) -> bool:
    """Tell whether an argument is ``key=value``, or deletes a key."""
    key, equals, _ = argument.partition("=")
    return bool(_KEY.fullmatch(key)) and (bool(equals) or argument[:1] == "~")


def _by_checkpoint(arguments: list[str]) -> list[str]:
    """Let the name of a model that comes with srlab stand for its checkpoint."""
    from srlab.weights import shipped

    names = {f"model={name}": path for name, path in shipped().items()}
    named = [argument for argument in arguments if argument in names]
    given = [argument for argument in arguments if argument.startswith("checkpoint=")]
    if named and given:
        raise UserError(f"give {named[0]} or {given[0]}, not both")
    return [f"checkpoint={names[a]}" if a in names else a for a in arguments]


def _is_left_out(config: str, argument: str) -> bool:
    """Tell whether an argument says of a group that none of its options is chosen, as is so anyway.

    Raises:
        ConfigError: One must be chosen.
    """
    from srlab.config.plugins import option_files
    from srlab.config.register import default_choices

    group, equals, value = argument.partition("=")
    if not equals or value not in ("null", "", "none", "false"):
        return False
    options = option_files().get(group)
    if options is None or value in options:
        return False
    defaults = default_choices(config)
    if group in defaults and defaults[group] is not None:
        raise ConfigError(f"{argument}: one {group} is chosen, of {', '.join(options)}")
    return True


def _listed(argument: str, lists: set[str]) -> str:
    """Let one name stand for a list of one."""
    key, equals, value = argument.partition("=")
    if not equals or key.lstrip("+") not in lists or value[:1] == "[" or value in ("", "null"):
        return argument
    return f"{key}=[{value}]"


def _quoted(argument: str, texts: set[str], several: bool) -> str:
    """Quote the value of a key that holds a text, so that Hydra takes it as it is.

    Where several values make several runs a comma stands between them, and what needs no quotes
    gets none: the texts name the folder of a sweep.
    """
    key, equals, value = argument.partition("=")
    name = key.lstrip("+")
    if not equals or not (name in texts or _COMPONENT_PATH.fullmatch(name)):
        return argument
    if value in ("", "null") or "${" in value or _is_quoted(value) or _is_list(value):
        return argument
    if not several:
        return f"{key}={_as_text(value)}"
    if _OF_A_SWEEP.match(value):
        return argument
    parts = [p if _is_plain(p) or _is_quoted(p) else _as_text(p) for p in parts_of(value)]
    return f"{key}={','.join(parts)}"


def _is_quoted(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] and value[0] in "'\""


def _is_list(value: str) -> bool:
    return value[:1] == "[" and value[-1:] == "]"


def _is_plain(value: str) -> bool:
    """Tell whether Hydra reads a value as this very text, unquoted."""
    letters = re.fullmatch(r"[\w./:-]*", value, re.ASCII)
    return letters is not None and not re.fullmatch(
        r"[\d_.eE+-]+|(?i:nan|inf|true|false|null)", value
    )


def _as_text(value: str) -> str:
    """Return a quoted string of Hydra's grammar: backslashes count before a quote only.

    Nothing in it is looked up: ``${`` stands for itself.
    """
    value = value.replace("${", "\\${")
    escaped = re.sub(r"(\\*)('|$)", lambda m: 2 * m[1] + ("\\'" if m[2] else ""), value)
    return f"'{escaped}'"
