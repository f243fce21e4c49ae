"""An image set: the name and the files of a data set, wherever it lies."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from srlab.errors import UserError
from srlab.imaging.files import list_images

_MOST_TOLD = 20  # files that cannot be used


@dataclass(frozen=True)
class ImageSet:
    """Image files under one name.

    Args:
        name: What tables call it.
        paths: The high-resolution images.
        shrink: Factors in (0, 1] by which each training image is shrunk before patches are drawn
            from it; 1 is the image itself.
        crop: Side in HR pixels of the middle of each image that is judged; 0: all of it.
        low: The low-resolution image of each, where they are brought along; else they are made.
        bits: 8, or 16 for each channel of ``paths`` and ``low`` as they are read.
        aligned: Whether those are moved to where low resolution lies that is made, before a
            training sees them.
        parts: Of a mixture of sets: how many of the images, from the first on, belong to each.
        weights: Of how many patches each of these parts gives how many; none: every position of
            every image is equally likely.
        hardest: The share of each of these parts that patches are drawn from: the tiles where
            bicubic interpolation errs most.
    """

    name: str
    paths: tuple[Path, ...]
    shrink: tuple[float, ...] = (1.0,)
    crop: int = 0
    low: tuple[Path, ...] = ()
    bits: int = 8
    aligned: bool = False
    parts: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()
    hardest: float = 1.0

    def __post_init__(self):
        if not self.shrink or not all(0 < f <= 1 for f in self.shrink):
            raise ValueError(f"shrink takes factors above 0 and up to 1, got {list(self.shrink)}")
        if not 0 < self.hardest <= 1:
            raise ValueError(f"hardest is a share above 0 and up to 1, as 0.4, got {self.hardest}")
        if self.low and (len(self.low) != len(self.paths) or self.shrink != (1.0,) or self.crop):
            raise ValueError("low wants an image for each of paths, and neither shrink nor crop")
        if self.weights and len(self.weights) != len(self.parts):
            raise ValueError(
                f"weights wants one for each of the {len(self.parts)} sets, got "
                f"{list(self.weights)}"
            )
        if not all(0 < weight < float("inf") for weight in self.weights):
            raise ValueError(f"weights are numbers above 0, got {list(self.weights)}")

    @property
    def files(self) -> tuple[Path, ...]:
        """All files: high resolution, then low."""
        return (*self.paths, *self.low)

    def part_of(self, number: int) -> int:
        """Return to which set of a mixture an image belongs; 0 where it is none."""
        ends = accumulate(self.parts)
        return next((part for part, end in enumerate(ends) if number < end), 0)

    @property
    def named(self) -> dict[str, Path]:
        """The images by what tables call them: their stems, or more where two have the same."""
        often, names = Counter(p.stem for p in self.paths), {p.name for p in self.paths}
        top = os.path.commonpath([path.absolute().parent for path in self.paths])

        def name(path: Path) -> str:
            if often[path.stem] == 1 and path.stem not in names:
                return path.stem
            return path.absolute().relative_to(top).as_posix()

        return {name(path): path for path in self.paths}


def refusal(faults: Sequence[str], so: str) -> UserError:
    """Return the error of many files: the first faults, how many more there are, what follows."""
    more = [f"and {len(faults) - _MOST_TOLD} more"] if len(faults) > _MOST_TOLD else []
    return UserError("\n".join([*faults[:_MOST_TOLD], *more, so]))


def folder(
    path: str, shrink: Sequence[float] = (1.0,), recursive: bool = False, hardest: float = 1.0
) -> ImageSet:
    """Return all images that lie directly in a folder; in the folders in it too, if ``recursive``.

    Raises:
        UserError: ``path`` is not a folder, or holds no image.
    """
    if not path:
        raise UserError("no folder is given: add ...path=FOLDER")
    place = Path(path).expanduser()
    # The slash keeps a folder that happens to be called Set5 apart from Set5.
    paths = tuple(list_images(place, recursive))
    return ImageSet(f"{place.resolve().name}/", paths, tuple(shrink), hardest=hardest)
