"""What is missing of public sets is downloaded, several files at a time, or drawn."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from urllib.parse import quote

from srlab.commands.data.contents import ANOTHER, MISSING, states, strangers
from srlab.commands.data.download import Stopped, download
from srlab.console.progress import show_progress
from srlab.console.tables import aligned
from srlab.data.drawn import draw_shapes
from srlab.data.manifest import Manifest, PublishedFile
from srlab.data.named import find_set
from srlab.errors import UserError
from srlab.storage.atomic import atomic_file
from srlab.storage.folders import ensure_folder


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


def fetch(sets: Sequence[Manifest], root: Path, mirror: str | None, jobs: int) -> None:
    """Bring what is missing of sets, and print how much it was.

    Args:
        sets: Them.
        root: Each goes into a folder of its name here, if it has none.
        mirror: The URL that stands before the names of these folders; None: as published.
        jobs: Files at a time.

    Raises:
        UserError: Something else lies there, or a file cannot be had or written.
    """
    wanted: list[Wanted] = []
    undrawn: list[Path] = []
    rows = []
    for manifest in sets:
        folder = find_set(manifest.name, [root]) or root / manifest.name
        base = f"{mirror.rstrip('/')}/{quote(manifest.name)}/" if mirror else manifest.base_url
        missing = _missing(manifest, folder)
        wanted += [
            Wanted(base + quote(file.name), folder / file.name, file)
            for file in manifest.files if file.name in missing
        ]  # fmt: skip
        undrawn += [folder / name for name in missing] if manifest.drawn else []
        count = f"{len(manifest.names)} files, {len(missing)} of them new"
        size = "drawn" if manifest.drawn else f"{manifest.bytes / 1e6:.1f} MB"
        rows.append((manifest.name, count, size, str(folder)))
    _make_folders(undrawn)
    _draw_all(undrawn)
    _make_folders([task.place for task in wanted])
    _download_all(wanted, jobs)
    print("\n".join(aligned(rows)))


def _missing(manifest: Manifest, folder: Path) -> list[str]:
    """Return the names of what is not in a set's folder.

    Raises:
        UserError: Something else is there.
    """
    if not folder.is_dir():
        return manifest.names
    found = states(folder, manifest)
    others = [name for name, state in found.items() if state == ANOTHER]
    others += strangers(folder, manifest)
    if others:
        raise UserError(
            f"{folder / others[0]} is not of {manifest.name}: move it away, or fetch to another "
            f"place by root=FOLDER"
        )
    return [name for name, state in found.items() if state == MISSING]


def _make_folders(places: Sequence[Path]) -> None:
    """Make the folders of files, where they are not there."""
    for folder in {place.parent for place in places}:
        ensure_folder(folder)


def _draw_all(places: Sequence[Path]) -> None:
    """Draw pictures, each by the number that it is called by."""
    for number, place in enumerate(places):
        show_progress(f"{number} of {len(places)} pictures drawn")
        with atomic_file(place) as file:
            draw_shapes(int(place.stem)).save(file, "PNG")
    show_progress("")


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
