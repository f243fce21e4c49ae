"""What a codec took from a picture file: nothing, or so much."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from srlab.errors import UserError
from srlab.imaging.formats.opening import decoding, frame_numbers, known_formats

# The luminance table of ITU-T T.81, K.1, sorted; libjpeg makes that of each quality by scaling it.
_LUMINANCE = sorted(
    (
        *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
        *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
        *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
        *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
    )
)
_LOSSY = ("AVIF", "HEIF")  # which hardly anybody writes without loss
_JPEG_IN_TIFF = ("jpeg", "tiff_jpeg")
_FRAME_HEADER = 16  # bytes of a frame of WebP before its picture


@dataclass(frozen=True)
class Compression:
    """A codec that keeps less than it was given.

    Args:
        codec: Its name.
        quality: Of JPEG, 1 to 100 as libjpeg counts; of tables that are not libjpeg's, as photo
            editors have them, the nearest. None of other codecs.
    """

    codec: str
    quality: int | None = None


def compression_of(path: Path) -> Compression | None:
    """Return what compressed a picture file, by its header; None if nothing was lost.

    That is what the file says of itself: a JPEG that was saved again as PNG counts as lossless, and
    one saved again at a higher quality as of that. None, too, of a file that cannot be opened; its
    fault is told where its pixels are read.
    """
    try:
        with decoding(path), path.open("rb") as file:
            image = Image.open(file, formats=known_formats())
            image.seek(frame_numbers(image)[0])  # of a TIFF not the thumbnail
            if tables := getattr(image, "quantization", None):
                return Compression("JPEG", _quality(sorted(tables[min(tables)])))
            if image.format in _LOSSY or image.info.get("compression") in _JPEG_IN_TIFF:
                return Compression(str(image.format))
            if image.format == "WEBP" and _is_lossy_webp(file):
                return Compression("WebP")
    except UserError:
        pass
    return None


def _quality(table: list[int]) -> int:
    """Return the quality at which libjpeg's table of luminance is nearest to a sorted one."""

    def distance(quality: int) -> int:
        percent = 5000 // quality if quality < 50 else 200 - 2 * quality
        steps = (min(max((step * percent + 50) // 100, 1), 255) for step in _LUMINANCE)
        return sum(abs(one - other) for one, other in zip(steps, table, strict=True))

    return min(range(100, 0, -1), key=distance)


def _is_lossy_webp(file: BinaryIO) -> bool:
    """Tell whether a picture or any frame of a WebP is of the lossy kind (RFC 9649, section 2)."""
    place = 12
    while len(head := _at(file, place)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name == b"VP8 ":
            return True
        place += 8 + (_FRAME_HEADER if name == b"ANMF" else size + size % 2)
    return False


def _at(file: BinaryIO, place: int) -> bytes:
    file.seek(place)
    return file.read(8)
