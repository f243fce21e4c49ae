"""Where the image sets of the literature lie, by name, under a folder of the user's."""

from pathlib import Path

# Name -> (number of images, other names that its folder goes by).
SETS: dict[str, tuple[int, tuple[str, ...]]] = {
    "T91": (91, ("Train91", "91-image", "Yang91")),
    "General-100": (100, ("General100",)),
    "BSDS200": (200, ("BSD200",)),
    "BSDS500-test": (200, ("BSDS500test",)),
    "Free9": (9, ()),
    "Set5": (5, ()),
    "Set14": (14, ()),
    "Kodak24": (24, ("Kodak",)),
    "B100": (100, ("BSD100", "BSDS100")),
    "Urban100": (100, ()),
    "Manga109": (109, ()),
}


def find_set(name: str, roots: list[Path]) -> Path | None:
    """Return the folder with the images of a set, or None.

    It is called as the set, in any case, or by another of its names; the images lie in it or in a
    folder ``HR`` within it.

    Args:
        name: One of ``SETS``.
        roots: Folders to look in, in this order.
    """
    wanted = {n.lower() for n in (name, *SETS[name][1])}
    for place in roots:
        for entry in sorted(place.iterdir()) if place.is_dir() else []:
            if entry.is_dir() and entry.name.lower() in wanted:
                inner = entry / "HR"
                return inner if inner.is_dir() else entry
    return None
