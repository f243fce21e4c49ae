"""Options from outside: installed packages add configs through the entry-point group srlab.configs.

An entry point names the folder of a package that is laid out as ``configs/`` is. The folder is
looked up, the package is not imported: that happens when one of its options is chosen.
"""

from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

from srlab.config.paths import config_dir

GROUP = "srlab.configs"


def config_dirs() -> list[Path]:
    """Return the folders of configs: srlab's own, then those of the plug-ins."""
    return [config_dir(), *_find()[0].values()]


def plugin_faults() -> list[str]:
    """Return a sentence for each plug-in that is broken, or brings what is there already."""
    folders, faults = _find()
    owners = dict.fromkeys(_configs_in(config_dir()), "srlab")
    for name, folder in folders.items():
        for path in _configs_in(folder):
            owner = owners.setdefault(path, name)
            if owner != name:
                faults.append(
                    f"the plug-in {name} brings {path}, which {owner} has already: "
                    f"that of {owner} is used"
                )
    return faults


def option_files() -> dict[str, dict[str, Path]]:
    """Return for each group its options and their files; of equal names the first counts."""
    groups: dict[str, dict[str, Path]] = {}
    for folder in config_dirs():
        for path in folder.glob("*/*.yaml"):
            groups.setdefault(path.parent.name, {}).setdefault(path.stem, path)
    return {group: dict(sorted(options.items())) for group, options in sorted(groups.items())}


def _find() -> tuple[dict[str, Path], list[str]]:
    """Return the folder of each plug-in by the name of its package, and what is wrong."""
    folders: dict[str, Path] = {}
    faults = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (_package(entry), entry.name)):
        try:
            folder = _locate(entry.value.strip())
        except ImportError as error:
            faults.append(f"the plug-in {_package(entry)} is left out: {error}")
            continue
        if folder not in folders.values():
            name = _package(entry)
            folders[name if name not in folders else f"{name} ({entry.name})"] = folder
    return folders, faults


def _package(entry: EntryPoint) -> str:
    """Return the name under which a plug-in was installed."""
    return (entry.dist.name if entry.dist else None) or entry.value.split(".")[0]


def _locate(package: str) -> Path:
    """Return the folder of a dotted package, without importing anything.

    Raises:
        ImportError: There is none.
    """
    first, *rest = package.split(".")
    try:
        spec = find_spec(first) if first else None
    except (ImportError, ValueError) as error:
        raise ImportError(f"its package {first} cannot be found ({error})") from None
    if spec is None:
        raise ImportError(f"its package {first!r} cannot be found")
    places = [Path(place, *rest) for place in spec.submodule_search_locations or ()]
    for place in places:
        if place.is_dir():
            return place.resolve()
    raise ImportError(f"there is no folder {package}" + "".join(f" ({p})" for p in places))


def _configs_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml"))
