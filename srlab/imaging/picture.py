"""Pictures as their owners have them: colour or grey, alpha, 8 or 16 bits, EXIF, ICC profile.

Pillow reads 16-bit colour as 8 bits, so such PNGs are decoded by torchvision.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import distance_transform_edt

from srlab.errors import UserError
from srlab.imaging.files import decoding, is_deep_png, open_image

_ORIENTATION = 0x0112
# What a TIFF says of its picture, not of how its pixels are stored: description, camera, software,
# date, artist, copyright, the EXIF and GPS blocks.
_TIFF_TAGS = {0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298, 0x8769, 0x8825}


@dataclass(frozen=True)
class Picture:
    """A decoded picture, turned upright.

    Args:
        pixels: ``(H, W, 1 to 4)``, uint8 or uint16: grey, grey and alpha, RGB, RGB and alpha.
        icc: Colour profile, or None.
        exif: EXIF block without an orientation, or None.
    """

    pixels: np.ndarray
    icc: bytes | None
    exif: bytes | None

    @property
    def bits(self) -> int:
        """8 or 16 for each channel."""
        return 8 * self.pixels.itemsize


def read_picture(path: Path, first_frame: bool = False) -> Picture:
    """Read a picture file; of several frames or pages, none unless ``first_frame``.

    Raises:
        UserError: The file is missing, cut off, no image, or has pixels that are not supported.
    """
    source = open_image(path, first_frame, ", or upscale the first by first_frame=true")
    with decoding(path):
        # A profile of CMYK or Lab says nothing of the RGB pixels that they become.
        icc = None if source.mode in ("CMYK", "LAB") else source.info.get("icc_profile")
        tags = source.getexif()
        orientation = tags.get(_ORIENTATION, 1)
        if is_deep_png(path):
            pixels = _decode_deep_png(path, source.info.get("transparency"))
        else:
            pixels = _pixels(source, path)
        return Picture(_turn_upright(pixels, orientation), icc, _kept_exif(tags, source.format))


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
    rows, columns = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    filled = pixels[rows, columns]
    filled[..., -1] = pixels[..., -1]
    return filled


def _pixels(image: Image.Image, path: Path) -> np.ndarray:
    """Return pixels ``(H, W, 1 to 4)``, uint8 or uint16."""
    mode = image.mode
    if mode.startswith("I"):
        pixels = np.asarray(image).astype(np.int64)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise UserError(f"{path} has pixels beyond 16 bits; srlab reads 8 and 16 bits")
        return pixels.astype(np.uint16)[..., None]
    if mode == "F":
        raise UserError(f"{path} has floating-point pixels; srlab reads 8 and 16 bits")
    transparent = mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info
    grey = mode in ("1", "L", "LA", "La")
    target = ("LA" if transparent else "L") if grey else ("RGBA" if transparent else "RGB")
    pixels = np.array(image if mode == target else image.convert(target))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _kept_exif(tags: Image.Exif, form: str | None) -> bytes | None:
    """Return the EXIF block to keep, without the orientation, or None if nothing is left."""
    gone = [t for t in tags if t == _ORIENTATION or (form == "TIFF" and t not in _TIFF_TAGS)]
    for tag in gone:
        del tags[tag]
    return tags.tobytes() if len(tags) else None


def _decode_deep_png(path: Path, transparent: int | tuple[int, ...] | None) -> np.ndarray:
    """Decode a 16-bit PNG to ``(H, W, 1 to 4)``; a ``transparent`` colour becomes alpha."""
    data = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)
    try:
        from torchvision.io import ImageReadMode, decode_image

        with warnings.catch_warnings():  # 0.29 announces that decoding will move elsewhere
            warnings.simplefilter("ignore")
            planes = decode_image(data, mode=ImageReadMode.UNCHANGED)
    except ImportError:
        raise UserError(f"{path} has 16 bits, which this torchvision does not read") from None
    pixels = planes.permute(1, 2, 0).numpy()
    if transparent is None or pixels.shape[2] in (2, 4):
        return pixels
    opaque = (pixels != np.array(transparent, dtype=np.uint16)).any(axis=2, keepdims=True)
    return np.concatenate([pixels, opaque * np.uint16(65535)], axis=2)


def _turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation (1 to 8) of ``(H, W, C)``."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    flip_rows = orientation in (3, 4, 7, 8)
    flip_columns = orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(pixels[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1])
