"""What lies in the folder of a public set, beside what should."""

from pathlib import Path

from srlab.commands.data.download import sha256_of
from srlab.data.manifest import Manifest, PublishedFile

GOOD, MISSING, ANOTHER = "good", "is missing", "is another"


def states(folder: Path, manifest: Manifest) -> dict[str, str]:
    """Return how each file of a set is: ``GOOD``, ``MISSING`` or ``ANOTHER``, by its name."""
    if manifest.drawn:
        return {name: _of_drawn(folder / name) for name in manifest.names}
    return {file.name: _of_published(folder / file.name, file) for file in manifest.files}


def _of_published(path: Path, file: PublishedFile) -> str:
    if not path.is_file():
        return MISSING
    if path.stat().st_size != file.bytes:
        return ANOTHER
    with path.open("rb") as content:
        return GOOD if sha256_of(content) == file.sha256 else ANOTHER


def _of_drawn(path: Path) -> str:
    """Go by the size: what is drawn differs a little from one Pillow to the next."""
    from srlab.data.drawn import SIDE  # brings numpy and Pillow
    from srlab.errors import UserError
    from srlab.imaging.files import size_of

    if not path.is_file():
        return MISSING
    try:
        return GOOD if size_of(path) == (SIDE, SIDE) else ANOTHER
    except UserError:
        return ANOTHER


def strangers(folder: Path, manifest: Manifest) -> list[str]:
    """Return the images in a set's folder that are not of the set: they would be used as such."""
    from srlab.imaging.files import SUFFIXES  # brings torch

    known = set(manifest.names)
    return sorted(
        path.name for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and path.name not in known and path.is_file()
    )  # fmt: skip
