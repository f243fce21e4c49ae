"""``srlab data``: the public image sets, listed, fetched and checked.

The arguments are names of sets, so this is no Hydra application; its few keys look like theirs.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from srlab.commands.data.contents import GOOD, states, strangers
from srlab.commands.data.fetch import fetch
from srlab.config.check import did_you_mean
from srlab.console.tables import aligned
from srlab.data.manifest import Manifest, read_manifests
from srlab.data.named import find_set
from srlab.errors import UserError

HELP = """\
srlab data: the public image sets, by name

usage: srlab data list
       srlab data fetch SET [SET ...]
       srlab data check [SET ...]
       srlab data show [data=NAME] [degradation=NAME] [...]

  list   says which there are, and which of them are here
  fetch  downloads them from where they are published and verifies each file's SHA-256; what is
         here already is kept, and what was cut off goes on from there; the pictures of
         drawn120 are not downloaded, but drawn
  check  verifies the files that are here
  show   draws what a training is fed; `srlab data show --help` says how

Keys:

  root=FOLDER  where the sets lie, each in a folder of its name; by default $SRLAB_DATA, or data/
  mirror=URL   download from URL/NAME/FILE, NAME being the set's folder
  jobs=8       downloads at a time

Examples:

  srlab data fetch set5 set14 t91
  srlab data check
"""
_MOST_JOBS = 32


def run(arguments: Sequence[str]) -> None:
    """Do what the command line says.

    Raises:
        UserError: It is not understood, or something cannot be fetched, or is not as published.
    """
    verb = arguments[0] if arguments else "help"
    names = [argument for argument in arguments[1:] if "=" not in argument]
    keys = dict(argument.split("=", 1) for argument in arguments[1:] if "=" in argument)
    if verb in ("-h", "--help", "help") or {"-h", "--help"} & set(names):
        print(HELP, end="")
        return
    allowed = {"list": ["root"], "fetch": ["root", "mirror", "jobs"], "check": ["root"]}
    if verb not in allowed:
        raise UserError(f"srlab data wants list, fetch, check or show, got {verb!r}")
    for key in keys:
        if key not in allowed[verb]:
            raise UserError(
                f"srlab data {verb} has no key {key!r}; it has {', '.join(allowed[verb])}"
            )
    root = Path(keys.get("root") or os.environ.get("SRLAB_DATA") or "data").expanduser()
    sets = read_manifests()
    chosen = {name.lower(): _known(name.lower(), sets) for name in names}
    if verb == "list":
        if names:
            raise UserError(f"srlab data list takes no names, got {names[0]!r}")
        _list(sets, root)
    elif verb == "check":
        _check(chosen or sets, root, bool(chosen))
    else:
        if not chosen:
            raise UserError(f"srlab data fetch wants names of sets: {', '.join(sets)}")
        jobs = keys.get("jobs", "8")
        if not jobs.isdecimal() or not 1 <= int(jobs) <= _MOST_JOBS:
            raise UserError(f"jobs must be a whole number from 1 to {_MOST_JOBS}, got {jobs!r}")
        downloaded = any(not manifest.drawn for manifest in chosen.values())
        if not downloaded and (given := {"mirror", "jobs"} & keys.keys()):
            raise UserError(
                f"{min(given)} is for sets that are downloaded, and {', '.join(chosen)} is drawn"
            )
        fetch(list(chosen.values()), root, keys.get("mirror"), int(jobs))


def _known(name: str, sets: dict[str, Manifest]) -> Manifest:
    if name not in sets:
        raise UserError(
            f"no public set is called {name!r}{did_you_mean(name, sets)}; there are "
            f"{', '.join(sets)}"
        )
    return sets[name]


def _list(sets: dict[str, Manifest], root: Path) -> None:
    """Print the sets, and where they are."""
    rows = [("set", "used to", "files", "MB", "here", "terms", "about")]
    for key, manifest in sets.items():
        folder = find_set(manifest.name, [root])
        here = sum((folder / name).is_file() for name in manifest.names) if folder else 0
        count = len(manifest.names)
        state = "no" if folder is None else "yes" if here == count else f"{here} files"
        size = "drawn" if manifest.drawn else f"{manifest.bytes / 1e6:.1f}"
        facts = (key, manifest.role, str(count), size, state, manifest.terms, manifest.about)
        rows.append(facts)
    print("\n".join(aligned(rows)))
    print(f"\nhere: under {root.resolve()}")
    print("terms: free for any use; for research alone; unknown where nobody says")


def _check(sets: dict[str, Manifest], root: Path, named: bool) -> None:
    """Verify sets: those that were named, or all that are here."""
    rows = [("set", "folder", "files")]
    bad = 0
    for key, manifest in sets.items():
        folder = find_set(manifest.name, [root])
        if folder is None:
            if named:
                raise UserError(f"{manifest.name} is not under {root}: srlab data fetch {key}")
            continue
        found = states(folder, manifest)
        faults = [f"{name} {state}" for name, state in found.items() if state != GOOD]
        faults += [f"{name} is not of the set" for name in strangers(folder, manifest)]
        bad += bool(faults)
        more = f" and {len(faults) - 2} more" if len(faults) > 2 else ""
        good = f"{len(manifest.names)} as {'drawn' if manifest.drawn else 'published'}"
        rows.append((key, str(folder), "; ".join(faults[:2]) + more if faults else good))
    if len(rows) == 1:
        raise UserError(f"there is no public set under {root}: srlab data fetch set5, say")
    print("\n".join(aligned(rows)))
    if bad:
        raise UserError(
            f"{bad} of {len(rows) - 1} sets {'has' if bad == 1 else 'have'} faults; a file that is "
            f"missing, or that you move away, comes by srlab data fetch"
        )
