"""The folder of a run: it explains itself, and two processes never train in it at once."""

import re
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Any

import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from srlab.config.schema import TrainConfig
from srlab.errors import UserError
from srlab.runs.environment import environment_of
from srlab.storage.atomic import remove_abandoned, write_atomically, write_json
from srlab.storage.folders import ensure_folder, lock_folder, make_folder
from srlab.weights import shipped

_TEMPORARY = (".environment.json-", ".config.yaml-")  # names of files that are being written
_FILES = (
    "environment.json", "config.yaml", "last.pt", "best.pt", "results.json", "results.csv",
    "metrics.json", "comparison.png",
)  # fmt: skip

# Where pictures lie: they may have moved; that they are the same is checked.
_PLACE = re.compile(r"(data|valset|testset\.\w+)\.(path|root|lr|hr)")

# What may change when a run is resumed: where it is computed and who loads, not what.
RESUMABLE = (
    "resume", "device", "trust", "trainer.devices", "trainer.workers", "trainer.threads",
)  # fmt: skip

_LONGER = "trainer.steps"  # it may grow

_ABSENT: tuple[tuple[str, Any], ...] = (
    ("valset", {}), ("degradation", {}), ("trainer.even_steps", False), ("model.block", "plain"),
    ("trainer.accumulate", 1), ("trainer.phases", []), ("trainer.freeze", []), ("model.mean", 0.5),
    ("model.border", "mirror"), ("trainer.scales", []), ("data.hardest", 1.0),
)  # fmt: skip


def create_run(folder: Path, config: dict[str, Any], device: torch.device) -> Path:
    """Make a run folder with its config and its environment, and lock it.

    Args:
        folder: The folder.
        config: The config.
        device: Where the run is trained.

    Raises:
        UserError: It is there already with something in it, or it cannot be made.
    """
    _refuse_a_run(folder)
    ensure_folder(folder)
    lock_folder(folder)  # first: what another one is writing is neither removed nor joined
    _refuse_a_run(folder)
    _remove_beginnings(folder)
    make_folder(folder)
    write_json(folder / "environment.json", environment_of(device))
    _write_config(folder, config)
    return folder


def _refuse_a_run(folder: Path) -> None:
    if (folder / "config.yaml").exists():
        raise UserError(f"{folder} is a run already: continue it with resume={quote(str(folder))}")


def _remove_beginnings(folder: Path) -> None:
    """Remove what a run left that was killed while its folder was made: it has no config yet."""
    try:
        files = list(folder.iterdir())
    except OSError:
        return
    if all(f.name == "environment.json" or f.name.startswith(_TEMPORARY) for f in files):
        for file in files:
            file.unlink(missing_ok=True)


def take_up_run(folder: Path, config: dict[str, Any], overrides: list[str]) -> None:
    """Lock the folder of a run that goes on, tidy it, and note what may have changed of it.

    Raises:
        UserError: Another process trains in it, or it cannot be written.
    """
    lock_folder(folder)
    for name in _FILES:  # which a run that was killed had begun to write
        remove_abandoned(folder, name)
    keys = [override.lstrip("+").partition("=")[0] for override in overrides]
    if any(key == _LONGER or _PLACE.fullmatch(key) for key in keys):
        _write_config(folder, config)


def _write_config(folder: Path, config: dict[str, Any]) -> None:
    text = OmegaConf.to_yaml(OmegaConf.create(config))
    write_atomically(folder / "config.yaml", text.encode())


