"""The public image sets: where each of their files is published, its size and its SHA-256.

One is not published, but drawn (``srlab.data.drawn``).
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class PublishedFile:
    """A file of a set.

    Args:
        name: What it is called, here and where it is published.
        bytes: Its size.
        sha256: Of its content, in hexadecimal.
    """

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A public image set.

    Args:
        name: What the literature calls it, and its folder.
        role: What it is used for, ``train`` or ``test``.
        about: How many images, and whose.
        base_url: What stands before the names of its files.
        files: Its files.
        terms: What they may be used for: ``free`` for anything, ``research`` where photographers or
            the publisher allow no more, ``unknown`` where nobody says.
        credits: Whom a licence wants named, and which it is.
        drawn: How many pictures are drawn; such a set has neither files to fetch nor a URL.
    """

    name: str
    role: str
    about: str
    base_url: str = ""
    files: tuple[PublishedFile, ...] = ()
    terms: str = "unknown"
    credits: str = ""
    drawn: int = 0

    @property
    def names(self) -> list[str]:
        """What its files are called."""
        return [file.name for file in self.files] + [f"{n:03d}.png" for n in range(self.drawn)]

    @property
    def bytes(self) -> int:
        """The size of all files that are fetched."""
        return sum(file.bytes for file in self.files)


def read_manifests() -> dict[str, Manifest]:
    """Return the public sets by the short names that ``srlab data`` knows, as ``set5``."""
    places = sorted(_folder().glob("*.json"))
    return {place.stem: _parse(json.loads(place.read_text(encoding="utf-8"))) for place in places}


def terms_of(data: dict[str, Any]) -> dict[str, str]:
    """Return the terms of the sets that the config of a training names, by their names.

    A folder of one's own, and what has no manifest, is ``unknown``.
    """
    names = [*data.get("names", ()), data.get("name"), data.get("path")]
    return {name: _terms().get(name, "unknown") for name in names if name}


@cache  # a list of models asks for each of them
def _terms() -> dict[str, str]:
    """Return the terms of the public sets, by what the literature calls these."""
    return {manifest.name: manifest.terms for manifest in read_manifests().values()}


def _parse(content: dict) -> Manifest:
    files = tuple(PublishedFile(**file) for file in content.pop("files", ()))
    return Manifest(**content, files=files)


def _folder() -> Path:
    """Return where the manifests are: in the package when installed, in ``data/`` of a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed, checkout = package / "manifests", package.parent / "data" / "manifests"
    return installed if installed.is_dir() else checkout
