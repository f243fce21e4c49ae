"""Validation sets: the pictures by which a training chooses; neither trained on nor reported."""

from dataclasses import replace

from srlab.data import images as image_sets
from srlab.data import photos as bundled
from srlab.data.images import ImageSet
from srlab.data.named import named as find
from srlab.errors import DataMissing

USUAL = "BSDS500-test"
IMAGES, CROP = 50, 96


def standard(root: str) -> ImageSet:
    """Return 50 of the 200 pictures of BSDS500-test if it is there, else bundled photographs.

    Args:
        root: The folder that holds BSDS500-test.
    """
    return named(USUAL, root) if is_there(root) else photos()


def is_there(root: str) -> bool:
    """Tell whether BSDS500-test is under ``root`` or ``data/``, and whole."""
    try:
        find(USUAL, root)
    except DataMissing:
        return False
    return True


def named(name: str, root: str, images: int = IMAGES, crop: int = CROP) -> ImageSet:
    """Return a part of a data set that lies in a folder of its name.

    Args:
        name: The set.
        root: The folder that holds it.
        images: At most so many of its pictures, evenly spread over it; 0: all.
        crop: Side in HR pixels of the middle of each that is judged; 0: all of it.

    Raises:
        UserError: The name is unknown, or the set is not there, or it is incomplete.
    """
    return _part(find(name, root), images, crop)


def folder(path: str, images: int = IMAGES, crop: int = CROP, recursive: bool = False) -> ImageSet:
    """Return a part of the pictures in a folder; see ``named``.

    Raises:
        UserError: ``path`` is not a folder, or holds no image.
    """
    return _part(image_sets.folder(path, recursive=recursive), images, crop)


def photos(crop: int = 2 * CROP) -> ImageSet:
    """Return four pictures that scikit-image bundles and that are neither trained nor tested on."""
    return _part(bundled.validating(), 0, crop)


def _part(whole: ImageSet, images: int, crop: int) -> ImageSet:
    if images < 0 or crop < 0:
        raise ValueError(f"images and crop must not be negative, got {images} and {crop}")
    count = len(whole.paths)
    kept = min(images or count, count)
    paths = tuple(whole.paths[number * count // kept] for number in range(kept))
    return replace(whole, paths=paths, crop=crop)
