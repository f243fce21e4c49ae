"""Pixels of 9 to 16 bits, which Pillow cuts to 8 where a picture has colour.

PNG is decoded by torchvision, PPM by numpy. Of TIFF Pillow keeps one byte of each number, whichever
it is asked for: it is asked twice, so that every compression of its libtiff is read. Planes that
are stored apart, and colours multiplied by their alpha, are read by tifffile, which scikit-image
brings.
"""

import io
import sys
import warnings
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from PIL import Image, TiffImagePlugin

from srlab.imaging.formats.turning import ORIENTATION, turn_upright
from srlab.imaging.png_check import SIGNATURE, bare_png

_BITS, _PHOTOMETRIC, _PLANES, _ALPHA = 258, 262, 284, 338
_GREY_FROM_WHITE, _APART, _MULTIPLIED = 0, 2, 1
_OTHER_BYTE = {";16L": ";16B", ";16B": ";16L"}
_OTHER_BYTE[";16N"] = ";16B" if sys.byteorder == "little" else ";16L"
_TOP = np.uint16(65535)

# torchvision 0.29 announces at each call that decoding will move elsewhere. Not for the time of a
# call alone: threads would put back each other's filters, and what was said would be forgotten.
warnings.filterwarnings(
    "ignore", "The image decoding and encoding capabilities", DeprecationWarning
)


def is_deep_png(data: bytes) -> bool:
    """Tell whether a file is a PNG of 16 bits for each channel."""
    return data.startswith(SIGNATURE) and data[24:25] == b"\x10"


def is_deep(image: Image.Image, data: bytes) -> bool:
    """Tell whether a picture has 9 to 16 bits for each channel that ``deep_pixels`` reads.

    Args:
        image: The open picture, of which no pixel needs to be loaded.
        data: The file that it is in, or its beginning.
    """
    if image.format == "PPM":
        return _most_of_ppm(image) > 255
    bits = max(getattr(image, "tag_v2", {}).get(_BITS, (1,)))
    deep_colour = bits == 16 and image.mode in ("RGB", "RGBA")
    return is_deep_png(data) or image.mode.startswith("I;16") or deep_colour


def deep_pixels(image: Image.Image, data: bytes) -> np.ndarray | None:
    """Return the pixels of a picture of 9 to 16 bits as uint16 ``(H, W, 1 to 4)``, else None.

    Grey, grey and alpha, RGB, RGB and alpha; fewer bits than 16 are stretched to them; a TIFF is
    turned upright, as Pillow turns it. CMYK and Lab are left to Pillow, which makes 8 bits of them.

    Args:
        image: The open picture, at the frame that is wanted; loaded if it is a PNG.
        data: The file that it is in.

    Raises:
        Exception: What decoders raise of a file that they cannot read.
    """
    if not is_deep(image, data):
        return None
    if is_deep_png(data):
        return _of_png(data, image.info.get("transparency"))
    if image.format == "PPM":
        return _of_ppm(image, data)
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16"):
        return _of_grey(np.asarray(image), max(tags.get(_BITS, (1,))), tags.get(_PHOTOMETRIC))
    if tags.get(_PLANES) == _APART or _MULTIPLIED in tags.get(_ALPHA, ()):
        return _by_tifffile(data, image.tell(), tags, len(image.mode))
    upper, lower = (_one_byte(data, image.tell(), other) for other in (False, True))
    return upper * np.uint16(256) + lower


def to_8_bits(pixels: np.ndarray) -> np.ndarray:
    """Round uint16 to the nearest of 256 levels; leave uint8."""
    if pixels.dtype == np.uint8:
        return pixels
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _of_png(data: bytes, transparent: int | tuple[int, ...] | None) -> np.ndarray:
    """Decode a PNG; a ``transparent`` colour becomes alpha."""
    whole = torch.frombuffer(bytearray(bare_png(data)), dtype=torch.uint8)
    try:
        from torchvision.io import ImageReadMode, decode_image

        planes = decode_image(whole, mode=ImageReadMode.UNCHANGED)
    except ImportError:
        raise ValueError("it has 16 bits, which this torchvision does not read") from None
    pixels = planes.permute(1, 2, 0).numpy()
    if transparent is None or pixels.shape[2] in (2, 4):
        return pixels
    opaque = (pixels != np.array(transparent, dtype=np.uint16)).any(axis=2, keepdims=True)
    return np.concatenate([pixels, opaque * _TOP], axis=2)


def _most_of_ppm(image: Image.Image) -> int:
    """Return the highest level of a binary PPM or PGM; 0 of its other kinds."""
    tile = image.tile[0] if image.tile else None  # type: ignore[attr-defined]
    return 0 if tile is None or tile.codec_name != "ppm" else int(tile.args[1])


def _of_ppm(image: Image.Image, data: bytes) -> np.ndarray:
    tile = image.tile[0]  # type: ignore[attr-defined]
    raw, most = tile.args
    channels = 3 if raw == "RGB" else 1
    count = image.width * image.height * channels
    levels = np.frombuffer(data, dtype=">u2", count=count, offset=tile.offset).astype(np.uint32)
    pixels = (np.minimum(levels, most) * np.uint32(65535) // np.uint32(most)).astype(np.uint16)
    return pixels.reshape(image.height, image.width, channels)


def _of_grey(stored: np.ndarray, bits: int, photometric: int | None) -> np.ndarray:
    pixels = stored.astype(np.uint16)[..., None]
    if 8 < bits < 16:
        pixels = (pixels * np.uint32(65535) // np.uint32(2**bits - 1)).astype(np.uint16)
    return _TOP - pixels if photometric == _GREY_FROM_WHITE else pixels


def _one_byte(data: bytes, page: int, other: bool) -> np.ndarray:
    """Let Pillow decode a TIFF to the upper byte of each number, or to the other one."""
    image = cast(TiffImagePlugin.TiffImageFile, Image.open(io.BytesIO(data), formats=["TIFF"]))
    image.seek(page)
    if other:
        image.tile = [tile._replace(args=_of_the_other_byte(tile.args)) for tile in image.tile]
    return np.array(image)


def _of_the_other_byte(arguments: object) -> tuple[object, ...]:
    raw, *rest = arguments if isinstance(arguments, tuple) else (arguments,)
    return (str(raw)[:-4] + _OTHER_BYTE[str(raw)[-4:]], *rest)


def _by_tifffile(data: bytes, page: int, tags: Mapping[int, Any], channels: int) -> np.ndarray:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pixels = file.pages[page].asarray()
    if tags.get(_PLANES) == _APART:
        pixels = np.moveaxis(pixels, 0, 2)
    pixels = pixels.astype(np.uint16, casting="equiv")[..., :channels]
    if _MULTIPLIED in tags.get(_ALPHA, ()):
        alpha = np.maximum(pixels[..., 3:], 1).astype(np.uint64)
        colour = pixels[..., :3].astype(np.uint64)
        pixels[..., :3] = np.minimum((colour * 65535 + alpha // 2) // alpha, 65535)
    return turn_upright(pixels, tags.get(ORIENTATION, 1))
