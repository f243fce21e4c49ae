"""Pictures as people have them: colour or grey, alpha, 8 or 16 bits, and what is said of them.

Pixels of 16 bits are decoded by ``imaging.formats.deep``, all others by Pillow.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from srlab.errors import UserError
from srlab.imaging.formats.deep import deep_pixels
from srlab.imaging.formats.metadata import NOTHING_SAID, Metadata, read_metadata
from srlab.imaging.formats.opening import decoding, open_first
from srlab.imaging.formats.turning import turn_upright


@dataclass(frozen=True)
class Picture:
    """A decoded picture, turned upright.

    Args:
        pixels: ``(H, W, 1 to 4)``, uint8 or uint16: grey, grey and alpha, RGB, RGB and alpha.
        said: What its file says of it.
    """

    pixels: np.ndarray
    said: Metadata = NOTHING_SAID

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def bits(self) -> int:
        """8 or 16 for each channel."""
        return 8 * self.pixels.itemsize


def read_picture(path: Path, first_frame: bool = False) -> Picture:
    """Read a picture file; of several frames or pages, none unless ``first_frame``.

    Raises:
        UserError: The file is missing, cut off, no image, or has pixels that are not supported.
    """
    source, data = open_first(path, first_frame)
    with decoding(path):
        return decode(source, data, path)


def decode(source: Image.Image, data: bytes, path: Path) -> Picture:
    """Decode the frame or page that an image file is open at.

    Args:
        source: The open file.
        data: Its bytes.
        path: What it is called in errors.

    Raises:
        UserError: Its pixels are not supported.
        Exception: What decoders raise of damaged ones.
    """
    if source.format == "PNG":
        source.load()  # what is said after the pixels, too
    deep = deep_pixels(source, data)
    if deep is None:
        source.load()
    said, orientation = read_metadata(source, data)
    pixels = _pixels(source, path) if deep is None else deep
    return Picture(turn_upright(pixels, orientation), said)


def fill_hidden(pixels: np.ndarray) -> np.ndarray:
    """Give pixels that cannot be seen the colour of the nearest one that can.

    What an editor left there, often black, would leak into the edges of what is seen when the
    picture is enlarged.

    Args:
        pixels: ``(H, W, 1 to 4)``; unchanged without alpha, or where all or none can be seen.
    """
    if pixels.shape[2] in (1, 3):
        return pixels
    hidden = pixels[..., -1] == 0
    if not hidden.any() or hidden.all():
        return pixels
    from scipy.ndimage import distance_transform_edt  # 0.2 s, and few pictures need it

    rows, columns = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    filled = pixels[rows, columns]
    filled[..., -1] = pixels[..., -1]
    return filled


def _pixels(image: Image.Image, path: Path) -> np.ndarray:
    """Return pixels ``(H, W, 1 to 4)``, uint8 or uint16."""
    mode = image.mode
    if mode == "I":
        pixels = np.asarray(image).astype(np.int64)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise UserError(f"{path} has pixels beyond 16 bits; srlab reads 8 and 16 bits")
        return pixels.astype(np.uint16)[..., None]
    if mode == "F":
        raise UserError(f"{path} has floating-point pixels; srlab reads 8 and 16 bits")
    target = mode_of(image)
    pixels = np.array(image if mode == target else image.convert(target))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def mode_of(image: Image.Image) -> str:
    """Return the mode, of grey or RGB with or without alpha, that a picture of 8 bits becomes."""
    alpha = "transparency" in image.info or image.mode in ("LA", "PA", "RGBA", "RGBa", "La")
    grey = image.mode in ("1", "L", "LA", "La")
    return ("LA" if alpha else "L") if grey else ("RGBA" if alpha else "RGB")
