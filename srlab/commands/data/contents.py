"""What lies in the folder of a public set, beside what should."""

from pathlib import Path

import numpy as np

from srlab.commands.data.download import sha256_of
from srlab.console.progress import show_progress
from srlab.data.drawn import draw_shapes
from srlab.data.manifest import Manifest, PublishedFile
from srlab.errors import UserError
from srlab.imaging.files import SUFFIXES, read_pixels

GOOD, MISSING, ANOTHER = "good", "is missing", "is another"
_ALIKE = 0.99  # of the pixels of a drawn picture: another Pillow may draw edges otherwise


def states(folder: Path, manifest: Manifest) -> dict[str, str]:
    """Return how each file of a set is: ``GOOD``, ``MISSING`` or ``ANOTHER``, by its name.

    Files that are published are held against their SHA-256, drawn pictures against what is drawn.
    """
    if not manifest.drawn:
        return {file.name: _of_published(folder / file.name, file) for file in manifest.files}
    found = {}
    for number, name in enumerate(manifest.names):
        show_progress(f"checking {manifest.name}: {number + 1}/{manifest.drawn}")
        found[name] = _of_drawn(folder / name, number)
    show_progress("")
    return found


def _of_published(path: Path, file: PublishedFile) -> str:
    if not path.is_file():
        return MISSING
    if path.stat().st_size != file.bytes:
        return ANOTHER
    with path.open("rb") as content:
        return GOOD if sha256_of(content) == file.sha256 else ANOTHER


def _of_drawn(path: Path, number: int) -> str:
    if not path.is_file():
        return MISSING
    try:
        pixels = read_pixels(path)
    except UserError:
        return ANOTHER
    wanted = np.asarray(draw_shapes(number))
    alike = pixels.shape == wanted.shape and (pixels == wanted).all(axis=2).mean() >= _ALIKE
    return GOOD if alike else ANOTHER


def strangers(folder: Path, manifest: Manifest) -> list[str]:
    """Return the images in a set's folder that are not of the set: they would be used as such."""
    known = set(manifest.names)
    return sorted(
        path.name for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and path.name not in known and path.is_file()
    )  # fmt: skip
