"""Files of several frames or pages, which are decoded one after the other.

Frames of an animation have one size and are shown for a time; what is decoded is what is seen,
whatever part of it a file stores. Pages are pictures that have nothing to do with each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from srlab.errors import UserError
from srlab.imaging.formats.deep import is_deep_png
from srlab.imaging.formats.metadata import Metadata, read_metadata
from srlab.imaging.formats.opening import check_size, decoding, open_frames
from srlab.imaging.formats.turning import swaps_sides, turn_upright
from srlab.imaging.picture import Picture, decode, mode_of

_PLAYED_ONCE = 1


@dataclass(frozen=True)
class Frames:
    """A file of several frames or pages; iterated over, it yields them with their milliseconds.

    Args:
        path: The file.
        form: Pillow's name of its format.
        numbers: Which of its frames are meant.
        plays: How often an animation is played; 0: for ever.
        mode: Pillow's name of what the pixels of an animation are.
        size: Height and width of the first.
        said: What is said of the first.
        orientation: By EXIF, of an animation; it is undone.
        data: The file's bytes.
    """

    path: Path
    form: str
    numbers: tuple[int, ...]
    plays: int
    mode: str
    size: tuple[int, int]
    said: Metadata
    orientation: int
    data: bytes = field(repr=False)

    @property
    def paged(self) -> bool:
        """Whether these are pages."""
        return self.form == "TIFF"

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[tuple[Picture, float]]:
        """Yield each picture, and how long it is shown.

        Raises:
            UserError: One is damaged or cut off, or has pixels that are not supported.
        """
        image, _, _ = open_frames(self.path, self.data)
        for number in self.numbers:
            with decoding(self.path):
                image.seek(number)
                check_size(image)
                if self.paged:
                    made = decode(image, self.data, self.path), 0.0
                else:
                    pixels = turn_upright(_converted(image, self.mode), self.orientation)
                    height, width = self.size
                    if pixels.shape[0] < height or pixels.shape[1] < width:
                        raise ValueError("its frames differ in size")
                    # Pillow lets the canvas grow where a frame of a GIF goes beyond it.
                    seen = Picture(np.ascontiguousarray(pixels[:height, :width]), self.said)
                    made = seen, float(image.info.get("duration") or 0)
            yield made


def read_frames(path: Path, first_frame: bool = False) -> Picture | Frames:
    """Read a picture file; of several frames or pages read those that are asked for.

    Args:
        path: The file.
        first_frame: Whether to take the first of several only.

    Raises:
        UserError: The file is missing, cut off, no image, or has pixels that are not supported.
    """
    image, data, numbers = open_frames(path)
    with decoding(path):
        image.seek(numbers[0])
        check_size(image)
        if len(numbers) == 1 or first_frame:
            return decode(image, data, path)
        form = image.format or ""
        if is_deep_png(data):
            raise UserError(f"{path} has {len(numbers)} frames of 16 bits, which are not read")
        if form == "TIFF":
            size, mode, said, orientation = image.size, "", decode(image, data, path).said, 1
        else:
            image.load()
            size, mode = image.size, _mode(image, numbers)
            image.seek(numbers[0])
            image.load()
            said, orientation = read_metadata(image, data)
        width, height = size if not swaps_sides(orientation) else (size[1], size[0])
        plays = _plays(image)
    return Frames(path, form, tuple(numbers), plays, mode, (height, width), said, orientation, data)


def _mode(image: Image.Image, numbers: list[int]) -> str:
    """Return the mode that all frames of an animation have room in."""
    if image.format != "GIF":
        return mode_of(image)
    for number in numbers:  # of which each may have pixels that are not seen
        image.seek(number)
        if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
            return "RGBA"
    return "RGB"


def _converted(image: Image.Image, mode: str) -> np.ndarray:
    image.load()
    pixels = np.array(image if image.mode == mode else image.convert(mode))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _plays(image: Image.Image) -> int:
    """Return how often an animation is played; a GIF says how often it is played again."""
    loop = image.info.get("loop")
    if image.format == "GIF":
        return _PLAYED_ONCE if loop is None else loop and loop + 1
    return int(loop or 0)