def read_run(folder: Path, overrides: list[str], present: TrainConfig) -> TrainConfig:
    """Read the config of a run that is to be resumed.

    Args:
        folder: The run folder.
        overrides: The present command line's.
        present: What they compose to; the keys that may change are taken from it.

    Raises:
        UserError: The folder is no run, or an override would change what it computes.
    """
    given = [override.lstrip("+~").partition("=")[0] for override in overrides]
    for override, key in zip(overrides, given, strict=True):
        if key not in (*RESUMABLE, _LONGER) and not _PLACE.fullmatch(key):
            raise UserError(
                f"a resumed run keeps its config, so {override} cannot be given with resume=; "
                f"only {', '.join(RESUMABLE[1:])} and where its pictures lie may change, and "
                f"{_LONGER} may grow"
            )
    stored, schema = stored_config(folder), OmegaConf.structured(TrainConfig)
    schema.trainer.even_steps = False  # of a run that was begun before there were such
    try:
        config: Any = OmegaConf.to_object(OmegaConf.merge(schema, stored))
    except (OmegaConfBaseException, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{folder}/config.yaml is damaged: {reason}") from None
    if "device" in given:
        config.device = present.device
    for key in ("devices", "workers", "threads"):
        if f"trainer.{key}" in given:
            setattr(config.trainer, key, getattr(present.trainer, key))
    if _LONGER in given:
        planned, steps = config.trainer.steps, present.trainer.steps
        if steps < planned:
            raise UserError(f"{_LONGER}={steps}: the run takes {planned}, and may only be longer")
        config.trainer.steps = steps
    for place in filter(_PLACE.fullmatch, given):
        _move(config, present, place)
    make_paths_absolute(config)
    return config


def _move(config: TrainConfig, present: TrainConfig, key: str) -> None:
    """Take where pictures lie from the present command line.

    Raises:
        UserError: The run has no such key.
    """
    *nodes, last = key.split(".")
    there, here = asdict(config), asdict(present)
    for node in nodes:
        there, here = there.get(node, {}), here.get(node, {})
    if last not in there:
        raise UserError(f"the run has no {key}")
    group = config.testset[nodes[1]] if nodes[0] == "testset" else getattr(config, nodes[0])
    group[last] = here[last]


def check_unchanged(folder: Path, config: dict[str, Any]) -> None:
    """Check that a config computes what the run in a folder does, be it elsewhere or otherwise.

    Raises:
        UserError: It was made by another one, or its config cannot be read.
    """
    before, now = (dict(_ABSENT) | computed(c) for c in (stored_config(folder), config))
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            raise UserError(
                f"{folder} was made with {key}={before.get(key)}, not {now.get(key)}: "
                f"name another folder, nothing is overwritten"
            )


def check_as_saved(folder: Path, saved: dict[str, Any], config: dict[str, Any]) -> None:
    """Check that a run goes on by the config that its checkpoint was made with.

    What one of them does not have, as of an older version, is left out.

    Raises:
        UserError: The file of the config was damaged, or changed by hand.
    """
    before, now = computed(saved), computed(config)
    for known in (before, now):  # what is even changes the optimizer's groups
        known.setdefault("trainer.even_steps", False)
    for key in sorted(before.keys() & now.keys()):
        if key == _LONGER and now[key] > before[key]:
            continue
        if before[key] != now[key] and not _PLACE.fullmatch(key):
            raise UserError(
                f"{folder}/config.yaml has {key}={now[key]}, but the run was made with "
                f"{before[key]}, as its checkpoint says: put that back"
            )


def computed(config: dict[str, Any]) -> dict[str, Any]:
    """Return what a run computes, by dotted keys: where, and under what name, is left out.

    A run without a validation set, a degradation or even steps has none, whether its config knows
    of such or not.
    """
    flat, others = _flattened(config), (*RESUMABLE, "name", "run_dir")
    return {
        k: v for k, v in flat.items() if k.split("[")[0] not in others and (k, v) not in _ABSENT
    }


def _flattened(node: Any, key: str = "") -> dict[str, Any]:
    """Return the values of nested dicts and lists by their dotted keys."""
    if isinstance(node, dict) and node:
        items = [(f"{key}.{name}" if key else str(name), item) for name, item in node.items()]
    elif isinstance(node, list) and node:
        items = [(f"{key}[{number}]", item) for number, item in enumerate(node)]
    else:
        return {key: node}
    return {k: v for name, item in items for k, v in _flattened(item, name).items()}


def stored_config(folder: Path) -> dict[str, Any]:
    """Return the config of a run as its folder has it, to be read, not to be built from.

    Raises:
        UserError: The folder is no run, or its config is damaged or not plain.
    """
    path = folder / "config.yaml"
    try:
        text = path.read_text(encoding="utf-8")
        if "${" in text:
            raise UserError(f"{path} is not trusted: it holds an interpolation, ${{...}}")
        content = OmegaConf.to_container(OmegaConf.create(text))
    except OSError:
        is_file = folder.is_file() and (folder.parent / "config.yaml").exists()
        hint = f"; its folder is one: {folder.parent}" if is_file else ""
        raise UserError(f"{folder} is not a run: it has no config.yaml{hint}") from None
    except (OmegaConfBaseException, YAMLError, ValueError) as error:
        raise UserError(f"{path} is damaged: {str(error).splitlines()[0]}") from None
    except (AssertionError, RecursionError):  # a value alone; one in another, endless
        content = None
    if not isinstance(content, dict) or "model" not in content:
        raise UserError(f"{path} is damaged: it is not the config of a run")
    return {str(key): value for key, value in content.items()}


def make_paths_absolute(config: TrainConfig) -> None:
    """Let a run be resumed from another folder."""
    if config.start and (config.start not in shipped() or Path(config.start).exists()):
        config.start = str(Path(config.start).expanduser().absolute())
    for node in (config.data, config.valset, *config.testset.values()):
        for key in ("path", "root", "lr", "hr"):
            if isinstance(node, dict) and isinstance(node.get(key), str) and node[key]:
                node[key] = str(Path(node[key]).expanduser().absolute())
