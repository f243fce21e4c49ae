"""Image files for training and evaluation: 8 bits, greyscale or RGB."""

import io
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from srlab.errors import UserError
from srlab.imaging.png_check import SIGNATURE, check_png

# What is decoded, by content: none of them starts another program.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = frozenset(
    f".{kind}" for kind in (
        "avif", "bmp", "gif", "jfif", "jpe", "jpeg", "jpg", "pgm", "png", "ppm", "tif", "tiff",
        "webp",
    )
)  # fmt: skip

# Pillow warns from 89 million pixels on, and refuses twice as many, as we do.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


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
    told = [f"{count} {kind}" for kind, count in sorted(kinds.items())]
    if folders:
        told.append(f"{folders} folder{'s' * (folders > 1)} (recursive=true looks into them)")
    return ", ".join(told)


def _seen(folder: Path, recursive: bool) -> list[Path]:
    """Return what is in a folder and not hidden, sorted."""
    paths = folder.rglob("*") if recursive else folder.iterdir()
    shown = (p for p in paths if not any(n.startswith(".") for n in p.relative_to(folder).parts))
    return sorted(shown)


@contextmanager
def decoding(path: Path) -> Iterator[None]:
    """Let whatever goes wrong with a file in the body be told in a sentence that names it.

    Raises:
        UserError: Something did.
    """
    try:
        yield
    except UserError:
        raise
    except MemoryError:
        raise UserError(f"{path} is too large for the memory that is left") from None
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except UnidentifiedImageError:
        raise UserError(
            f"{path} is not a readable image: its content is none of {', '.join(FORMATS)}"
        ) from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise UserError(
            f"{path} has more than {most:,} pixels; a file so large may be made to fill the memory"
        ) from None
    except Exception as error:  # what a decoder raises depends on where the file makes no sense
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UserError(f"{path} is not a readable image: {reason}") from None


def open_image(path: Path, first_frame: bool = False, advice: str = "") -> Image.Image:
    """Open and decode an image file completely.

    Args:
        path: The file.
        first_frame: Whether to take the first of several frames or pages.
        advice: What else to say to who has several.

    Raises:
        UserError: The file is missing, cut off, or no image, or has several frames.
    """
    with decoding(path):
        data = path.read_bytes()
        image = Image.open(io.BytesIO(data), formats=_formats())
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: previews
        if frames > 1 and not first_frame:
            raise UserError(
                f"{path} has {frames} frames or pages, of which only one could be used: split it"
                f"{advice}"
            )
        if data.startswith(SIGNATURE):
            check_png(data)
        image.load()
    return image


@cache
def _formats() -> list[str]:
    """Return those formats that this Pillow decodes."""
    Image.init()
    return [form for form in FORMATS if form in Image.OPEN]


def is_deep_png(path: Path) -> bool:
    """Tell whether a file is a PNG of 16 bits for each channel, which Pillow may cut to 8."""
    with path.open("rb") as file:
        head = file.read(26)
    return head.startswith(SIGNATURE) and head[24] == 16


def read_pixels(path: Path) -> np.ndarray:
    """Read an image as uint8 ``(H, W, 1)`` if it is greyscale, else as RGB ``(H, W, 3)``.

    Raises:
        UserError: The file is unreadable or has more than 8 bits.
    """
    image = open_image(path)
    with decoding(path):
        if is_deep_png(path) or image.mode.startswith("I;16") or image.mode in ("I", "F"):
            raise UserError(f"{path} has more than 8 bits; training and evaluation want 8")
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
