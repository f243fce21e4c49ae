"""Image files for training and evaluation: 8 bits, greyscale or RGB."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from srlab.errors import UserError
from srlab.imaging.png_check import SIGNATURE, check_png

# What is decoded, by content: none of them starts another program.
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})

# Pillow warns from 89 million pixels on, and refuses twice as many, as we do.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def list_images(folder: Path) -> list[Path]:
    """Return the image files directly in ``folder``, sorted by name.

    Raises:
        UserError: The folder does not exist or holds no image.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder of images")
    images = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if not images:
        raise UserError(f"{folder} holds no image ({', '.join(sorted(SUFFIXES))})")
    return images


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


def open_image(path: Path) -> Image.Image:
    """Open and decode an image file completely.

    Raises:
        UserError: The file is missing, cut off, or no image.
    """
    with decoding(path):
        data = path.read_bytes()
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        if data.startswith(SIGNATURE):
            check_png(data)
        image.load()
    return image


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
