"""What a file says of its picture beside the pixels: read, corrected to a new size, and held."""

import re
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from srlab.imaging.formats.turning import ORIENTATION, swaps_sides
from srlab.imaging.png_check import SIGNATURE, chunks

X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
INCHES = 2
_EXIF_IFD = 0x8769
# What a TIFF says of its picture, not of how its pixels are stored: description, camera, software,
# date, artist, copyright, the EXIF and GPS blocks.
_TIFF_TAGS = {0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298, 0x8769, 0x8825}
_BITS, _DESCRIPTION, _PHOTOSHOP = 0x0102, 0x010E, 0x8649
_XMP_KEY = b"XML:com.adobe.xmp\0"
_TAKEN = (_XMP_KEY, b"Raw profile type exif\0", b"Raw profile type APP1\0")  # text, but no words
_GAMMA = {b"cICP", b"gAMA", b"cHRM", b"sRGB"}
_SRGB = {b"sRGB", b"cHRM"}
_SRGB_GAMMA = (45455).to_bytes(4, "big")
_LONGEST, _FINEST = 65_000, 65_535  # bytes of a block in JPEG, and pixels an inch
_ABSURD = 2**26  # pixels an inch: more than PNG and BMP can count

# Which formats hold what, and are given it.
HELD = {
    "PNG": {"profile", "EXIF", "XMP", "resolution", "comment", "text", "gamma", "16 bits"},
    "JPEG": {"profile", "EXIF", "XMP", "resolution", "comment"},
    "WEBP": {"profile", "EXIF", "XMP", "resolution"},
    "TIFF": {"profile", "EXIF", "XMP", "resolution", "16 bits"},
    "BMP": {"resolution"},
    "GIF": {"comment"},
}


