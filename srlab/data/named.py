"""The data sets of the literature, found by name under a folder of the user's."""

from collections.abc import Sequence
from pathlib import Path

from srlab.data.images import ImageSet
from srlab.errors import UserError
from srlab.imaging.files import list_images

# Name -> (number of images, other names that its folder goes by).
SETS: dict[str, tuple[int, tuple[str, ...]]] = {
    "T91": (91, ("Train91", "91-image", "Yang91")),
    "General-100": (100, ("General100",)),
    "BSDS200": (200, ("BSD200",)),
    "Set5": (5, ()),
    "Set14": (14, ()),
    "B100": (100, ("BSD100", "BSDS100")),
    "Urban100": (100, ()),
    "Manga109": (109, ()),
}


def named(name: str, root: str, shrink: Sequence[float] = (1.0,)) -> ImageSet:
    """Return the data set ``name`` from the folder of that name in ``root`` or in ``data/``.

    The images lie in that folder itself or in a folder ``HR`` within it.

    Raises:
        UserError: The name is unknown, or the set is not there, or it is incomplete.
    """
    if name not in SETS:
        raise UserError(f"no data set is called {name!r}; there are {', '.join(SETS)}")
    count, aliases = SETS[name]
    wanted = {n.lower() for n in (name, *aliases)}
    roots = list(dict.fromkeys([Path(root).expanduser(), Path("data")]))
    for place in roots:
        entries = sorted(place.iterdir()) if place.is_dir() else []
        for entry in entries:
            if entry.is_dir() and entry.name.lower() in wanted:
                return ImageSet(name, _complete(name, entry, count), tuple(shrink))
    looked = " and ".join(str(place.resolve()) for place in roots)
    raise UserError(
        f"data set {name} is not under {looked}: put its {count} images in a folder {name} there, "
        f"or set SRLAB_DATA to the folder that holds {name}"
    )


def several(names: Sequence[str], root: str, shrink: Sequence[float] = (1.0,)) -> ImageSet:
    """Return the images of several data sets as one; see ``named``.

    Raises:
        UserError: No name is given, or one of the sets is unknown, not there or incomplete.
    """
    if not names:
        raise UserError("data.names is empty: name a data set, as in data.names=[T91]")
    paths = [path for name in names for path in named(name, root).paths]
    return ImageSet("+".join(names), tuple(paths), tuple(shrink))


def _complete(name: str, folder: Path, count: int) -> tuple[Path, ...]:
    inner = folder / "HR"
    paths = list_images(inner if inner.is_dir() else folder)
    if len(paths) != count:
        raise UserError(f"{folder} holds {len(paths)} images, but {name} has {count}")
    return tuple(paths)
