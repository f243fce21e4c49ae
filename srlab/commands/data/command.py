"""``srlab data``: the public image sets, listed, fetched and checked.

The arguments are names of sets, so this is no Hydra application; its few keys look like theirs.
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from urllib.parse import quote

from srlab.config.check import did_you_mean
from srlab.console.progress import show_progress
from srlab.console.tables import aligned
from srlab.data.download import Stopped, download, sha256_of
from srlab.data.manifest import Manifest, PublishedFile, read_manifests
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
         here already is kept, and what was cut off goes on from there
  check  verifies the files that are here
  show   draws what a training is fed; `srlab data show --help` says how

Keys:

  root=FOLDER  where the sets lie, each in a folder of its name; by default $SRLAB_DATA, or data/
  mirror=URL   fetch from URL/NAME/FILE, NAME being the set's folder
  jobs=8       files at a time

Examples:

  srlab data fetch set5 set14 t91
  srlab data check
"""
_MOST_JOBS = 32


@dataclass(frozen=True)
class Wanted:
    """A file that is to be fetched.

    Args:
        url: Where from.
        place: Where to.
        file: What is published about it.
    """

    url: str
    place: Path
    file: PublishedFile


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
        _fetch(list(chosen.values()), root, keys.get("mirror"), int(jobs))


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
        here = sum((folder / file.name).is_file() for file in manifest.files) if folder else 0
        count = len(manifest.files)
        state = "no" if folder is None else "yes" if here == count else f"{here} files"
        size = f"{manifest.bytes / 1e6:.1f}"
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
        states = {file.name: _state(folder / file.name, file) for file in manifest.files}
        faults = [f"{name} {state}" for name, state in states.items() if state != "good"]
        faults += [f"{name} is not of the set" for name in _strangers(folder, manifest)]
        bad += bool(faults)
        more = f" and {len(faults) - 2} more" if len(faults) > 2 else ""
        good = f"{len(manifest.files)} as published"
        rows.append((key, str(folder), "; ".join(faults[:2]) + more if faults else good))
    if len(rows) == 1:
        raise UserError(f"there is no public set under {root}: srlab data fetch set5, say")
    print("\n".join(aligned(rows)))
    if bad:
        raise UserError(
            f"{bad} of {len(rows) - 1} sets {'is' if bad == 1 else 'are'} not as published; a file "
            f"that is missing, or that you move away, is fetched by srlab data fetch"
        )


def _state(path: Path, file: PublishedFile) -> str:
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != file.bytes:
        return "is another"
    with path.open("rb") as content:
        return "good" if sha256_of(content) == file.sha256 else "is another"


def _strangers(folder: Path, manifest: Manifest) -> list[str]:
    """Return the images in a set's folder that are not of the set: they would be used as such."""
    from srlab.imaging.files import SUFFIXES  # brings torch

    known = {file.name for file in manifest.files}
    return sorted(
        path.name for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and path.name not in known and path.is_file()
    )  # fmt: skip


def _fetch(sets: Sequence[Manifest], root: Path, mirror: str | None, jobs: int) -> None:
    """Download what is missing of the sets."""
    wanted: list[Wanted] = []
    rows = []
    for manifest in sets:
        folder = find_set(manifest.name, [root]) or root / manifest.name
        base = f"{mirror.rstrip('/')}/{quote(manifest.name)}/" if mirror else manifest.base_url
        missing = _missing(manifest, folder)
        wanted += [Wanted(base + quote(file.name), folder / file.name, file) for file in missing]
        count = f"{len(manifest.files)} files, {len(missing)} of them new"
        rows.append((manifest.name, count, f"{manifest.bytes / 1e6:.1f} MB", str(folder)))
    for folder in {task.place.parent for task in wanted}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot make {folder}: {error.strerror}") from None
    _download_all(wanted, jobs)
    print("\n".join(aligned(rows)))


def _missing(manifest: Manifest, folder: Path) -> list[PublishedFile]:
    """Return what is not in a set's folder.

    Raises:
        UserError: Something else is there.
    """
    if not folder.is_dir():
        return list(manifest.files)
    states = {file: _state(folder / file.name, file) for file in manifest.files}
    others = [file.name for file, state in states.items() if state == "is another"]
    others += _strangers(folder, manifest)
    if others:
        raise UserError(
            f"{folder / others[0]} is not of the published {manifest.name}: move it away, or fetch "
            f"to another place by root=FOLDER"
        )
    return [file for file, state in states.items() if state == "is missing"]


def _download_all(wanted: Sequence[Wanted], jobs: int) -> None:
    """Download files, several at a time, and say how far it is.

    Raises:
        UserError: One of them cannot be had; those that have arrived are kept.
    """
    stop, counted = Event(), Lock()
    arrived = 0

    def received(more: int) -> None:
        nonlocal arrived
        with counted:
            arrived += more

    def fetch(task: Wanted) -> None:
        with suppress(Stopped):
            download(task.url, task.place, task.file.bytes, task.file.sha256, received, stop)

    total = sum(task.file.bytes for task in wanted)
    with ThreadPoolExecutor(jobs, "srlab") as pool:
        tasks = [pool.submit(fetch, task) for task in wanted]
        try:
            _watch(tasks, lambda: arrived, total)
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _watch(tasks: Sequence[Future], arrived: Callable[[], int], total: int) -> None:
    """Wait for downloads, or for the first that fails, whose error is raised."""
    begin, start = time.monotonic(), None
    pending: set[Future] = set(tasks)
    while pending:
        done, pending = wait(pending, 0.2, FIRST_EXCEPTION)
        for task in done:
            task.result()
        start = arrived() if start is None else start
        rate = (arrived() - start) / (time.monotonic() - begin) / 1e6
        ready = sum(task.done() for task in tasks)
        megabytes = f"{arrived() / 1e6:.1f} of {total / 1e6:.1f} MB, {rate:.1f} MB/s"
        show_progress(f"{ready} of {len(tasks)} files, {megabytes}")
    show_progress("")
