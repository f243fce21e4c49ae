"""Writing video files: H.264, or VP9 in WebM; sound and subtitles as they are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from srlab.errors import UserError
from srlab.imaging.video.clip import Clip
from srlab.imaging.video.files import pyav
from srlab.imaging.video.frames import STUDIO, has_alpha, reformatted
from srlab.imaging.video.streams import Copies, copy_tags

if TYPE_CHECKING:
    from av import Packet, VideoFrame

# Settings that keep up with a network and lose little: 45 dB and more at 1080p.
_H264 = ("libx264", {"preset": "veryfast", "crf": "18"})
_VP9_SETTINGS = {"crf": "20", "b": "0", "deadline": "realtime", "cpu-used": "8", "row-mt": "1"}
_FORMATS = {
    ".mp4": ("mp4", *_H264),
    ".m4v": ("mp4", *_H264),
    ".mov": ("mov", *_H264),
    ".mkv": ("matroska", *_H264),
    ".webm": ("webm", "libvpx-vp9", _VP9_SETTINGS),
}
_OF_THE_FILE = {"major_brand", "minor_version", "compatible_brands", "encoder"}


def can_write(kind: str) -> bool:
    """Say whether video is written into files with this suffix."""
    return kind.lower() in _FORMATS


def kind_for(source: Path) -> str:
    """Return the suffix of what is made of a video file: its own, or that of Matroska."""
    return source.suffix if can_write(source.suffix) else ".mkv"


def check_kind(kind: str) -> None:
    """Check that a suffix names a container that is written.

    Raises:
        UserError: It does not.
    """
    if not can_write(kind):
        raise UserError(f"cannot write video of type {kind!r}; use {', '.join(_FORMATS)}")


def holds_alpha(kind: str) -> bool:
    """Say whether files with this suffix hold transparency."""
    return kind.lower() == ".webm"


def written_size(kind: str, height: int, width: int) -> tuple[int, int]:
    """Return the rows and columns that a video is written with: of H.264 these are even."""
    if _FORMATS[kind.lower()][1] != "libx264":
        return height, width
    return height + height % 2, width + width % 2


@contextmanager
def clip_writer(
    file: BinaryIO,
    kind: str,
    height: int,
    width: int,
    like: Clip,
    tell: Callable[[str], None] = print,
) -> Iterator[Callable[["VideoFrame | Packet"], None]]:
    """Write a video file, whose frames and packets are given in the body.

    Args:
        file: Where the bytes go, from its beginning; the file is whole at the end of the body.
        kind: File suffix that names the container: ``.mp4``, ``.mkv``, ...
        height: Rows of its frames, as ``written_size`` gives them.
        width: Columns.
        like: The clip whose sound, subtitles, attachments, colours, shape of pixels, rotation,
            titles and chapters it gets.
        tell: Is told what the container does not take and what is left out therefore.

    Yields:
        A function of frames, ``yuv420p`` or ``rgb24``, with transparency ``yuva420p`` or ``rgba``,
        and of packets, which get another stream.

    Raises:
        UserError: The container does not take the size or the sound, or encoding fails.
    """
    check_kind(kind)
    av = pyav()
    form, codec, settings = _FORMATS[kind.lower()]
    pixels = "yuva420p" if has_alpha(like.first) else "yuv420p"
    container = av.open(file, "w", format=form)
    try:
        stream = _add_picture(container, codec, settings, height, width, like)
        stream.pix_fmt = pixels
        copies = Copies(container, kind, like)
        if copies.left_out:
            tell(f"left out, as {kind} does not take it: {copies.left_out}")
        titles = like.container.metadata.items()
        container.metadata.update({k: v for k, v in titles if k not in _OF_THE_FILE})
        container.set_chapters(like.container.chapters())
        reformatter = av.video.reformatter.VideoReformatter()
        colours = {"dst_colorspace": like.first.colorspace, "dst_color_range": STUDIO}

        def write(item: Any) -> None:
            if isinstance(item, av.Packet):
                copies.mux(item)
                return
            if item.format.name != pixels:
                item = reformatted(reformatter, item, pixels, **colours)
            container.mux(stream.encode(item))

        yield write
        container.mux(stream.encode(None))
        container.close()
    except BaseException as error:
        with suppress(Exception):  # there is nothing to finish
            container.close()
        if isinstance(error, av.error.FFmpegError):
            raise UserError(f"cannot write the video as {kind}: {error.strerror}") from None
        raise


def _add_picture(
    container: Any, codec: str, settings: dict[str, str], height: int, width: int, like: Clip
) -> Any:
    """Add the video stream."""
    av = pyav()
    if has_alpha(like.first):  # which libvpx loses in frames that are made of later ones
        settings = settings | {"auto-alt-ref": "0"}
    try:
        stream = container.add_stream(codec, rate=like.stream.average_rate, options=dict(settings))
    except av.codec.codec.UnknownCodecError:
        raise UserError(f"this PyAV has no encoder {codec}") from None
    stream.width, stream.height = width, height
    stream.time_base = stream.codec_context.time_base = like.times.base
    stream.codec_context.flags |= av.codec.context.Flags.frame_duration
    shape = like.stream.sample_aspect_ratio
    if shape and shape != 1 and codec == "libvpx-vp9":
        raise UserError(
            f"the pixels of {like.path} are {shape} as wide as high, which PyAV does not write "
            "into .webm: name the output .mkv"
        )
    if shape:
        stream.codec_context.sample_aspect_ratio = shape
    stream.color_range = STUDIO
    for tag in ("color_primaries", "color_trc", "colorspace"):
        setattr(stream, tag, getattr(like.first, tag))
    degrees, mirrored = like.turn
    if degrees or mirrored:
        stream.set_display_rotation(degrees, hflip=mirrored)
    copy_tags(like.stream, stream)
    return stream
