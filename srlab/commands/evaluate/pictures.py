"""Keeping what was judged: a PNG for each image, in the folders SET/METHOD_xS."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from srlab.imaging.files import png_of
from srlab.storage.atomic import write_atomically
from srlab.storage.folders import ensure_folder

Keep = Callable[[str, str, np.ndarray], None]


def keepers(folder: Path, testsets: Iterable[str], rows: Iterable[tuple[str, float]]) -> list[Keep]:
    """Return for each row of a table what writes the pictures that it is judged by.

    Args:
        folder: Where they go.
        testsets: The names of the test sets.
        rows: Label and scale of each method.
    """
    testsets = list(testsets)
    sets = dict(zip(testsets, _file_names(testsets), strict=True))
    names = [label if label.endswith(f"x{s}") else f"{label}_x{s}" for label, s in rows]

    def keeper(place: str) -> Keep:
        def keep(testset: str, image: str, sr: np.ndarray) -> None:
            path = folder / sets[testset] / place / f"{image}.png"
            ensure_folder(path.parent)
            write_atomically(path, png_of(sr))

        return keep

    return [keeper(place) for place in _file_names(names)]


def _file_names(texts: Iterable[str]) -> list[str]:
    """Return a name for a folder for each text; names differ, not in their case alone."""
    names: list[str] = []
    for text in texts:
        plain = name = re.sub(r"[^\w.+-]+", "-", text).strip("-.") or "unnamed"
        number = 1
        while name.lower() in map(str.lower, names):
            number += 1
            name = f"{plain}-{number}"
        names.append(name)
    return names
