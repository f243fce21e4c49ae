"""The data sets of the literature, found by name under a folder of the user's."""

from collections.abc import Sequence
from pathlib import Path

from srlab.data.images import ImageSet, folder
from srlab.data.manifest import read_manifests
from srlab.data.places import SETS, find_set
from srlab.errors import DataMissing, UserError
from srlab.imaging.files import list_images


def named(name: str, root: str, shrink: Sequence[float] = (1.0,)) -> ImageSet:
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
    return ImageSet(name, tuple(paths), tuple(shrink))


def several(names: Sequence[str], root: str, shrink: Sequence[float] = (1.0,)) -> ImageSet:
    """Return the images of several data sets as one; see ``named``.

    Raises:
        UserError: No name is given, or one of the sets is unknown, not there or incomplete.
    """
    if not names:
        raise UserError("data.names is empty: name a data set, as in data.names=[T91]")
    paths = [path for name in names for path in named(name, root).paths]
    return ImageSet("+".join(names), tuple(paths), tuple(shrink))


def mixed(
    names: Sequence[str],
    root: str,
    path: str | None = None,
    weights: Sequence[float] = (),
    shrink: Sequence[float] = (1.0,),
) -> ImageSet:
    """Return a mixture of data sets of the literature and a folder of one's own.

    Args:
        names: The data sets; see ``named``.
        root: Where their folders lie.
        path: The folder, the last of the sets.
        weights: How the patches are shared among the sets: ``[1, 3]`` draws one of four from the
            first. None: every position of every image is equally likely.
        shrink: Factors by which copies of all images are shrunk.

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
    return ImageSet(name, paths, tuple(shrink), parts=parts, weights=tuple(weights))


def _remedy(name: str) -> str:
    """Say how a set is had that is not there."""
    for key, manifest in read_manifests().items():
        if manifest.name == name:
            return f"srlab data fetch {key} fetches it"
    return f"put its {SETS[name][0]} images in a folder {name} there"
