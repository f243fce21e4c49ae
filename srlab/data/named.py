"""The data sets of the literature, found by name under a folder of the user's."""

from collections.abc import Sequence
from pathlib import Path

from srlab.data.images import ImageSet, folder
from srlab.data.manifest import read_manifests
from srlab.errors import DataMissing, UserError
from srlab.imaging.files import list_images

# Name -> (number of images, other names that its folder goes by).
SETS: dict[str, tuple[int, tuple[str, ...]]] = {
    "T91": (91, ("Train91", "91-image", "Yang91")),
    "General-100": (100, ("General100",)),
    "BSDS200": (200, ("BSD200",)),
    "BSDS500-test": (200, ("BSDS500test",)),
    "Free9": (9, ()),
    "Budgie15": (15, ()),
    "Drawn120": (120, ()),
    "Set5": (5, ()),
    "Set14": (14, ()),
    "Kodak24": (24, ("Kodak",)),
    "B100": (100, ("BSD100", "BSDS100")),
    "Urban100": (100, ()),
    "Manga109": (109, ()),
}


def named(name: str, root: str, shrink: Sequence[float] = (1.0,), hardest: float = 1.0) -> ImageSet:
    """Return the data set ``name`` from the folder of that name in ``root`` or in ``data/``.

    The images lie in that folder itself or in a folder ``HR`` within it.

    Raises:
        UserError: The name is unknown, or the set is not there, or it is incomplete.
    """
    if name not in SETS:
        raise UserError(f"no data set is called {name!r}; there are {', '.join(SETS)}")
    roots = list(dict.fromkeys([Path(root).expanduser(), Path("data")]))
    place = find_set(name, roots)
    if place is None:
        looked = " and ".join(dict.fromkeys(str(root.resolve()) for root in roots))
        raise DataMissing(
            f"data set {name} is not under {looked}: {_remedy(name)}, or set SRLAB_DATA to the "
            f"folder that holds {name}"
        )
    paths, count = list_images(place), SETS[name][0]
    if len(paths) != count:
        raise DataMissing(f"{place} holds {len(paths)} images, but {name} has {count}")
    return ImageSet(name, tuple(paths), tuple(shrink), hardest=hardest)


def several(
    names: Sequence[str], root: str, shrink: Sequence[float] = (1.0,), hardest: float = 1.0
) -> ImageSet:
    """Return the images of several data sets as one; see ``named``.

    Raises:
        UserError: No name is given, or one of the sets is unknown, not there or incomplete.
    """
    if not names:
        raise UserError("data.names is empty: name a data set, as in data.names=[T91]")
    paths = [path for name in names for path in named(name, root).paths]
    return ImageSet("+".join(names), tuple(paths), tuple(shrink), hardest=hardest)


def mixed(
    names: Sequence[str],
    root: str,
    path: str | None = None,
    weights: Sequence[float] = (),
    shrink: Sequence[float] = (1.0,),
    hardest: float = 1.0,
) -> ImageSet:
    """Return a mixture of data sets of the literature and a folder of one's own.

    Args:
        names: The data sets; see ``named``.
        root: Where their folders lie.
        path: The folder, the last of the sets.
        weights: How the patches are shared among the sets: ``[1, 3]`` draws one of four from the
            first. None: every position of every image is equally likely.
        shrink: Factors by which copies of all images are shrunk.
        hardest: The share of each set that patches are drawn from; see ``ImageSet``.

    Raises:
        UserError: There are not two sets, or one of them is unknown, missing, incomplete or twice.
        ValueError: The weights are not one for each, or not above 0.
    """
    sets = [named(name, root) for name in names] + ([folder(path)] if path else [])
    if len(sets) < 2:
        raise UserError("a mixture wants two sets or more: names of data sets, or one and a folder")
    paths = tuple(path for one in sets for path in one.paths)
    parts = tuple(len(one.paths) for one in sets)
    name = "+".join(one.name for one in sets)
    if len({path.resolve() for path in paths}) < len(paths):
        raise UserError(f"two of the sets of {name} hold the same files: name each once")
    return ImageSet(
        name, paths, tuple(shrink), parts=parts, weights=tuple(weights), hardest=hardest
    )


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


def _remedy(name: str) -> str:
    """Say how a set is had that is not there."""
    for key, manifest in read_manifests().items():
        if manifest.name == name:
            return f"srlab data fetch {key} {'draws' if manifest.drawn else 'fetches'} it"
    return f"put its {SETS[name][0]} images in a folder {name} there"
