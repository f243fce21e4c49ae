"""Image files: which there are, and what training and evaluation see of them."""

import io
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srlab.errors import DepthWarning, UserError
from srlab.imaging.formats.deep import deep_pixels, is_deep_png, to_8_bits
from srlab.imaging.formats.opening import HAS_HEIF, decoding, open_first
from srlab.imaging.formats.whole import as_image

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


def read_pixels(path: Path) -> np.ndarray:
    """Read an image as uint8 ``(H, W, 1)`` if it is greyscale, else as RGB ``(H, W, 3)``.

    Pixels of 16 bits are rounded to the nearest of 256 levels, with a ``DepthWarning``, once for
    each folder.

    Raises:
        UserError: The file is unreadable or has more than 16 bits.
    """
    image, data = open_first(path)
    with decoding(path):
        if is_deep_png(data):
            image.load()
        deep = deep_pixels(image, data)
    if deep is not None:
        told = f"pictures of 16 bits in {path.parent} are rounded to 8"
        warnings.warn(told, DepthWarning, stacklevel=2)
        return to_8_bits(deep[..., : 1 if deep.shape[2] < 3 else 3])
    with decoding(path):
        image.load()
        if image.mode in ("I", "F"):
            raise UserError(f"{path} has more than 16 bits; training and evaluation want 8 or 16")
        grey = image.mode in ("1", "L", "LA")
        pixels = np.array(image.convert("L" if grey else "RGB"))
    return pixels[..., None] if grey else pixels


def to_tensor(pixels: np.ndarray | Tensor) -> Tensor:
    """Turn uint8 pixels ``(H, W, C)`` into a float64 image ``(1, C, H, W)`` in ``[0, 1]``.

    On the device of the pixels.
    """
    planes = torch.as_tensor(pixels).permute(2, 0, 1).unsqueeze(0)
    return planes.to(torch.float64, memory_format=torch.contiguous_format).div_(255)


def to_pixels(image: Tensor) -> np.ndarray:
    """Turn ``(1, C, H, W)`` in ``[0, 1]`` into uint8 pixels ``(H, W, C)``, halves rounded up."""
    levels = (image[0] * 255).add_(0.5).floor_().clamp_(0, 255)
    return levels.to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()


def png_of(pixels: np.ndarray) -> bytes:
    """Return uint8 pixels ``(H, W, C)``, C is 1 or 3, as a PNG file."""
    file = io.BytesIO()
    as_image(pixels).save(file, format="PNG")
    return file.getvalue()