@dataclass(frozen=True)
class Metadata:
    """What is said of a picture that stands upright.

    Args:
        icc: Colour profile, or None.
        exif: EXIF block without an orientation, or None.
        resolution: Pixels an inch, across and down, or None.
        xmp: XMP packet, or None.
        comment: Comment of a JPEG or a GIF, or None.
        text: Parts of a PNG that hold words, each with its name.
        gamma: Parts of a PNG that say what its colours mean.
        lost: What the file held and this does not, in words.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    resolution: tuple[float, float] | None = None
    xmp: bytes | None = None
    comment: bytes | None = None
    text: tuple[tuple[bytes, bytes], ...] = ()
    gamma: tuple[tuple[bytes, bytes], ...] = ()
    lost: tuple[str, ...] = ()


NOTHING_SAID = Metadata()


def read_metadata(image: Image.Image, data: bytes) -> tuple[Metadata, int]:
    """Return what a file says of its picture, and the orientation that is to be undone.

    Args:
        image: The picture, loaded, of any format but TIFF.
        data: The file.
    """
    text, gamma, lost = _parts(data) if data.startswith(SIGNATURE) else ([], [], [])
    info = image.info
    orientation, exif = 1, None
    try:
        tags = image.getexif()
        orientation = tags.get(ORIENTATION, 1)
        # Of a JPEG or a TIFF that names none Pillow may say 72 or 1.
        named = info.get("jfif_unit") in (1, 2) or X_RESOLUTION in tags
        has_resolution = named or image.format not in ("JPEG", "MPO", "TIFF")
        exif = _kept(tags, image.format)
    except Exception:  # what Pillow raises of a block that makes no sense is not foreseen
        has_resolution = False
        lost.append("EXIF, which is damaged")
    if image.format == "MPO":
        lost.append("the other pictures in it")
    if info.get("photoshop") or _PHOTOSHOP in getattr(image, "tag_v2", ()):
        lost.append("IPTC")
    bits = max(getattr(image, "tag_v2", {}).get(_BITS, (8,)))
    if info.get("bit_depth", 8) > 8 or (bits > 8 and image.mode in ("CMYK", "LAB")):
        lost.append("bits beyond 8")  # of HEIF, and of what Pillow alone turns to RGB
    # A profile of CMYK or Lab says nothing of the RGB pixels that they become.
    icc = None if image.mode in ("CMYK", "LAB") else info.get("icc_profile")
    said = Metadata(
        icc=icc or None,
        exif=exif,
        resolution=_resolution(info.get("dpi"), orientation) if has_resolution else None,
        xmp=_as_bytes(info.get("xmp")),
        comment=None if image.format == "TIFF" else _as_bytes(info.get("comment")),
        text=tuple(text),
        gamma=tuple(gamma),
        lost=tuple(lost),
    )
    return said, 1 if image.format == "TIFF" else orientation  # which Pillow has undone


def _kept(tags: Image.Exif, form: str | None) -> bytes | None:
    """Return the EXIF block to keep, without the orientation, or None if nothing is left."""
    gone = [t for t in tags if t == ORIENTATION or (form == "TIFF" and t not in _TIFF_TAGS)]
    if form == "TIFF" and str(tags.get(_DESCRIPTION, "")).startswith('{"shape": '):
        gone.append(_DESCRIPTION)  # tifffile's, of the old size
    for tag in gone:
        del tags[tag]
    return tags.tobytes() if len(tags) else None


def _parts(data: bytes) -> tuple[list, list, list[str]]:
    """Return the parts of a PNG that are words, those of gamma, and the damaged ones in words."""
    text, gamma, lost = [], [], []
    for name, content, whole in chunks(data):
        if name not in _GAMMA | {b"tEXt", b"zTXt", b"iTXt"}:
            continue
        part = bytes(content)
        if not whole:
            lost.append(f"{name.decode()}, which is damaged")
        elif name in _GAMMA:
            gamma.append((name, part))
        elif not part.startswith(_TAKEN):
            text.append((name, part))
    return text, gamma, lost


def _as_bytes(value: object) -> bytes | None:
    if isinstance(value, str):
        value = value.encode()
    return value if isinstance(value, bytes) and value else None


def _resolution(given: object, orientation: int) -> tuple[float, float] | None:
    try:
        across, down = map(float, given)  # type: ignore[call-overload]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not (0 < across < _ABSURD and 0 < down < _ABSURD):
        return None
    return (down, across) if swaps_sides(orientation) else (across, down)


def resized(said: Metadata, height: int, width: int) -> Metadata:
    """Return what is said of a picture once it has another size, where a size is named in it."""
    exif, xmp = said.exif, said.xmp
    if exif is not None:
        tags = Image.Exif()
        tags.load(exif)
        inner = tags.get_ifd(_EXIF_IFD)
        sizes = {0x0100: width, 0x0101: height, 0xA002: width, 0xA003: height}
        named = [(block, tag) for block in (tags, inner) for tag in sizes if tag in block]
        for block, tag in named:
            block[tag] = sizes[tag]
        exif = tags.tobytes() if named else exif
    if xmp is not None:
        for names, number in (
            (b"tiff:ImageWidth|exif:PixelXDimension", width),
            (b"tiff:ImageLength|exif:PixelYDimension", height),
            (b"tiff:Orientation", 1),
        ):
            xmp = re.sub(rb"((?:%b)(?:\s*=\s*[\"']|>))\d+" % names, rb"\g<1>%d" % number, xmp)
    return replace(said, exif=exif, xmp=xmp)


def left_out(said: Metadata, form: str, bits: int = 8) -> tuple[str, ...]:
    """Name what a format does not hold of what is said of a picture, and what was lost before.

    Args:
        said: What is said of it.
        form: The format.
        bits: Of each channel.
    """
    means_srgb = all(n in _SRGB or c == _SRGB_GAMMA for n, c in said.gamma) or said.icc is not None
    there = {
        "profile": said.icc,
        "EXIF": said.exif,
        "XMP": said.xmp,
        "resolution": said.resolution,
        "comment": said.comment,
        "text": said.text,
        "gamma": not means_srgb,
        "16 bits": bits == 16,
    }
    held = HELD[form] - (_too_much(said) if form == "JPEG" else set())
    return (
        *said.lost,
        *(what for what, is_there in there.items() if is_there and what not in held),
    )


def _too_much(said: Metadata) -> set[str]:
    """Name what JPEG has no room for; a profile is cut into several parts."""
    blocks = {"EXIF": said.exif, "XMP": said.xmp, "comment": said.comment}
    long = {what for what, block in blocks.items() if len(block or b"") > _LONGEST}
    return long | ({"resolution"} if max(said.resolution or (0,)) > _FINEST else set())


def png_parts(said: Metadata) -> list[tuple[bytes, bytes]]:
    """Return what is said as parts of a PNG, but for profile and EXIF block."""
    parts = [*said.gamma]
    if said.resolution is not None:
        a_metre = (round(n / 0.0254) for n in said.resolution)
        parts.append((b"pHYs", b"".join(n.to_bytes(4, "big") for n in a_metre) + b"\1"))
    if said.xmp is not None:
        parts.append((b"iTXt", _XMP_KEY + b"\0\0\0\0" + said.xmp))
    if said.comment is not None:
        try:
            words = said.comment.decode()
        except UnicodeDecodeError:
            words = said.comment.decode("latin-1")
        parts.append((b"iTXt", b"Comment\0\0\0\0\0" + words.rstrip("\0").encode()))
    return [*parts, *said.text]


def saved_by_pillow(said: Metadata, form: str) -> dict[str, Any]:
    """Return what is said as options of Pillow's ``save``, as far as the format holds it."""
    out = set(left_out(said, form, 8))
    exif = said.exif
    if form == "WEBP" and said.resolution is not None:
        exif = _with_resolution(exif, said.resolution)
    options = {
        "icc_profile": None if "profile" in out else said.icc,
        "exif": None if "EXIF" in out else exif,
        "xmp": None if "XMP" in out else said.xmp,
        "dpi": None if form == "WEBP" or "resolution" in out else said.resolution,
        "comment": None if "comment" in out else said.comment,
    }
    return {name: value for name, value in options.items() if value}


def _with_resolution(exif: bytes | None, resolution: tuple[float, float]) -> bytes:
    """Say the resolution in an EXIF block, for a format that has no other place for it."""
    tags = Image.Exif()
    if exif is not None:
        tags.load(exif)
    tags[X_RESOLUTION], tags[Y_RESOLUTION] = resolution
    tags[RESOLUTION_UNIT] = INCHES
    return tags.tobytes()
