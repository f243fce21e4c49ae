"""Opening image files: which decoders are asked, what a file holds, and how its faults are told."""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from srlab.errors import OutOfMemory, UserError
from srlab.imaging.gif_check import SIGNATURES, check_gif
from srlab.imaging.png_check import SIGNATURE, check_png

# What is decoded, by content: none of them starts another program.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
HAS_HEIF = find_spec("pillow_heif") is not None
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_SUBFILE, _REDUCED_OR_MASK = 254, 1 | 4  # of TIFF: what a page is of another
_MOST_OF_WEBP = 16_383  # pixels a side of a frame
_LARGE_SCREEN, _MOST_EMPTY = 1 << 22, 64  # pixels of a GIF, and how many more than its first frame
_WIDTH, _HEIGHT, _STRIPS, _CHANNELS, _STRIP_ROWS, _PLANES = 256, 257, 273, 277, 278, 284
_TILE_COLUMNS, _TILE_ROWS, _TILES, _APART = 322, 323, 324, 2

# Pillow warns from 89 million pixels on, and refuses twice as many, as we do.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


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
        raise OutOfMemory(f"{path} is too large for the memory that is left") from None
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except UnidentifiedImageError:
        raise UserError(
            f"{path} is not a readable image: its content is none of {', '.join(known_formats())}"
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
    """Open and decode an image file of one frame or page completely.

    Raises:
        UserError: The file is missing, cut off, or no image, or has several frames.
    """
    image, _ = open_first(path)
    with decoding(path):
        image.load()
    return image


def open_first(path: Path, first_frame: bool = False) -> tuple[Image.Image, bytes]:
    """Open an image file at its frame or page, and return it with the file's bytes.

    Its pixels are still to be loaded, within ``decoding``.

    Args:
        path: The file.
        first_frame: Whether to take the first of several frames or pages.

    Raises:
        UserError: The file is missing or no image, is a damaged PNG, or has several frames.
    """
    image, data, numbers = open_frames(path)
    if len(numbers) > 1 and not first_frame:
        raise UserError(
            f"{path} has {len(numbers)} frames or pages, of which only one could be used: split it"
        )
    with decoding(path):
        image.seek(numbers[0])
        check_size(image)
    return image, data


def open_frames(path: Path, data: bytes | None = None) -> tuple[Image.Image, bytes, list[int]]:
    """Open an image file, and return it with the file's bytes and the numbers of its frames.

    Args:
        path: The file.
        data: Its bytes, once it was opened before.

    Raises:
        UserError: The file is missing or no image, or is a damaged PNG.
    """
    with decoding(path):
        known, data = data is not None, path.read_bytes() if data is None else data
        try:
            image = Image.open(io.BytesIO(data), formats=known_formats())
        except UnidentifiedImageError:
            _explain(data)
            raise
        if data.startswith(SIGNATURE) and not known:
            check_png(data)
        if data.startswith(SIGNATURES) and not known:
            check_gif(data)
        return image, data, frame_numbers(image)


def holds_frames(path: Path) -> str | None:
    """Return Pillow's name of the format of a file that has several frames or pages, else None.

    No more of it is read than that takes. One that cannot be opened has none; its fault is told
    where its pixels are read.
    """
    try:
        with decoding(path), path.open("rb") as file:
            image = Image.open(file, formats=known_formats())
            return image.format if len(frame_numbers(image)) > 1 else None
    except UserError:
        return None


def check_size(image: Image.Image) -> None:
    """Check that a frame is not so large that it may be made to fill the memory, as Pillow does.

    And that a page of a TIFF names as many strips or tiles as it takes, as decoders leave others
    black; and that a GIF or WebP is no small frame on a huge screen, which a few bytes can ask for.

    Raises:
        Image.DecompressionBombError: It is so large.
        ValueError: Parts are missing, or nearly all is.
    """
    if image.format == "TIFF" and _lacks_parts(image.tag_v2):  # type: ignore[attr-defined]
        raise ValueError("its pixels are cut off")
    if image.width * image.height > 2 * (Image.MAX_IMAGE_PIXELS or 2**62):
        raise Image.DecompressionBombError
    if image.format == "GIF" and image.tell() == 0:
        ends = [tile.extents[2:] for tile in getattr(image, "tile", ()) if tile.extents]
        right, below = (max((end[axis] for end in ends), default=0) for axis in (0, 1))
        size = image.width * image.height
        if size > _LARGE_SCREEN and size > _MOST_EMPTY * right * below:
            raise ValueError(f"its first frame is lost in {image.width}x{image.height} pixels")
    if image.format == "WEBP" and max(image.size) > _MOST_OF_WEBP:
        raise ValueError(f"none of its frames can be as large as {image.width}x{image.height}")


def _lacks_parts(tags: Mapping[int, Any]) -> bool:
    width, height = tags[_WIDTH], tags[_HEIGHT]
    planes = tags.get(_CHANNELS, 1) if tags.get(_PLANES) == _APART else 1
    columns, rows, parts = width, tags.get(_STRIP_ROWS, height), tags.get(_STRIPS)
    if _TILES in tags:
        columns, rows, parts = tags[_TILE_COLUMNS], tags[_TILE_ROWS], tags[_TILES]
    if parts is None:
        return False
    return len(parts) < planes * -(-height // max(rows, 1)) * -(-width // max(columns, 1))


def frame_numbers(image: Image.Image) -> list[int]:
    """Return which frames or pages a file has, beside previews and reduced copies of them."""
    count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)  # MPO: previews
    if image.format == "TIFF" and count > 1:
        own = []
        for number in range(count):
            image.seek(number)
            if not image.tag_v2.get(_SUBFILE, 0) & _REDUCED_OR_MASK:  # type: ignore[attr-defined]
                own.append(number)
        image.seek(0)
        return own or [0]
    if image.format == "PNG" and getattr(image, "default_image", False):
        return list(range(1, count))  # the first is shown where nothing moves
    return list(range(count))


def _explain(data: bytes) -> None:
    """Raise what says more of a file that no decoder knows, if anything does."""
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        raise ValueError("it is HEIC, which an extra reads: pip install 'srlab[heif]'")
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        raise ValueError("it is a TIFF with a kind of pixels that srlab does not read")


@cache
def known_formats() -> list[str]:
    """Return Pillow's names of what it decodes here; HEIF where its plug-in is installed."""
    Image.init()
    if HAS_HEIF:
        import pillow_heif

        pillow_heif.register_heif_opener()
    return [form for form in (*FORMATS, "HEIF") if form in Image.OPEN]
