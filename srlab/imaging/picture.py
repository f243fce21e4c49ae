"""Pictures as their owners have them: colour or grey, alpha, 8 or 16 bits, EXIF, ICC profile.

Pillow reads 16-bit colour as 8 bits and cannot write it, so such PNGs are decoded by torchvision
and written here.
"""

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srlab.errors import UserError
from srlab.imaging.files import is_deep_png, open_image

_ORIENTATION = 0x0112
# What a TIFF says of its picture, not of how its pixels are stored: description, camera, software,
# date, artist, copyright, the EXIF and GPS blocks.
_TIFF_TAGS = {0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298, 0x8769, 0x8825}
_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".bmp": "BMP",
}
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A decoded picture, turned upright.

    Args:
        image: ``(1, 1 or 3, H, W)`` float32 in ``[0, 1]``.
        alpha: ``(1, 1, H, W)``, or None.
        bits: 8 or 16 for each channel.
        icc: Colour profile, or None.
        exif: EXIF block without an orientation, or None.
    """

    image: Tensor
    alpha: Tensor | None
    bits: int
    icc: bytes | None
    exif: bytes | None


def read_picture(path: Path) -> Picture:
    """Read a picture file.

    Raises:
        UserError: The file is missing, cut off, no image, or has pixels that are not supported.
    """
    source = open_image(path)
    # A profile of CMYK or Lab says nothing of the RGB pixels that they become.
    icc = None if source.mode in ("CMYK", "LAB") else source.info.get("icc_profile")
    tags = source.getexif()
    orientation = tags.get(_ORIENTATION, 1)
    if is_deep_png(path):
        pixels, bits = _decode_deep_png(path, source.info.get("transparency")), 16
    else:
        pixels, bits = _pixels(source, path)
    pixels = _turn_upright(pixels, orientation)
    planes = torch.from_numpy(pixels.astype(np.float32) / (2**bits - 1))
    planes = planes.permute(2, 0, 1).unsqueeze(0).contiguous()
    has_alpha = planes.shape[1] in (2, 4)
    alpha = planes[:, -1:] if has_alpha else None
    image = planes[:, :-1] if has_alpha else planes
    return Picture(image, alpha, bits, icc, _kept_exif(tags, source.format))


def output_format(kind: str) -> str:
    """Return Pillow's name of the format that a file suffix stands for.

    Raises:
        UserError: No picture can be written as such a file.
    """
    if kind.lower() not in _FORMATS:
        raise UserError(f"cannot write type {kind!r}; use {', '.join(_FORMATS)}")
    return _FORMATS[kind.lower()]


def encode_picture(picture: Picture, kind: str) -> bytes:
    """Return a picture as the bytes of a file.

    Args:
        picture: What to encode; a format without 16 bits or alpha gets what it can hold.
        kind: File suffix that names the format: ``.png``, ``.jpg``, ...

    Raises:
        UserError: The format is unknown, or cannot hold the picture.
    """
    form = output_format(kind)
    planes = list(picture.image[0])
    if picture.alpha is not None and form not in ("JPEG", "BMP"):
        planes.append(picture.alpha[0, 0])
    if picture.bits == 16 and form == "PNG":
        levels = np.stack([_levels(plane, np.uint16) for plane in planes], axis=2)
        return _encode_deep_png(levels, picture.icc, picture.exif)
    levels = np.stack([_levels(plane, np.uint8) for plane in planes], axis=2)
    image = Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
    extras = {"icc_profile": picture.icc, "exif": picture.exif}
    quality = {"quality": 95} if form in ("JPEG", "WEBP") else {}
    out = io.BytesIO()
    try:
        image.save(out, format=form, **{k: v for k, v in extras.items() if v}, **quality)
    except (OSError, ValueError) as error:
        raise UserError(f"a {form} file cannot hold this picture: {error}") from None
    return out.getvalue()


def _levels(plane: Tensor, kind: type[np.unsignedinteger]) -> np.ndarray:
    """Round a plane ``(H, W)`` in ``[0, 1]`` to the levels of an integer type, halves upward."""
    top = np.iinfo(kind).max
    return (plane * top).add_(0.5).floor_().clamp_(0, top).cpu().numpy().astype(kind)


def _pixels(image: Image.Image, path: Path) -> tuple[np.ndarray, int]:
    """Return pixels ``(H, W, 1 to 4)`` and the bits of each channel."""
    mode = image.mode
    if mode.startswith("I"):
        pixels = np.asarray(image).astype(np.int64)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise UserError(f"{path} has pixels beyond 16 bits; srlab reads 8 and 16 bits")
        return pixels.astype(np.uint16)[..., None], 16
    if mode == "F":
        raise UserError(f"{path} has floating-point pixels; srlab reads 8 and 16 bits")
    transparent = mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info
    grey = mode in ("1", "L", "LA", "La")
    target = ("LA" if transparent else "L") if grey else ("RGBA" if transparent else "RGB")
    pixels = np.array(image.convert(target))
    return (pixels[..., None] if pixels.ndim == 2 else pixels), 8


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
    except RuntimeError as error:
        raise UserError(f"{path} is not a readable image: {str(error).splitlines()[0]}") from None
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


def _encode_deep_png(pixels: np.ndarray, icc: bytes | None, exif: bytes | None) -> bytes:
    """Encode uint16 pixels ``(H, W, 1 to 4)`` as PNG (ISO/IEC 15948), rows filtered by 'up'."""
    height, width, channels = pixels.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = np.ascontiguousarray(pixels.astype(">u2")).view(np.uint8).reshape(height, -1)
    filtered = rows - np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    lines = np.hstack([np.full((height, 1), 2, dtype=np.uint8), filtered])
    out = io.BytesIO()
    out.write(_PNG)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))]
    if icc:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(icc)))
    if exif:
        chunks.append((b"eXIf", exif.removeprefix(b"Exif\0\0")))
    chunks += [(b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b"")]
    for name, data in chunks:
        out.write(struct.pack(">I", len(data)) + name + data)
        out.write(struct.pack(">I", zlib.crc32(name + data)))
    return out.getvalue()
