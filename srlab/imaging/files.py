"""Image files: which there are, and what training and evaluation see of them."""

import io
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from srlab.errors import DepthWarning, UserError
from srlab.imaging.formats.deep import deep_pixels, is_deep, is_deep_png, to_8_bits
from srlab.imaging.formats.opening import HAS_HEIF, decoding, known_formats, open_first
from srlab.imaging.formats.whole import as_image
from srlab.imaging.png import PngWriter

_HEADER = 32  # bytes of a file that tell whether it is a PNG of 16 bits

SUFFIXES = frozenset(
    f".{kind}" for kind in (
        "avif", "bmp", "gif", "jfif", "jpe", "jpeg", "jpg", "pgm", "png", "ppm", "tif", "tiff",
        "webp", *(("heic", "heif") if HAS_HEIF else ()),
    )
)  # fmt: skip


def list_images(folder: Path, recursive: bool = False) -> list[Path]:
    """Return the image files in a folder, sorted by name; hidden files are none.

    Args:
        folder: The folder.
        recursive: Whether to look into the folders in it, too.

    Raises:
        UserError: The folder does not exist or holds no image.
    """
    if not folder.exists():
        raise UserError(f"{folder} does not exist: name a folder of images")
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder of images")
    images = listed(folder, recursive)
    if not images:
        others = left_out(folder, recursive)
        raise UserError(
            f"{folder} holds no image ({', '.join(sorted(SUFFIXES))})"
            + (f"; it holds {others}" if others else "")
        )
    return images


def is_image(path: Path) -> bool:
    """Say whether a file's suffix is that of an image."""
    return path.suffix.lower() in SUFFIXES


def listed(
    folder: Path, recursive: bool = False, taken: Callable[[Path], bool] = is_image
) -> list[Path]:
    """Return the files in a folder that are ``taken``, sorted by name; hidden ones are not."""
    return [path for path in _seen(folder, recursive) if path.is_file() and taken(path)]


def left_out(
    folder: Path, recursive: bool = False, taken: Callable[[Path], bool] = is_image
) -> str:
    """Say what a folder holds that is not listed, by kind, as in ``2 .txt, 1 folder``; or nothing.

    Hidden files, as systems leave them, are not counted.
    """
    kinds: Counter[str] = Counter()
    for path in _seen(folder, recursive):
        if path.is_dir():
            kinds["folders" if not recursive else ""] += 1
        elif not taken(path):
            kinds[path.suffix.lower() or "without a suffix"] += 1
    folders = kinds.pop("folders", 0)
    kinds.pop("", None)
    told = [f"{count} {kind}{_read_by(kind)}" for kind, count in sorted(kinds.items())]
    if folders:
        told.append(f"{folders} folder{'s' * (folders > 1)} (recursive=true looks into them)")
    return ", ".join(told)


def _read_by(kind: str) -> str:
    """Say what would read files of a suffix, where anything would."""
    return " (pip install 'srlab[heif]' reads them)" if kind in (".heic", ".heif") else ""


def _seen(folder: Path, recursive: bool) -> list[Path]:
    """Return what is in a folder and not hidden, sorted."""
    paths = folder.rglob("*") if recursive else folder.iterdir()
    shown = (p for p in paths if not any(n.startswith(".") for n in p.relative_to(folder).parts))
    return sorted(shown)


def size_of(path: Path) -> tuple[int, int]:
    """Return width and height of a picture, as its header says them.

    Raises:
        UserError: The file is unreadable.
    """
    with decoding(path), Image.open(path, formats=known_formats()) as image:
        return image.size


def bits_of(path: Path) -> int:
    """Return 16 for a picture of more than 8 bits for each channel, as its header says; else 8.

    Raises:
        UserError: The file is unreadable.
    """
    with decoding(path), path.open("rb") as file:
        head = file.read(_HEADER)
        return 16 if is_deep(Image.open(file, formats=known_formats()), head) else 8


def read_pixels(path: Path, bits: int = 8) -> np.ndarray:
    """Read an image as ``(H, W, 1)`` if it is greyscale, else as RGB ``(H, W, 3)``.

    Args:
        path: The file.
        bits: 8 for uint8: pixels of 16 bits are rounded to the nearest of 256 levels, with a
            ``DepthWarning``, once for each folder. 16 for uint16: pixels of 8 bits are spread.

    Raises:
        UserError: The file is unreadable or has more than 16 bits.
    """
    image, data = open_first(path)
    with decoding(path):
        if is_deep_png(data):
            image.load()
        deep = deep_pixels(image, data)
    if deep is not None:
        deep = deep[..., : 1 if deep.shape[2] < 3 else 3]
        if bits == 16:
            return deep
        told = f"pictures of 16 bits in {path.parent} are rounded to 8"
        warnings.warn(told, DepthWarning, stacklevel=2)
        return to_8_bits(deep)
    with decoding(path):
        image.load()
        if image.mode in ("I", "F"):
            raise UserError(f"{path} has more than 16 bits; training and evaluation want 8 or 16")
        grey = image.mode in ("1", "L", "LA")
        pixels = np.array(image.convert("L" if grey else "RGB"))
    pixels = pixels[..., None] if grey else pixels
    return pixels if bits == 8 else pixels * np.uint16(257)


def to_tensor(pixels: np.ndarray | Tensor) -> Tensor:
    """Turn levels ``(H, W, C)`` into a float64 image ``(1, C, H, W)`` in ``[0, 1]``.

    uint16 of 0 to 65535, any other type of 0 to 255. On the device of the pixels.
    """
    levels = torch.as_tensor(pixels)
    planes = levels.permute(2, 0, 1).unsqueeze(0)
    top = 65535 if levels.dtype == torch.uint16 else 255
    return planes.to(torch.float64, memory_format=torch.contiguous_format).div_(top)


def to_pixels(image: Tensor, bits: int = 8) -> np.ndarray:
    """Turn ``(1, C, H, W)`` in ``[0, 1]`` into pixels ``(H, W, C)``, halves rounded up.

    uint8, or uint16 if ``bits`` is 16.
    """
    top = 2**bits - 1
    levels = (image[0] * top).add_(0.5).floor_().clamp_(0, top)
    levels = levels.to(torch.uint8 if bits == 8 else torch.uint16)
    return levels.permute(1, 2, 0).contiguous().cpu().numpy()


def png_of(pixels: np.ndarray) -> bytes:
    """Return pixels ``(H, W, C)``, uint8 or uint16, C is 1 or 3, as a PNG file."""
    file = io.BytesIO()
    if pixels.dtype == np.uint16:  # of which Pillow writes no colour
        height, width, channels = pixels.shape
        with PngWriter(file, height, width, channels, 16) as writer:
            writer.write(pixels)
        return file.getvalue()
    as_image(pixels).save(file, format="PNG")
    return file.getvalue()
