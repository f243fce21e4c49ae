"""Writing a picture that is whole, by Pillow: JPEG, WebP and BMP."""

from typing import BinaryIO

import numpy as np
from PIL import Image

from srlab.errors import UserError
from srlab.imaging.formats.metadata import NOTHING_SAID, Metadata, saved_by_pillow

_QUALITY = 95
_ALL_COLOUR = 90  # the quality from which on JPEG holds every pixel's colour


def as_image(pixels: np.ndarray) -> Image.Image:
    """Return uint8 pixels ``(H, W, C)``, C is 1 to 4, as Pillow holds them."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def save_whole(
    file: BinaryIO,
    form: str,
    pixels: np.ndarray,
    said: Metadata = NOTHING_SAID,
    quality: int | None = None,
) -> None:
    """Write pixels ``(H, W, 1 to 4)``, uint8, with what the format holds of what is said of them.

    Args:
        file: Where the bytes go.
        form: Pillow's name of the format.
        pixels: They.
        said: What is said of them.
        quality: 1 to 100, of JPEG and WebP; 95 if None.

    Raises:
        UserError: The format does not hold them.
    """
    options = saved_by_pillow(said, form)
    if form in ("JPEG", "WEBP"):
        options["quality"] = _QUALITY if quality is None else quality
    if form == "JPEG" and options["quality"] >= _ALL_COLOUR:
        options["subsampling"] = 0
    try:
        as_image(pixels).save(file, format=form, **options)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's, not the format's
            raise
        raise UserError(f"a {form} file cannot hold this picture: {error}") from None
